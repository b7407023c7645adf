//! Captures the configuration: files into an archive, and what commands print into the manifest.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::TryStreamExt;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::store_text::StoreOptions;
use super::{Context, Result, StepError};
use crate::archive::folder;
use crate::model::manifest::{Captured, ConfigComponent};
use crate::model::{BackupId, Problem, Report, format};
use crate::repository::error::RepositoryError;
use crate::repository::layout;

/// A command that runs longer is ended: a backup must not hang on it.
const LONGEST_COMMAND: Duration = Duration::from_secs(60);
/// Bytes of output at most.
const MOST_OUTPUT: u64 = 64 * 1024;

/// Stores the configured files and folders as one archive. What cannot be read becomes a problem.
pub async fn archive_configuration(
    context: &Context,
    id: &BackupId,
    paths: &[PathBuf],
    options: &StoreOptions,
    report: &mut Report,
) -> Result<ConfigComponent> {
    context.progress.begin("configuration", 0, 0);
    let (stream, packed) = folder::pack(paths.to_vec());
    let (path, repository) = (layout::config(id, options.codec.format()), &context.repository);
    let archive = repository.store_artefact(&path, stream, options.codec, options.workers).await?;
    let packed = packed.await;
    context.progress.end();
    for problem in packed.problems {
        context.progress.problem(&problem);
        report.add(problem);
    }
    let paths = paths.iter().map(|path| path.display().to_string()).collect();
    Ok(ConfigComponent { archive, paths, files: packed.entries })
}

/// Runs each command with `sh -c` and keeps what it prints. One that fails becomes a problem.
pub async fn run_captures(context: &Context, commands: &[String], report: &mut Report) -> Vec<Captured> {
    let mut captured = Vec::new();
    for command in commands {
        match tokio::time::timeout(LONGEST_COMMAND, output(command))
            .await
            .unwrap_or_else(|_| Err("it ran longer than a minute".to_owned()))
        {
            Ok(output) => captured.push(Captured { command: command.clone(), output }),
            Err(reason) => {
                let problem = Problem::new(format!("capture `{command}`"), reason);
                context.progress.problem(&problem);
                report.add(problem);
            }
        }
    }
    captured
}

async fn output(command: &str) -> std::result::Result<String, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(text)?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MOST_OUTPUT + 1).read_to_end(&mut bytes).await.map_err(text)?;
    }
    if bytes.len() as u64 > MOST_OUTPUT {
        return Err(format!("it prints more than {}", format::bytes(MOST_OUTPUT)));
    }
    let status = child.wait().await.map_err(text)?;
    if status.success() {
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    } else {
        Err(format!("it ended with {status}"))
    }
}

/// Unpacks a configuration archive below `target`, for review: nothing live is touched.
pub async fn unpack_configuration(context: &Context, component: &ConfigComponent, target: PathBuf) -> Result<u64> {
    let raw = context.repository.open_artefact(&component.archive).map_err(std::io::Error::other);
    let shown = target.display().to_string();
    folder::unpack(raw, target).await.map_err(|error| match error.downcast::<RepositoryError>() {
        Ok(damaged) => damaged.into(),
        Err(error) => StepError::io("unpack the configuration to", shown, error),
    })
}
