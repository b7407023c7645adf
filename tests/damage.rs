//! Damage is found, named and refused: a table of fault x place x command, through the binary.
//!
//! What a command does not need may be damaged, and it still does its work: in a disaster, half a backup is worth having.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use dcs::archive::Format;
use dcs::model::{Attributes, BackupId, Key, Manifest, Prefix};
use dcs::repository::pack::{PackInfo, read_pack_list};
use dcs::repository::{ErrorKind, Repository, layout};
use dcs::steps::verify::{Level, verify};
use dcs::store::memory::MemoryStore;
use dcs::store::{ObjectStore, Precondition};
use futures_util::TryStreamExt;
use small_system::{COVER, System, read};

#[path = "damage/files.rs"]
mod files;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/small_system.rs"]
mod small_system;
mod support;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Flipped,
    Truncated,
    Deleted,
}

const RESTORES: [&str; 3] = ["restore-db", "restore-files", "restore-complete"];
const DATABASE: &[&str] = &["restore-db", "restore-complete"];
const FILES: &[&str] = &["restore-files", "restore-complete"];
const CONFIG: &[&str] = &["restore-complete"];
const ALL: &[&str] = &RESTORES;
/// For a restore without dcs only.
const NONE: &[&str] = &[];

const IN_AN_OBJECT: &str = "pack, in an object";
const IN_THE_END_BLOCK: &str = "pack, in the end block";

/// An object of the backup bucket, and what depends on it.
struct Place {
    name: &'static str,
    key: Key,
    /// The byte that is flipped.
    at: usize,
    needed_by: &'static [&'static str],
    /// What the message names.
    named: String,
    /// What everything ends with that finds it deleted, and what the message names then.
    deleted: (i32, String),
}

/// All places of a backup.
async fn places(system: &System, manifest: &Manifest) -> Vec<Place> {
    let id = &manifest.id;
    let mut places = Vec::new();
    let mut add = |name, key: Key, at, needed_by| {
        let (named, deleted) = (key.to_string(), (4, key.to_string()));
        places.push(Place { name, key, at, needed_by, named, deleted });
    };
    let files = manifest.files.as_ref().unwrap();
    let repository =
        Repository::open(system.vault.clone(), system.buckets.backups.clone(), Prefix::root()).await.unwrap();
    let size = async |key: &Key| repository.get(key).await.unwrap().unwrap().len();
    for database in &manifest.databases {
        let others = [("properties", &database.properties), ("globals", &database.globals)];
        let others = others.into_iter().filter_map(|(name, artefact)| Some((name, artefact.as_ref()?)));
        for (name, artefact) in [("dump", &database.dump)].into_iter().chain(others) {
            let part = &artefact.parts[0];
            add(name, part.path.clone(), usize::try_from(part.size).unwrap() / 2, DATABASE);
        }
    }
    add("configuration", layout::config(id, Format::Gzip), 40, CONFIG);
    let list = read_pack_list(repository.open_artefact(&files.pack_list), "the pack list".to_owned());
    let packs: Vec<PackInfo> = list.try_collect().await.unwrap();
    let pack = layout::pack(&packs[0].name);
    let pack_size = size(&pack).await;
    add(IN_AN_OBJECT, pack.clone(), files::middle_of(&repository, manifest, COVER).await, FILES);
    add(IN_THE_END_BLOCK, pack, pack_size - 12, FILES);
    add("pack list", layout::pack_list(id), 20, FILES);
    let segment = &files.segments[0].part;
    add("index segment", segment.path.clone(), usize::try_from(segment.size).unwrap() / 2, FILES);
    add("PACKS.SHA256SUMS", layout::pack_sums(id), 5, NONE);
    add("RECOVERY.txt", layout::recovery(id), 100, NONE);
    // The manifest's own line is the last.
    add("SHA256SUMS", layout::sums(id), size(&layout::sums(id)).await - 30, ALL);
    add("manifest", layout::manifest(id), 200, ALL);
    add("repository.json", layout::repository(), 0, ALL);
    for place in &mut places {
        match place.name {
            // Without a manifest there is no backup, as after an interrupted run: it cannot be told from one.
            "manifest" => place.deleted = (10, id.to_string()),
            // A bucket without it is no repository, maybe not the right bucket: a precondition is missing.
            "repository.json" => place.deleted.0 = 5,
            // It and the manifest do not go together: which of the two was changed, nobody can know.
            "SHA256SUMS" => "SHA256SUMS".clone_into(&mut place.named),
            _ => {}
        }
    }
    places
}

