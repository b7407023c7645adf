//! The names of everything in a repository, format 1 (DESIGN, section 7), from its root; [`super::Repository::address`]
//! puts the repository's prefix before them.
//!
//! No name here holds anything but ASCII letters, digits and `-._~%/`, so each is a file name and needs no quoting.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::archive::{self, Format};
use crate::model::index::{is_pack_name, pack_stem};
use crate::model::{BackupId, Digest, Key, RunId, Verdict, percent};

/// The folder of all backups.
pub const BACKUPS: &str = "backups/";
/// The folder of the index segments.
pub const INDEXES: &str = "indexes/";
/// The folder of all packs.
pub const PACKS: &str = "packs/";
/// The folder of the marks that prune leaves before it removes anything.
pub const MARKS: &str = "marks/";
/// The folder of what was found damaged, a folder a pack.
pub const DAMAGED: &str = "damaged/";
/// The folder of the audit log.
pub const RUNS: &str = "runs/";
/// The folder of the journals of restores.
pub const RESTORES: &str = "restores/";
/// The folder of what verifications found.
pub const EVIDENCE: &str = "evidence/";
/// The folder of the locks.
pub const LOCKS: &str = "locks/";

/// Every name that may lie in a repository's root.
pub const ROOT_NAMES: [&str; 12] =
    ["repository.json", "README.txt", BACKUPS, INDEXES, PACKS, MARKS, DAMAGED, RUNS, RESTORES, EVIDENCE, LOCKS, "wal/"];

const TIME: &str = "%Y%m%dT%H%M%SZ";
const RUN_TIME: &str = "%Y%m%dT%H%M%S%.3fZ";

/// The longest NAME of a database in a key; file systems end at 255 bytes, with suffixes.
const LONGEST_NAME: usize = 190;

fn key(text: String) -> Key {
    Key::new(text).expect("every name of the layout has far less than 1,024 bytes")
}

/// Makes any text one segment of a key. What would be too long is cut, and told apart by its digest.
fn segment(name: &str) -> String {
    let encoded = percent::encode_name(name);
    if encoded.len() <= LONGEST_NAME {
        return encoded;
    }
    let digest = archive::sha256(name.as_bytes()).to_string();
    format!("{}~{}", &encoded[..LONGEST_NAME - 17], &digest[..16])
}

pub fn repository() -> Key {
    key("repository.json".to_owned())
}

pub fn readme() -> Key {
    key("README.txt".to_owned())
}

/// `backups/ID/`, the folder of all that one backup alone owns.
pub fn backup_folder(id: &BackupId) -> String {
    format!("{BACKUPS}{id}/")
}

fn in_backup(id: &BackupId, name: &str) -> Key {
    key(format!("{BACKUPS}{id}/{name}"))
}

pub fn manifest(id: &BackupId) -> Key {
    in_backup(id, "manifest.json")
}

pub fn sums(id: &BackupId) -> Key {
    in_backup(id, "SHA256SUMS")
}

pub fn pack_sums(id: &BackupId) -> Key {
    in_backup(id, "PACKS.SHA256SUMS")
}

pub fn recovery(id: &BackupId) -> Key {
    in_backup(id, "RECOVERY.txt")
}

/// What may change after the backup was made: `protected`, `tags`, `accepted`.
pub fn state(id: &BackupId, name: &str) -> Key {
    in_backup(id, &format!("state/{}.json", segment(name)))
}

pub fn dump(id: &BackupId, database: &str, format: Format) -> Key {
    in_backup(id, &format!("db/{}.dump.{}", segment(database), format.extension()))
}

pub fn properties(id: &BackupId, database: &str) -> Key {
    in_backup(id, &format!("db/{}.properties.sql", segment(database)))
}

/// By database and not once a backup: two databases may lie on two servers.
pub fn globals(id: &BackupId, database: &str, format: Format) -> Key {
    in_backup(id, &format!("db/{}.globals.sql.{}", segment(database), format.extension()))
}

pub fn config(id: &BackupId, format: Format) -> Key {
    in_backup(id, &format!("config/config.tar.{}", format.extension()))
}

pub fn pack_list(id: &BackupId) -> Key {
    in_backup(id, "packs.tsv.gz")
}

/// `backups/ID/partial/`, the indexes of a run not yet finished.
pub fn partial_folder(id: &BackupId) -> String {
    format!("{BACKUPS}{id}/partial/")
}

