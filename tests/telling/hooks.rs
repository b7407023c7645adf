//! The operator's own commands around runs.

use std::fs;

use rustix::process::Signal;

use crate::machine::Machine;

impl Machine {
    /// Hooks that write down that they ran, and what they knew.
    fn with_hooks(&self, more: &str) -> String {
        let log = self.path("hooks").display().to_string();
        let note =
            |which: &str| format!("{which} = 'echo \"$DCS_HOOK $DCS_COMMAND $DCS_EXIT_CODE $DCS_STATUS\" >> {log}'\n");
        format!("[hooks]\n{}{}{}{more}", note("before"), note("after"), note("on_failure"))
    }

    fn ran(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("hooks")).unwrap_or_default();
        fs::remove_file(self.path("hooks")).ok();
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

#[test]
fn they_run_around_backups_and_know_what_came_of_them() {
    let machine = Machine::new();
    machine.configure(&machine.with_hooks(""));
    machine.dcs().run(&["backup", "db"]).ok();
    assert_eq!(machine.ran(), ["before backup db", "after backup db 0 ok"]);
    machine.dcs().run(&["backup", "db", "-n"]).ok();
    machine.dcs().run(&["verify"]).ok();
    assert_eq!(machine.ran(), [""; 0], "neither a dry run nor another command has hooks");
    machine.configure_to_fail(&machine.with_hooks(""));
    machine.dcs().run(&["backup", "db"]).fails(21, "gone.db");
    let wanted = ["before backup db", "after backup db 21 failed", "on_failure backup db 21 failed"];
    assert_eq!(machine.ran(), wanted);
    machine.configure(&machine.with_hooks("commands = [\"verify\"]\n"));
    machine.dcs().run(&["verify"]).ok();
    machine.dcs().run(&["backup", "db"]).ok();
    assert_eq!(machine.ran(), ["before verify", "after verify 0 ok"]);
}

#[test]
fn where_the_one_before_fails_or_does_not_end_nothing_is_done() {
    let machine = Machine::new();
    let failure = format!("on_failure = 'echo \"$DCS_EXIT_CODE $DCS_MESSAGE\" > {}'\n", machine.path("told").display());
    for (before, said) in [("exit 7", "code 7"), ("sleep 1000", "took longer")] {
        machine.configure(&format!("[hooks]\ntimeout = \"1s\"\nbefore = \"{before}\"\n{failure}"));
        machine.dcs().run(&["backup", "db"]).fails(5, said);
        let told = fs::read_to_string(machine.path("told")).unwrap();
        assert!(told.starts_with("5 ") && told.contains(said), "{told}");
    }
    machine.mend();
    let listed = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 0);
}

#[test]
fn where_the_one_after_fails_the_run_is_done_with_problems() {
    let machine = Machine::new();
    machine.configure("[hooks]\nafter = \"exit 7\"\n");
    machine.dcs().run(&["backup", "db"]).fails(3, "`after` failed").says("all was done");
    machine.configure_to_fail("[hooks]\nafter = \"exit 7\"\n");
    machine.dcs().run(&["backup", "db"]).says("`after` failed").fails(21, "gone.db");
    machine.configure("[hooks]\nafter = \"exit 0\"\non_failure = \"exit 7\"\n");
    machine.dcs().run(&["backup", "db"]).ok();
    let listed = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn a_run_that_is_told_to_end_ends_its_hook_and_runs_the_one_after() {
    let machine = Machine::new();
    let begun = machine.path("begun");
    let before = format!("before = \"touch {}; sleep 1000\"\n", begun.display());
    let after = format!("after = 'echo $DCS_EXIT_CODE > {}'\n", machine.path("after").display());
    machine.configure(&format!("[hooks]\n{before}{after}"));
    let mut run = machine.dcs().start(&["backup", "db"]);
    assert!(run.until(|| begun.exists()));
    run.signal(Signal::TERM);
    run.end().fails(143, "signal");
    assert_eq!(fs::read_to_string(machine.path("after")).unwrap(), "143\n");
}

#[test]
fn secrets_of_our_environment_are_not_handed_on() {
    let machine = Machine::new();
    machine.configure(&format!("[hooks]\nbefore = \"env > {}\"\n", machine.path("environment").display()));
    machine.dcs().with("PGPASSWORD", "canary-1").with("AWS_SECRET_ACCESS_KEY", "canary-2").run(&["backup", "db"]).ok();
    let environment = fs::read_to_string(machine.path("environment")).unwrap();
    assert!(environment.contains("DCS_RUN=") && !environment.contains("canary"), "{environment}");
}

#[test]
fn each_step_of_a_complete_backup_has_its_own() {
    let machine = Machine::new();
    let log = machine.path("hooks").display().to_string();
    let step = |which: &str, then: &str| format!("{which} = 'echo \"$DCS_HOOK $DCS_STEP\" >> {log}; {then}'\n");
    machine.configure(&format!("[hooks]\n{}{}", step("before_step", "true"), step("after_step", "true")));
    machine.dcs().run(&["backup", "complete"]).ok();
    let around = |name: &str| [format!("before_step {name}"), format!("after_step {name}")];
    assert_eq!(machine.ran(), ["databases", "files", "configuration"].map(around).concat());
    // One that fails before a step: no backup. After it: a good backup, and a word about it.
    machine.configure(&format!("[hooks]\n{}", step("before_step", "test $DCS_STEP != files")));
    machine.dcs().run(&["backup", "complete"]).fails(1, "code 1").says("No backup was made");
    assert_eq!(machine.ran(), ["before_step databases", "before_step files"]);
    machine.configure(&format!("[hooks]\n{}", step("after_step", "test $DCS_STEP != files")));
    machine.dcs().run(&["backup", "complete"]).fails(3, "files: ");
    let listed = machine.dcs().run(&["backup", "list", "--json"]).ok().json();
    let states: Vec<&str> = listed.as_array().unwrap().iter().map(|backup| backup["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["good", "good"]);
}
