//! The operator's commands around a restore: stop what uses the databases, start it again.

use std::fs;

use rustix::process::Signal;

use crate::live::CHANGE;
use crate::on_both;
use crate::system::{Size, System};

fn hooks(system: &System, before: &str, after: &str) {
    let limit = "hook_timeout = \"30s\"";
    system.write_config(&format!("[restore]\nbefore = {before:?}\nafter = {after:?}\n{limit}\n"));
}

async fn hooks_run_around_the_swap_and_know_how_it_went(system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "complete"]).ok();
    let id = system.newest();
    let told = system.path("told");
    let tell = |what: &str| {
        let facts = "$DCS_STATUS $DCS_DATABASES $DCS_BACKUP";
        format!("echo printed; env | grep -cE 'ACCESS_KEY=|PASSWORD='; echo \"{what} {facts}\" >> '{}'", told.display())
    };
    let lines = || fs::read_to_string(&told).unwrap_or_default();

    hooks(&system, &tell("before"), &tell("after"));
    for command in ["restore-db", "restore-complete"] {
        // No secret is handed on, and what hooks print is no answer.
        let ran = dcs.run(&[command, "--yes", "--json"]).ok().says("printed\n0\n");
        ran.json();
        assert_eq!(lines(), format!("before  dream {id}\nafter ok dream {id}\n"), "{ran}");
        fs::remove_file(&told).unwrap();
    }
    dcs.run(&["restore-db", "--undo", "--yes"]).ok();
    assert_eq!(lines(), "before  dream \nafter ok dream \n");
    fs::remove_file(&told).unwrap();

    // What fails before is a restore that was not; what fails after, one that was.
    system.database.execute(CHANGE).await;
    let changed = system.database.contents().await;
    let kept = system.database.kept().await;
    hooks(&system, "exit 7", &tell("after"));
    for command in ["restore-db", "restore-complete"] {
        dcs.run(&[command, "--yes"]).fails(1, "code 7").says("[restore]");
        assert_eq!(lines(), format!("after failed dream {id}\n"));
        fs::remove_file(&told).unwrap();
    }
    assert_eq!(changed, system.database.contents().await);
    assert_eq!(kept, system.database.kept().await, "the side databases are dropped");
    hooks(&system, "true", "exit 8");
    dcs.run(&["restore-db", "--yes"]).fails(3, "code 8").answers("restored database dream");
    assert_ne!(changed, system.database.contents().await);
    system.remove().await;
}

/// A run that is told to end takes its hook, and what that started, along.
async fn a_hook_ends_with_the_run(system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "db"]).ok();
    let pid = system.path("pid");
    hooks(&system, &format!("sleep 1000 & echo $! > '{}'; wait", pid.display()), "true");
    let mut running = dcs.start(&["restore-db", "--yes"]);
    let started = || fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'));
    assert!(running.until(started), "{}", running.end());
    running.signal(Signal::TERM);
    running.end().fails(143, "signal");
    let process = format!("/proc/{}/stat", fs::read_to_string(&pid).unwrap().trim());
    while fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z")) {
        tokio::task::yield_now().await;
    }
    system.remove().await;
}

/// What `before` stopped is started again, whenever the run is told to end.
async fn the_hook_after_is_run_when_a_signal_stops_the_run(system: System) {
    let dcs = system.dcs();
    dcs.run(&["init"]).ok();
    dcs.run(&["backup", "db"]).ok();
    let (begun, told) = (system.path("begun"), system.path("told"));
    let tell = format!("echo \"$DCS_STATUS\" >> '{}'", told.display());
    let wait = format!("touch '{}'; sleep 1000", begun.display());
    let clear = || [&told, &begun].into_iter().for_each(|path| fs::remove_file(path).unwrap());
    let stop_when_begun = |signal: Signal| {
        let mut running = dcs.start(&["restore-db", "--yes"]);
        assert!(running.until(|| begun.exists()), "{}", running.end());
        running.signal(signal);
        running
    };
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        hooks(&system, &wait, &tell);
        let output = stop_when_begun(signal).end().fails(code, "signal").says("the hook `after` is run");
        assert_eq!(fs::read_to_string(&told).unwrap(), "failed\n", "{output}");
        clear();
    }

    // One that is running goes on; what fails is said.
    hooks(&system, "true", &format!("touch '{}'; sleep 1; {tell}; exit 5", begun.display()));
    let output = stop_when_begun(Signal::TERM).end().fails(143, "signal").says("code 5");
    assert_eq!(fs::read_to_string(&told).unwrap(), "ok\n", "{output}");
    clear();

    // A second signal gives it up.
    let again = system.path("again");
    hooks(&system, &wait, &format!("touch '{}'; sleep 1000; {tell}", again.display()));
    let mut running = stop_when_begun(Signal::TERM);
    assert!(running.until(|| again.exists()), "{}", running.end());
    running.signal(Signal::TERM);
    running.end().fails(143, "signal").says("given up");
    assert!(!told.exists());
    system.remove().await;
}

on_both!(hooks_run_around_the_swap_and_know_how_it_went, Size::Small);
on_both!(a_hook_ends_with_the_run, Size::Small);
on_both!(the_hook_after_is_run_when_a_signal_stops_the_run, Size::Small);
