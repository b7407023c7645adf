//! Mails, webhooks and pings.

use std::fs;

use serde_json::Value;

use crate::machine::Machine;
use crate::{Certificate, Receiver};

/// Secrets that must never be seen again; those of addresses are part of their paths.
const CANARIES: [&str; 3] = ["canary-smtp", "canary-webhook", "canary-ping"];

fn mail(server: &Receiver, scheme: &str, more: &str) -> String {
    format!(
        "[alerts.email]\nto = [\"ops@example.org\", \"Second <two@example.org>\"]\nfrom = \"dcs@example.org\"\n\
         smtp = \"{scheme}://localhost:{}\"\n{more}\n",
        server.port
    )
}

fn login(machine: &Machine) -> String {
    let secret = machine.path("smtp.password");
    fs::write(&secret, "canary-smtp\n").unwrap();
    format!("user = \"dcs\"\npassword_file = \"{}\"\n", secret.display())
}

fn subject(mail: &Value) -> String {
    let text = mail["mail"].as_str().unwrap();
    text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned()
}

#[test]
fn a_failure_and_the_recovery_after_it_are_mailed_and_nothing_between() {
    let machine = Machine::new();
    let server = Receiver::start("smtp", machine.home.path(), None);
    let sections = mail(&server, "smtp", &login(&machine));
    machine.configure(&sections);
    machine.dcs().run(&["backup", "db"]).ok();
    assert_eq!(server.received().len(), 0, "a success after nothing is no news");
    machine.configure_to_fail(&sections);
    machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    machine.configure(&sections);
    machine.dcs().run(&["backup", "db"]).ok();
    machine.dcs().run(&["backup", "db"]).ok();
    let mails = server.received();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(subject(&mails[0]).contains("failed (exit code 21)"), "{}", mails[0]);
    assert!(subject(&mails[1]).contains("works again (exit code 0)"), "{}", mails[1]);
    assert_eq!(mails[0]["to"], serde_json::json!(["ops@example.org", "two@example.org"]));
    assert_eq!(mails[0]["user"], "dcs");
    let text = mails[0]["mail"].as_str().unwrap();
    assert!(text.contains("gone.db") && text.contains("hint: "), "{text}");
}

#[test]
fn a_backup_with_problems_is_mailed_where_that_is_wanted_and_only_there() {
    let machine = Machine::new();
    let server = Receiver::start("smtp", machine.home.path(), None);
    for (on, wanted) in [("\"failure\"", 0), ("[\"problems\", \"recovery\"]", 1), ("\"always\"", 2)] {
        let sections = format!("[alerts]\non = {on}\n{}", mail(&server, "smtp", ""));
        machine.configure(&sections);
        let config = fs::read_to_string(machine.path("dcs.toml")).unwrap();
        fs::write(machine.path("dcs.toml"), config.replacen("config = [", "capture = [\"false\"]\nconfig = [", 1))
            .unwrap();
        machine.dcs().run(&["backup", "config"]).code(3);
        assert_eq!(server.received().len(), wanted, "{on}");
    }
}

#[test]
fn tls_is_checked_and_a_certificate_that_nobody_vouches_for_is_refused() {
    let machine = Machine::new();
    let certificate = Certificate::make(machine.home.path());
    for (kind, scheme) in [("smtps", "smtps"), ("starttls", "smtp+starttls")] {
        let server = Receiver::start(kind, machine.home.path(), Some(&certificate));
        let trusting = format!("{}ca_file = \"{}\"\n", login(&machine), certificate.authority.display());
        machine.configure(&format!("[alerts]\non = \"always\"\n{}", mail(&server, scheme, &trusting)));
        machine.dcs().run(&["backup", "db"]).ok();
        assert_eq!(server.received()[0]["encrypted"], true, "{kind}");
        // Without the authority: not sent, said so, and the backup is there.
        machine.configure(&format!("[alerts]\non = \"always\"\n{}", mail(&server, scheme, &login(&machine))));
        machine.dcs().run(&["backup", "db"]).fails(3, "the mail to localhost was not sent");
        assert_eq!(server.received().len(), 1, "{kind}");
    }
    // A server that offers no TLS gets no password.
    let plain = Receiver::start("smtp", machine.home.path(), None);
    machine.configure(&format!("[alerts]\non = \"always\"\n{}", mail(&plain, "smtp+starttls", &login(&machine))));
    machine.dcs().run(&["backup", "db"]).fails(3, "was not sent");
    assert_eq!(plain.received().len(), 0);
    let backups = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(backups.as_array().unwrap().len(), 5, "every backup was made");
}