impl Place {
    fn code(&self, fault: Fault) -> i32 {
        if fault == Fault::Deleted { self.deleted.0 } else { 4 }
    }

    fn is_needed_by(&self, command: &str, fault: Fault) -> bool {
        // Nothing but tar reads the end block.
        let is_read = self.name != IN_THE_END_BLOCK || fault != Fault::Flipped;
        is_read && self.needed_by.contains(&command)
    }

    fn named(&self, fault: Fault) -> &str {
        if fault == Fault::Deleted { &self.deleted.1 } else { &self.named }
    }

    /// Damages the object; answers its bytes before.
    async fn damage(&self, system: &System, fault: Fault) -> Vec<u8> {
        let at = support::at(&system.buckets.backups, self.key.as_str());
        let sound = read(&system.vault, &system.buckets.backups, self.key.as_str()).await;
        let mut damaged = sound.clone();
        match fault {
            Fault::Flipped => damaged[self.at] ^= 1,
            Fault::Truncated => damaged.truncate(sound.len() / 2),
            Fault::Deleted => {
                system.vault.delete(&at).await.unwrap();
                return sound;
            }
        }
        put(system, self.key.as_str(), damaged).await;
        sound
    }
}

async fn put(system: &System, key: &str, content: Vec<u8>) {
    let at = support::at(&system.buckets.backups, key);
    system.vault.put(&at, content.into(), &Attributes::default(), Precondition::Overwrite).await.unwrap();
}

/// What went otherwise than the table says.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            self.0.push(what());
        }
    }
}

/// Damages one place after the other and runs every command over it.
async fn check_table(system: &System, fault: Fault, only: &[&str]) {
    let id = system.make_backup();
    let repository =
        Repository::open(system.vault.clone(), system.buckets.backups.clone(), Prefix::root()).await.unwrap();
    let manifest = repository.manifest(&id).await.unwrap();
    let places = places(system, &manifest).await;
    system.change().await;
    let mut wrong = Wrong::default();
    for place in places.iter().filter(|place| only.is_empty() || only.contains(&place.name)) {
        let sound = place.damage(system, fault).await;
        check_verify(system, place, fault, &id, &mut wrong);
        for command in RESTORES {
            check_restore(system, place, fault, command, &id, &mut wrong).await;
        }
        put(system, place.key.as_str(), sound).await;
    }
    assert!(wrong.0.is_empty(), "{fault:?}:\n{}", wrong.0.join("\n"));
    system.succeed(&["verify", id.as_str(), "--level", "contents"]);
    assert_eq!(spooled(system), Vec::<String>::new(), "nothing is left in the spool");
    let left = support::keys(&*system.vault, &system.buckets.backups).await;
    assert!(!left.iter().any(|key| key.starts_with(layout::LOCKS)), "no lock is left: {left:?}");
}

fn spooled(system: &System) -> Vec<String> {
    let mut names = small_system::names_in(&system.root.join("state"));
    let spool = system.root.join("state/spool");
    if spool.is_dir() {
        names.retain(|name| name != "spool");
        names.append(&mut small_system::names_in(&spool));
    }
    // Records that waited while the bucket could not take them: the folder stays, nothing in it does.
    let waiting = system.root.join("state/runs");
    if waiting.is_dir() {
        names.retain(|name| name != "runs");
        let folders = small_system::names_in(&waiting);
        names.extend(folders.iter().flat_map(|folder| small_system::names_in(&waiting.join(folder))));
    }
    names
}

