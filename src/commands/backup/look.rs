//! What the commands share that only look into a backup: they take no lock, and ask the store for little.

use crate::commands::Session;
use crate::commands::restore::choose;
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::Manifest;
use crate::model::manifest::FilesComponent;
use crate::repository::{Repository, Selector};

/// Reads the manifest of a backup. `repository.json` is read only to explain why there is none.
pub(super) async fn choose_any(session: &Session, selector: &Selector) -> Result<(Repository, Manifest), CommandError> {
    let target = session.repository_target()?;
    let store = session.open_repository_store(&target, true)?;
    let repository = Repository::assumed(store.clone(), target.bucket.clone(), target.prefix.clone())?;
    let manifest = if let Selector::Id(id) = selector {
        session.choose(id);
        repository.manifest(id).await.map_err(CommandError::from)
    } else {
        choose(session, &repository, selector, "anything", |_| true).await
    };
    match manifest {
        Ok(manifest) => Ok((repository, manifest)),
        Err(error) => {
            Repository::open(store, target.bucket, target.prefix).await?;
            Err(error)
        }
    }
}

/// The same, of a backup that holds files.
pub(super) async fn choose_files(
    session: &Session,
    selector: &Selector,
) -> Result<(Repository, Manifest, FilesComponent), CommandError> {
    let (repository, manifest) = choose_any(session, selector).await?;
    let Some(files) = manifest.files.clone() else {
        return Err(CommandError::new(ExitCode::NotFound, format!("the backup {} holds no files", manifest.id))
            .hint(format!("See what it holds: `dcs backup show {}`.", manifest.id)));
    };
    Ok((repository, manifest, files))
}
