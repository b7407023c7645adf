//! What only a server of databases shows: others on it that nobody backs up.

use std::fs;

use crate::machine::Machine;
use crate::postgres::Scratch;
use crate::support;

#[tokio::test]
async fn databases_of_the_server_that_nobody_backs_up_are_named_and_what_restores_made_is_not() {
    let Some(url) = support::postgres() else { return };
    let (own, other) = (Scratch::create(&url, "dcs-status").await, Scratch::create(&url, "dcs-status-other").await);
    let made = Scratch::named(&url, format!("{}__before_ab12", own.name)).await;
    let machine = Machine::new();
    let config = machine.config();
    let sqlite = format!("sqlite:{}/dream.db", machine.home.path().display());
    assert!(config.contains(&sqlite));
    let config = config.replace(&sqlite, &own.url_as(None, &own.name));
    fs::write(machine.path("dcs.toml"), &config).unwrap();
    let told = machine.told();
    let unprotected: Vec<&str> =
        told["unprotected"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    let is_named = |name: &str| unprotected.iter().any(|one| one.starts_with(&format!("database {name} on ")));
    assert!(is_named(&other.name), "{unprotected:?}");
    assert!(!is_named(&own.name) && !is_named(&made.name) && !is_named("postgres"), "{unprotected:?}");

    // In the configuration and not in `databases` it is named once, as the configuration calls it.
    let more = format!("[databases.other]\nurl = \"{}\"\n", own.url_as(None, &other.name));
    fs::write(machine.path("dcs.toml"), config + &more).unwrap();
    let told = machine.told();
    let named = |text: &str| told["unprotected"].as_array().unwrap().iter().filter(|one| *one == text).count();
    assert_eq!(named("database other"), 1, "{told:#}");
    assert!(!told["unprotected"].to_string().contains(&other.name), "{told:#}");
    for scratch in [made, other, own] {
        scratch.remove().await;
    }
}