fn check_verify(system: &System, place: &Place, fault: Fault, id: &BackupId, wrong: &mut Wrong) {
    for level in ["checksum", "presence"] {
        if level == "presence" && fault == Fault::Flipped {
            continue;
        }
        let ran = system.run(&["verify", id.as_str(), "--level", level]);
        let expected = place.code(fault);
        wrong.unless(ran.code == expected, || {
            format!("verify {level}, {}: {} instead of {expected}: {}", place.name, ran.code, ran.text())
        });
        wrong.unless(ran.stderr.contains(place.named(fault)), || {
            format!("verify {level}, {}: not named: {}", place.name, ran.text())
        });
        wrong.unless(ran.stderr.contains("hint: "), || format!("verify {level}, {}: no hint", place.name));
    }
}

async fn check_restore(system: &System, place: &Place, fault: Fault, command: &str, id: &BackupId, wrong: &mut Wrong) {
    let what = format!("{command}, {}", place.name);
    let before = system.everything().await;
    let mut arguments = vec![command, id.as_str(), "--yes"];
    if command == "restore-complete" {
        arguments.extend(["--config-to", "unpacked"]);
    }
    let ran = system.run(&arguments);
    let after = system.everything().await;
    if !place.is_needed_by(command, fault) {
        wrong.unless(ran.code == 0, || format!("{what}: {} where it is not needed: {}", ran.code, ran.text()));
        wrong.unless(before != after, || format!("{what}: nothing was restored"));
        std::fs::remove_dir_all(system.root.join("unpacked")).ok();
        system.change().await;
        return;
    }
    let expected = place.code(fault);
    wrong.unless(ran.code == expected, || format!("{what}: {} instead of {expected}: {}", ran.code, ran.text()));
    wrong.unless(ran.stderr.contains(place.named(fault)), || format!("{what}: not named: {}", ran.text()));
    wrong.unless(ran.stderr.contains("hint: "), || format!("{what}: no hint: {}", ran.text()));
    let changed: Vec<&String> = after
        .iter()
        .chain(&before)
        .map(|(name, _)| name)
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    if fault == Fault::Flipped && place.name == IN_AN_OBJECT {
        // One object is lost, and the other that is missing is back.
        let gone = format!("{}/{}", system.buckets.books, small_system::GONE);
        wrong.unless(changed == [&gone], || format!("{what}: changed {changed:?}"));
        system.change().await;
    } else {
        wrong.unless(changed.is_empty(), || format!("{what}: changed {changed:?}"));
    }
    wrong.unless(!system.root.join("unpacked").exists(), || format!("{what}: unpacked the configuration"));
}

#[tokio::test]
async fn a_flipped_byte_anywhere_is_found_and_no_restore_that_needs_it_begins() {
    check_table(&System::embedded().await, Fault::Flipped, &[]).await;
}

#[tokio::test]
async fn a_truncated_object_anywhere_is_found_and_no_restore_that_needs_it_begins() {
    check_table(&System::embedded().await, Fault::Truncated, &[]).await;
}

#[tokio::test]
async fn a_deleted_object_anywhere_is_found_and_no_restore_that_needs_it_begins() {
    check_table(&System::embedded().await, Fault::Deleted, &[]).await;
}

#[tokio::test]
async fn damage_on_s3_of_what_postgres_needs_is_found_and_refused() {
    let (Some(s3), Some(postgres)) = (support::s3(), support::postgres()) else { return };
    let system = System::served(s3, &postgres).await;
    let scripts = ["properties", "globals"];
    let also_elsewhere = ["dump", "properties", "globals", IN_AN_OBJECT];
    for (fault, places) in
        [(Fault::Flipped, &also_elsewhere[..]), (Fault::Truncated, &scripts), (Fault::Deleted, &scripts)]
    {
        system.seed().await;
        check_table(&system, fault, places).await;
    }
    system.remove().await;
}

/// Offsets of bytes to flip: all, or so many, the first and the last among them.
fn offsets(size: usize, most: usize) -> BTreeSet<usize> {
    let step = size.div_ceil(most).max(1);
    (0..size).step_by(step).chain([size - 1]).collect()
}