pub fn partial(id: &BackupId, name: &str) -> Key {
    in_backup(id, &format!("partial/{}", segment(name)))
}

pub fn index_segment(digest: &Digest) -> Key {
    key(format!("{INDEXES}{}/{digest}.tsv.gz", digest.fan_out()))
}

/// The first two characters spread the packs over folders. `name` is a pack's name (see `model::index::is_pack_name`).
pub fn pack(name: &str) -> Key {
    key(format!("{PACKS}{}/{}.tar.{}", &name[..2], pack_stem(name), pack_format(name).extension()))
}

/// The name of a pack in this format, of a random text.
pub fn pack_name(stem: String, format: Format) -> String {
    match format {
        Format::Gzip => stem,
        Format::Zstd => stem + ".zst",
    }
}

/// How a pack is compressed.
pub fn pack_format(name: &str) -> Format {
    Format::of_name(name).unwrap_or(Format::Gzip)
}

/// The name of the pack that lies under this path; `None` where it is none.
pub fn pack_at(path: &str) -> Option<String> {
    let (stem, extension) = path.rsplit('/').next()?.split_once(".tar.")?;
    let format = [Format::Gzip, Format::Zstd].into_iter().find(|format| format.extension() == extension)?;
    Some(pack_name(stem.to_owned(), format)).filter(|name| is_pack_name(name))
}

pub fn mark(name: &str) -> Key {
    key(format!("{MARKS}{}", segment(name)))
}

/// `damaged/PACK/`: one that holds anything says that the pack is damaged. The codec is no part of the name.
pub fn damaged_folder(pack: &str) -> String {
    format!("{DAMAGED}{}/", segment(pack_stem(pack)))
}

/// `damaged/PACK/NAME.tsv`: says that a pack is damaged and, line by line, where content that lay in it was stored again.
pub fn replacements(pack: &str, name: &str) -> Key {
    key(format!("{}{}.tsv", damaged_folder(pack), segment(name)))
}

/// The record of a run. The command, with `_` for its spaces, and the exit code stand in the key: a listing alone tells
/// what failed. A folder a month; keys are in order of time, in which runs of one second differ too.
pub fn run(at: Timestamp, command: &str, code: u8, run: &RunId) -> Key {
    let time = at.to_zoned(TimeZone::UTC).strftime(RUN_TIME).to_string();
    let (month, command) = (&time[..6], segment(&command.replace(' ', "_")));
    key(format!("{RUNS}{month}/{time}-{command}-{code}-{run}.json"))
}