#[test]
fn a_webhook_gets_all_facts_and_a_text() {
    let machine = Machine::new();
    let server = Receiver::start("http", machine.home.path(), None);
    let url = format!(
        "[alerts]\non = \"always\"\n[alerts.webhook]\nurl = \"http://127.0.0.1:{}/canary-webhook\"\n",
        server.port
    );
    machine.configure(&url);
    let id = machine.back_up();
    machine.configure_to_fail(&url);
    machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    let seen = server.received();
    assert_eq!((seen.len(), &seen[0]["method"], &seen[0]["path"]), (2, &"POST".into(), &"/canary-webhook".into()));
    let document = |index: usize| -> Value { serde_json::from_str(seen[index]["body"].as_str().unwrap()).unwrap() };
    let (done, failed) = (document(0), document(1));
    assert_eq!((&done["backup"], &done["exit_code"], &done["occasion"]), (&id.into(), &0.into(), &"success".into()));
    assert_eq!(done["facts"]["objects"], 2);
    assert_eq!((&failed["occasion"], &failed["command"]), (&"failure".into(), &"backup db".into()));
    assert!(failed["text"].as_str().unwrap().contains("gone.db"), "{failed}");
}

#[test]
fn pings_say_begin_success_and_the_exit_code() {
    let machine = Machine::new();
    let certificate = Certificate::make(machine.home.path());
    let server = Receiver::start("https", machine.home.path(), Some(&certificate));
    let ca = certificate.authority.display();
    let sections =
        format!("[alerts.ping]\nurl = \"https://localhost:{}/ping/canary-ping\"\nca_file = \"{ca}\"\n", server.port);
    machine.configure(&sections);
    machine.dcs().run(&["backup", "db"]).ok();
    machine.configure_to_fail(&sections);
    machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    machine.dcs().run(&["backup", "db", "-n"]).code(21);
    // Neither a dry run nor another command is what somebody waits for.
    machine.configure(&sections);
    machine.dcs().run(&["verify"]).ok();
    let seen = server.received();
    let paths: Vec<&str> = seen.iter().map(|seen| seen["path"].as_str().unwrap()).collect();
    let base = "/ping/canary-ping";
    assert_eq!(paths, [format!("{base}/start"), base.to_owned(), format!("{base}/start"), format!("{base}/21")]);
    assert!(seen[3]["body"].as_str().unwrap().contains("gone.db"), "{}", seen[3]);
}

#[test]
fn what_is_not_told_is_a_problem_and_never_hides_what_the_run_was() {
    let machine = Machine::new();
    let (broken, silent) =
        (Receiver::start("500", machine.home.path(), None), Receiver::start("silent", machine.home.path(), None));
    let webhook = |port: u16| {
        format!("[alerts]\non = \"always\"\ntimeout = \"1s\"\n[alerts.webhook]\nurl = \"http://127.0.0.1:{port}/x\"\n")
    };
    // Nobody listens there any more.
    let nobody = Receiver::start("http", machine.home.path(), None).port;
    for (sections, said) in [
        (webhook(broken.port), "it answered 500"),
        (webhook(silent.port), "no answer within 1 s"),
        (webhook(nobody), "was not sent"),
        (format!("[alerts]\non = \"always\"\ntimeout = \"1s\"\n{}", mail(&silent, "smtp", "")), "mail to localhost"),
        (
            format!("[alerts]\ntimeout = \"1s\"\n[alerts.ping]\nurl = \"http://127.0.0.1:{}/x\"\n", silent.port),
            "the ping to",
        ),
    ] {
        machine.configure(&sections);
        machine.dcs().run(&["backup", "db"]).fails(3, said).says("all was done");
        let record = records(&machine).pop().unwrap();
        assert_eq!(record["exit_code"], 3, "the record says what the exit code was\n{record}");
        machine.configure_to_fail(&sections);
        machine.dcs().run(&["backup", "db"]).says(said).fails(21, "gone.db");
    }
    let listed = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 5, "every backup was made, and is good");
}