#[tokio::test]
async fn no_bit_of_a_backup_changes_unnoticed_and_no_damage_is_taken_for_another_error() {
    let system = System::embedded().await;
    let manifest = system.back_up(&system.sound().await).await.unwrap();
    let bucket = &system.buckets.backups;
    let memory: Arc<dyn ObjectStore> = Arc::new(MemoryStore::new());
    memory.create_bucket(bucket).await.unwrap();
    let overwrite = async |key: &str, content: &[u8]| {
        let body = Bytes::copy_from_slice(content);
        let at = support::at(bucket, key);
        memory.put(&at, body, &Attributes::default(), Precondition::Overwrite).await.unwrap();
    };
    let all = support::keys(&*system.vault, bucket).await;
    for key in &all {
        overwrite(key, &read(&system.vault, bucket, key).await).await;
    }
    let context = system.context(memory.clone(), system.live.clone(), system.database()).await;
    for key in all.iter().filter(|key| !["repository.json", "README.txt"].contains(&key.as_str())) {
        let sound = read(&memory, bucket, key).await;
        for at in offsets(sound.len(), 300) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            overwrite(key, &damaged).await;
            match context.repository.manifest(&manifest.id).await {
                Ok(read) => {
                    let verified = verify(&context, &read, Level::Checksum).await.unwrap();
                    assert!(verified.damage > 0, "byte {at} of {key}");
                    assert!(verified.findings.iter().any(|found| found.subject == *key || key.ends_with("SHA256SUMS")));
                }
                Err(error) => assert_eq!(error.kind, ErrorKind::Damaged, "byte {at} of {key}: {error}"),
            }
        }
        overwrite(key, &sound).await;
    }
    let verified = verify(&context, &manifest, Level::Contents).await.unwrap();
    assert_eq!(verified.findings, []);
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_never_called_damage() {
    let system = System::embedded().await;
    let id = system.make_backup();
    std::fs::rename(system.root.join("vault"), system.root.join("unplugged")).unwrap();
    for command in [&["verify", id.as_str()][..], &["restore-complete", id.as_str(), "--yes"], &["backup", "list"]] {
        let ran = system.run(command);
        assert_eq!(ran.code, 20, "{command:?}: {}", ran.text());
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
    std::fs::create_dir(system.root.join("vault")).unwrap();
    let ran = system.run(&["verify", id.as_str()]);
    assert_eq!(ran.code, 5, "an empty mount point is no repository: {}", ran.text());
}

#[tokio::test]
async fn latest_passes_over_a_damaged_manifest_and_says_so_and_a_damaged_newest_part_is_refused() {
    let system = System::embedded().await;
    let older = system.make_backup();
    let newer = system.make_backup();
    let manifest = layout::manifest(&newer);
    let mut text = read(&system.vault, &system.buckets.backups, manifest.as_str()).await;
    let sound = text.clone();
    text[200] ^= 1;
    put(&system, manifest.as_str(), text).await;
    let ran = system.succeed(&["verify", "latest"]);
    assert!(ran.stdout.contains(older.as_str()) && ran.stderr.contains(newer.as_str()), "{}", ran.text());
    let all = system.run(&["verify", "all"]);
    assert_eq!(all.code, 4, "{}", all.text());
    assert!(all.stdout.contains(older.as_str()) && all.stdout.contains(newer.as_str()), "{}", all.text());
    let listed = system.run(&["backup", "list"]);
    assert!(listed.text().contains(newer.as_str()), "{}", listed.text());

    // A part is looked at only when the backup was chosen: there the restore stops, it does not fall back by itself.
    put(&system, manifest.as_str(), sound).await;
    put(&system, layout::dump(&newer, "dream", Format::Gzip).as_str(), b"another dump".to_vec()).await;
    system.change().await;
    let before = system.everything().await;
    let ran = system.run(&["restore-complete", "--yes"]);
    assert_eq!(ran.code, 4, "{}", ran.text());
    assert_eq!(system.everything().await, before);
}
