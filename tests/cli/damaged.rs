//! Backups that are not what they were: exit code 4, by name, and never over what lives.

use std::fs;
use std::path::PathBuf;

use crate::Machine;

impl Machine {
    fn in_backup(&self, id: &str, name: &str) -> PathBuf {
        self.path("vault/dcs/backups").join(id).join(name)
    }

    /// The one pack.
    fn pack(&self) -> PathBuf {
        let packs = crate::files(&self.path("vault/dcs/packs"));
        self.path("vault/dcs/packs").join(packs.keys().next().unwrap())
    }
}

#[test]
fn a_manifest_that_was_cut_or_altered_is_damage_and_is_not_restored_from() {
    let machine = Machine::new();
    let id = machine.back_up();
    let path = machine.in_backup(&id, "manifest.json");
    let whole = fs::read_to_string(&path).unwrap();
    for spoilt in [whole[..whole.len() / 2].to_owned(), whole.replace("dream", "drama"), String::new()] {
        fs::write(&path, spoilt).unwrap();
        let dcs = machine.dcs();
        for arguments in [
            &["backup", "show", &id][..],
            &["verify", &id],
            &["verify", "all"],
            &["restore-complete", &id, "--yes"],
            &["restore-files", &id, "--yes"],
            &["restore-db", &id, "--yes"],
        ] {
            machine.refuses(&dcs, arguments, 4, &id);
        }
        machine.refuses(&dcs, &["backup", "list"], 4, "cannot be read").says(&id);
        // The newest good one is another than this.
        machine.refuses(&dcs, &["restore-complete", "--yes"], 10, "latest").says(&id);
    }
}

#[test]
fn what_a_newer_dcs_wrote_is_refused_and_not_called_damage() {
    let machine = Machine::new();
    let id = machine.back_up();
    let path = machine.in_backup(&id, "manifest.json");
    let manifest = fs::read_to_string(&path).unwrap();
    fs::write(&path, "{\"format\": 2, \"shape\": \"another\"}").unwrap();
    let dcs = machine.dcs();
    for arguments in [&["backup", "show", &id][..], &["restore-complete", &id, "--yes"], &["verify", &id]] {
        machine.refuses(&dcs, arguments, 5, "format is 2").says("newer dcs");
    }
    for arguments in [&["backup", "list"][..], &["verify", "all"]] {
        machine.refuses(&dcs, arguments, 5, "newer").says(&id);
    }
    fs::write(&path, manifest).unwrap();
    fs::write(machine.path("vault/dcs/repository.json"), "{\"format\": 2}").unwrap();
    for arguments in [&["backup", "list"][..], &["backup", "complete"], &["init"]] {
        machine.refuses(&dcs, arguments, 5, "format is 2").says("newer dcs");
    }
}

#[test]
fn damage_of_any_part_is_found_and_stops_a_restore_before_it_begins() {
    let machine = Machine::new();
    let id = machine.back_up();
    let dcs = machine.dcs();
    fs::write(machine.path("live/books/42/page"), "newer than the backup").unwrap();
    fs::remove_file(machine.path("live/books/a b")).unwrap();
    let parts = [
        machine.in_backup(&id, "db/dream.dump.gz"),
        machine.in_backup(&id, "packs.tsv.gz"),
        machine.in_backup(&id, "config/config.tar.gz"),
        machine.in_backup(&id, "SHA256SUMS"),
    ];
    for part in parts {
        let name = part.file_name().unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&part).unwrap();
        let mut altered = whole.clone();
        // The first line of the list is the dump's, which this restore needs; a restore does not need all of them.
        let at = if name == "SHA256SUMS" { 0 } else { whole.len() / 2 };
        altered[at] ^= 1;
        fs::write(&part, altered).unwrap();
        machine.refuses(&dcs, &["verify", &id], 4, &id);
        machine.refuses(&dcs, &["restore-complete", &id, "--yes"], 4, &id);
        fs::remove_file(&part).unwrap();
        machine.refuses(&dcs, &["verify", &id, "--level", "presence"], 4, &name);
        machine.refuses(&dcs, &["restore-complete", &id, "--yes"], 4, &name);
        fs::write(&part, whole).unwrap();
    }
    let pack = machine.pack();
    let (name, whole) = (pack.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&pack).unwrap());
    fs::remove_file(&pack).unwrap();
    dcs.run(&["verify", &id, "--level", "presence"]).fails(4, &name);
    machine.refuses(&dcs, &["restore-complete", &id, "--yes"], 4, &name).says("--skip-damaged");
    fs::write(&pack, whole).unwrap();
    dcs.run(&["verify", "--level", "contents"]).ok();
    dcs.run(&["restore-complete", "--yes"]).ok();
}