fn records(machine: &Machine) -> Vec<Value> {
    let folder = machine.path("vault/dcs/runs");
    let names = crate::system::files(&folder).into_keys().filter(|name| name.contains(".json"));
    let mut records: Vec<Value> =
        names.map(|name| serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()).collect();
    records.sort_by_key(|record| record["started_at"].as_str().unwrap().to_owned());
    records
}

#[test]
fn a_wrong_address_is_refused_before_anything_is_begun() {
    let machine = Machine::new();
    for (sections, said) in [
        (
            "[alerts.email]\nto = \"nobody\"\nfrom = \"a@b.example\"\nsmtp = \"smtps://mail.example\"\n",
            "no mail address",
        ),
        ("[alerts.email]\nto = \"a@b.example\"\nfrom = \"a@b.example\"\nsmtp = \"mail.example\"\n", "smtps://HOST"),
        (
            "[alerts.email]\nto = \"a@b.example\"\nfrom = \"a@b.example\"\nsmtp = \"smtp://mail.example\"\n",
            "unencrypted",
        ),
        ("[alerts.webhook]\nurl = \"canary-webhook\"\n", "no address"),
        ("[alerts.webhook]\nurl_file = \"/nowhere\"\n", "/nowhere"),
        ("[alerts.ping]\nurl = \"http://ping.example/canary-ping\"\n", "unencrypted"),
    ] {
        machine.configure(sections);
        let output = machine.refuses(&machine.dcs(), &["backup", "files"], 2, said);
        assert!(CANARIES.iter().all(|canary| !output.stderr.contains(canary)), "{output}");
    }
}

#[test]
fn no_secret_is_seen_anywhere() {
    let machine = Machine::new();
    let server = Receiver::start("smtp", machine.home.path(), None);
    let silent = Receiver::start("silent", machine.home.path(), None);
    let wrong = machine.path("wrong.password");
    fs::write(&wrong, "canary-ping-wrong\n").unwrap();
    let urls = format!(
        "[alerts]\non = \"always\"\ntimeout = \"2s\"\n[metrics]\ntextfile = \"{0}/dcs.prom\"\n\
         [alerts.webhook]\nurl_command = \"echo http://127.0.0.1:{1}/canary-webhook\"\n\
         [alerts.ping]\nurl_file = \"{0}/ping.url\"\n",
        machine.home.path().display(),
        silent.port
    );
    fs::write(machine.path("ping.url"), format!("http://127.0.0.1:{}/canary-ping\n", silent.port)).unwrap();
    let password = format!("user = \"dcs\"\npassword_file = \"{}\"\n", wrong.display());
    // The server repeats the password that it refuses.
    machine.configure(&format!("{urls}{}", mail(&server, "smtp", &password)));
    let mut run = machine.dcs().start(&["-vv", "--log-file", "dcs.log", "backup", "complete"]);
    let mut listed = String::new();
    run.until(|| {
        let now = std::process::Command::new("ps").args(["-ewwo", "args"]).output().unwrap();
        listed.push_str(&String::from_utf8_lossy(&now.stdout));
        false
    });
    let output = run.end().code(3);
    let shown = machine.dcs().run(&["config", "show", "--json"]).ok();
    let mut texts = vec![output.stdout, output.stderr, shown.stdout, listed];
    for name in ["dcs.log", "dcs.prom", "smtp.received"] {
        texts.push(fs::read_to_string(machine.path(name)).unwrap_or_default());
    }
    texts.extend(records(&machine).iter().map(Value::to_string));
    let backups = machine.path("vault/dcs/backups");
    for name in crate::system::files(&backups).into_keys().filter(|name| name.contains(".json")) {
        texts.push(fs::read_to_string(backups.join(name)).unwrap());
    }
    for canary in CANARIES {
        assert!(texts.iter().all(|text| !text.contains(canary)), "{canary}\n{texts:#?}");
    }
    assert!(texts.iter().any(|text| text.contains("535")), "the server's refusal is told\n{texts:#?}");
}
