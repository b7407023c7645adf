//! Records of runs that could not be written into the backup bucket: they wait in `state_dir` for a run that can.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::archive::sha256;
use crate::model::Key;
use crate::repository::Repository;
use crate::repository::runs::RunName;

/// So many are sent by one run, and so many wait at most: an hourly run of six weeks.
const MOST: usize = 1000;

/// Where the records for the repository at `place` wait: two configurations may share a state directory.
pub(super) fn folder(state: &Path, place: &str) -> PathBuf {
    let digest = sha256(place.trim_end_matches('/').as_bytes()).to_string();
    state.join("runs").join(&digest[..16])
}

/// Puts a record there.
pub(super) fn keep(folder: &Path, path: &Key, text: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let make = |folder: &Path, mode| std::fs::DirBuilder::new().recursive(true).mode(mode).create(folder);
    // Others may pass through the state directory itself: the private server of a proof, which does not run as root.
    folder.ancestors().nth(2).map_or(Ok(()), |state| make(state, 0o711)).map_err(failed)?;
    make(folder, 0o700).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.count() >= MOST {
        return Err(format!("{MOST} records wait in {} already", folder.display()));
    }
    let name = path.as_str().rsplit('/').next().unwrap_or_default();
    let mut file = tempfile::Builder::new().prefix(".").tempfile_in(folder).map_err(failed)?;
    file.write_all(text).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(folder.join(name)).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Writes what waits into the bucket, and answers how many; the first that fails ends it, and stays.
pub(super) async fn send(folder: &Path, repository: &Repository) -> Result<usize, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(0) };
    let mut sent = 0;
    for entry in entries.take(MOST).flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let month = name.get(..6).unwrap_or_default();
        // What is no record, a temporary file for example, is not ours to send.
        let Some(run) = Key::new(format!("runs/{month}/{name}")).ok().and_then(RunName::of) else { continue };
        let text = std::fs::read(entry.path()).map_err(|error| error.to_string())?;
        repository.put_run(&run.path, text.into()).await.map_err(|error| error.to_string())?;
        std::fs::remove_file(entry.path()).map_err(|error| error.to_string())?;
        sent += 1;
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{BucketName, Prefix, RunId};
    use crate::repository::layout;
    use crate::store::memory::MemoryStore;

    #[tokio::test]
    async fn what_waits_is_sent_once_and_what_is_no_record_stays() {
        let state = tempfile::tempdir().unwrap();
        let folder = folder(state.path(), "/mnt/vault/dcs/");
        assert_ne!(folder, super::folder(state.path(), "/mnt/other/dcs"));
        let path = layout::run("2026-11-20T02:00:00Z".parse().unwrap(), "backup db", 20, &RunId::create());
        keep(&folder, &path, b"{\"format\": 1}").unwrap();
        std::fs::write(folder.join("note"), "mine").unwrap();
        let bucket = BucketName::new("vault").unwrap();
        let store = Arc::new(MemoryStore::new());
        let repository = Repository::init(store, bucket, Prefix::root()).await.unwrap().0;
        assert_eq!(send(&folder, &repository).await, Ok(1));
        assert_eq!(repository.get(&path).await.unwrap().unwrap().as_ref(), b"{\"format\": 1}");
        assert_eq!(send(&folder, &repository).await, Ok(0));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    }
}