/// What the path of a run's record says: when, the command, the exit code, and the run.
pub fn run_at(path: &str) -> Option<(Timestamp, String, u8, &str)> {
    let (month, name) = path.strip_prefix(RUNS)?.split_once('/')?;
    let (rest, run) = name.strip_suffix(".json")?.rsplit_once('-')?;
    let (rest, code) = rest.rsplit_once('-')?;
    let (time, command) = rest.split_once('-')?;
    let at = jiff::civil::DateTime::strptime(RUN_TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    time.starts_with(month).then(|| Some((at, command.replace('_', " "), code.parse().ok()?, run))).flatten()
}

pub fn restore(run: &RunId) -> Key {
    key(format!("{RESTORES}{run}.json"))
}

/// `restores/RUN/`, what else a restore has written down.
pub fn restore_folder(run: &RunId) -> String {
    format!("{RESTORES}{run}/")
}

/// The objects that a restore was about to write, in the order in which they came to be.
pub fn written(run: &RunId, number: u32) -> Key {
    key(format!("{}written.{number:04}.tsv.gz", restore_folder(run)))
}

/// `evidence/ID/`, the folder of what verifications of one backup found.
pub fn evidence_folder(id: &BackupId) -> String {
    format!("{EVIDENCE}{id}/")
}

/// `level` is `presence`, `checksum`, `contents` or `restore`; what follows it says what came of it.
pub fn evidence(id: &BackupId, at: Timestamp, level: &str, verdict: Verdict) -> Key {
    let time = at.to_zoned(TimeZone::UTC).strftime(TIME);
    key(format!("{}{time}-{}{}.json", evidence_folder(id), segment(level), verdict.suffix()))
}

/// What the path of evidence says: the backup, when, the level, and what came of it.
pub fn evidence_at(path: &str) -> Option<(BackupId, Timestamp, &str, Verdict)> {
    let (id, name) = path.strip_prefix(EVIDENCE)?.split_once('/')?;
    let (time, name) = name.strip_suffix(".json")?.split_once('-')?;
    let time = jiff::civil::DateTime::strptime(TIME, time).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let (level, verdict) = Verdict::split(name);
    Some((id.parse().ok()?, time, level, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> BackupId {
        "20261120T020000Z-complete-k3x9".parse().unwrap()
    }

    #[test]
    fn the_names_are_those_of_format_1() {
        let at: Timestamp = "2026-11-20T02:00:00Z".parse().unwrap();
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(manifest(&id()).as_str(), "backups/20261120T020000Z-complete-k3x9/manifest.json");
        let folder = "backups/20261120T020000Z-complete-k3x9/";
        assert_eq!(dump(&id(), "dream", Format::Gzip).as_str(), format!("{folder}db/dream.dump.gz"));
        assert_eq!(globals(&id(), "dream", Format::Zstd).as_str(), format!("{folder}db/dream.globals.sql.zst"));
        assert_eq!(config(&id(), Format::Zstd).as_str(), format!("{folder}config/config.tar.zst"));
        assert_eq!(index_segment(&digest).as_str(), format!("indexes/ab/{digest}.tsv.gz"));
        assert_eq!(pack("k3x9bcdf").as_str(), "packs/k3/k3x9bcdf.tar.gz");
        assert_eq!(pack("k3x9bcdf.zst").as_str(), "packs/k3/k3x9bcdf.tar.zst");
        assert_eq!(replacements("k3x9bcdf.zst", "run").as_str(), "damaged/k3x9bcdf/run.tsv");
        let (id_of_run, command) = (RunId::create(), "backup files");
        let record = run(at, command, 3, &id_of_run);
        let wanted = format!("runs/202611/20261120T020000.000Z-backup_files-3-{id_of_run}.json");
        assert_eq!(record.as_str(), wanted);
        assert_eq!(run_at(&wanted), Some((at, command.to_owned(), 3, id_of_run.as_str())));
        let hyphened = run(at, "restore-db", 130, &id_of_run);
        assert_eq!(run_at(hyphened.as_str()), Some((at, "restore-db".to_owned(), 130, id_of_run.as_str())));
        assert_eq!(run_at("runs/202611/note.json"), None);
        let restored = RunId::create();
        assert_eq!(restore(&restored).as_str(), format!("restores/{restored}.json"));
        assert_eq!(written(&restored, 7).as_str(), format!("restores/{restored}/written.0007.tsv.gz"));
        assert_eq!(
            evidence(&id(), at, "restore", Verdict::Passed).as_str(),
            "evidence/20261120T020000Z-complete-k3x9/20261120T020000Z-restore.json"
        );
        let failed = evidence(&id(), at, "checksum", Verdict::Failed);
        assert!(failed.as_str().ends_with("/20261120T020000Z-checksum-failed.json"));
        assert_eq!(evidence_at(failed.as_str()), Some((id(), at, "checksum", Verdict::Failed)));
    }

    #[test]
    fn the_path_of_a_pack_gives_its_name_and_how_it_is_compressed() {
        for format in [Format::Gzip, Format::Zstd] {
            let name = pack_name("k3x9bcdf".to_owned(), format);
            assert_eq!((pack_at(pack(&name).as_str()), pack_format(&name)), (Some(name), format));
        }
        for other in ["packs/k3/k3x9bcdf", "packs/k3/k3x9bcdf.tar", "packs/k3/k3x9.tar.gz", "packs/k3/k3x9bcdf.tar.xz"]
        {
            assert_eq!(pack_at(other), None, "{other}");
        }
    }

    #[test]
    fn a_database_of_any_name_stays_in_its_folder_and_keeps_a_name_of_its_own() {
        let folder = format!("{}db/", backup_folder(&id()));
        let mut seen = std::collections::BTreeSet::new();
        for name in ["a/b", "..", "../../x", "a b", "ä".repeat(300).as_str(), "ä".repeat(301).as_str()] {
            let path = dump(&id(), name, Format::Gzip);
            let file = path.as_str().strip_prefix(&folder).unwrap().to_owned();
            assert!(!file.contains('/') && file.len() < 230, "{file}");
            assert!(seen.insert(file));
        }
    }
}
