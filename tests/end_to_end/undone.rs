//! Restores that are taken back: by the database alone, as often as one likes, and after anything that was interrupted.

use std::time::Instant;

use rustix::process::Signal;

use crate::live::CHANGE;
use crate::on_both;
use crate::system::{Contents, Objects, Size, State, System, assert_same};

#[track_caller]
fn same(expected: &Contents, found: &Contents) {
    let state = |database: &Contents| State { objects: Objects::new(), database: database.clone() };
    assert_same(&state(expected), &state(found));
}

/// A backup, and what was changed since: the state of then and the one of now.
async fn backed_up_and_changed(system: &System) -> (Contents, Contents) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    let before = system.database.contents().await;
    dcs.run(&["backup", "db"]).ok();
    system.database.execute(CHANGE).await;
    (before, system.database.contents().await)
}

async fn an_undo_goes_back_and_forth_and_needs_no_backup(system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["restore-db", "--undo"]).fails(10, "displaced from any").says("of dream: none");
    let (before, changed) = backed_up_and_changed(&system).await;
    dcs.run(&["restore-db", "--yes"]).ok();
    same(&before, &system.database.contents().await);

    // Looking and refusing change nothing.
    let kept = system.database.kept().await;
    let plan = dcs.run(&["restore-db", "--undo", "--dry-run", "--json"]).ok().json();
    let [told] = plan["databases"].as_array().unwrap().as_slice() else { panic!("{plan}") };
    assert_eq!(told["name"], "dream");
    assert!(told["displaced"]["name"].as_str().unwrap().ends_with(&kept[0]), "{plan} {kept:?}");
    assert!(told["displaced"]["size_bytes"].as_u64() > Some(0) && told["live"]["size_bytes"].as_u64() > Some(0));
    dcs.run(&["restore-db", "--undo", "-n"]).ok().answers("live until").answers("how much that is, is unknown");
    dcs.run(&["restore-db", "--undo"]).fails(5, "confirmation").says("--yes");
    dcs.run(&["restore-db", "--undo", "dream", "--run", "zzzz", "--yes"]).fails(10, "zzzz").says(&kept[0]);
    dcs.run(&["restore-db", "--undo", "other", "--yes"]).fails(2, "other");
    dcs.run(&["restore-db", "latest", "--undo", "--yes"]).fails(2, "--undo");
    assert_eq!(kept, system.database.kept().await);
    same(&before, &system.database.contents().await);

    // The backup bucket does not answer.
    let alone = dcs.clone().with("DCS_REPO", "http://127.0.0.1:1/nowhere");
    alone.run(&["restore-db", "--undo", "--yes"]).ok().answers("put back database dream").says("no lock was taken");
    same(&changed, &system.database.contents().await);

    // Forth, and back again on a machine without any configuration.
    dcs.run(&["restore-db", "--undo", "dream", "--yes"]).ok();
    same(&before, &system.database.contents().await);
    let elsewhere = system.dcs_elsewhere().without("DCS_REPO");
    elsewhere.run(&["restore-db", "--undo", "--yes"]).fails(2, "configuration");
    let url = format!("dream={}", system.database.url());
    let undone = elsewhere.run(&["restore-db", "--undo", "--yes", "--database", &url, "--json"]).ok().json();
    assert_eq!(undone["undone"][0]["name"], "dream", "{undone}");
    same(&changed, &system.database.contents().await);
    system.remove().await;
}

/// A run that was killed at any moment leaves one of the two states live, whole, and the other one can be had.
async fn an_undo_works_after_kills_at_any_moment(system: System) {
    let (before, changed) = backed_up_and_changed(&system).await;
    let commands = [&["restore-db", "--yes"][..], &["restore-db", "--undo", "--yes"]];
    let whole = commands.map(|command| {
        let begun = Instant::now();
        system.dcs().run(command).ok();
        begun.elapsed()
    });
    for step in 1..=7 {
        for (command, whole) in commands.iter().zip(whole) {
            let mut running = system.dcs().start(command);
            let begun = Instant::now();
            if running.until(|| begun.elapsed() >= whole * step / 7) {
                running.signal(Signal::KILL);
            }
            let ended = running.end();
            assert!(ended.signal == Some(9) || ended.code == Some(0) || ended.code == Some(10), "{ended}");
            let now = system.database.contents().await;
            same(if now == before { &before } else { &changed }, &now);
        }
    }
    // However it stands, a restore and its undo work.
    let live = system.database.contents().await;
    system.dcs().run(&["restore-db", "--yes"]).ok();
    same(&before, &system.database.contents().await);
    system.dcs().run(&["restore-db", "--undo", "--yes"]).ok();
    same(&live, &system.database.contents().await);
    system.remove().await;
}

on_both!(an_undo_goes_back_and_forth_and_needs_no_backup, Size::Small);
on_both!(an_undo_works_after_kills_at_any_moment, Size::Small);
