//! `dcs man`

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use super::{Outcome, Session};
use crate::cli::{Cli, exit_table};
use crate::error::CommandError;
use crate::exit::ExitCode;

/// The pages that no command has: about the configuration, what to do on a bad day, and the backup bucket.
pub const OTHER_PAGES: [(&str, &str); 3] = [
    ("dcs.toml.5", include_str!("../../man/dcs.toml.5")),
    ("dcs-recovery.7", include_str!("../../man/dcs-recovery.7")),
    ("dcs-repository.7", include_str!("../../man/dcs-repository.7")),
];

/// Write the man pages into a folder
///
/// There is a page for each command, dcs.toml(5) about the configuration, dcs-recovery(7) about what to do on a bad day,
/// and dcs-repository(7), which documents the format of the backup bucket. Where the folder is called man1, these go into
/// the folders man5 and man7 beside it, where man looks for them.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, which must exist, as in /usr/local/share/man/man1
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs, session: &Session) -> Outcome {
    let mut pages = pages();
    pages.extend(OTHER_PAGES.map(|(name, text)| (name.to_owned(), text.into())));
    for (name, text) in &pages {
        let path = place(&args.folder, name);
        write(&path, text, &args.folder).map_err(|error| {
            CommandError::new(ExitCode::Failed, format!("cannot write {}: {error}", path.display()))
                .hint("Name a folder that exists and may be written: `dcs man FOLDER`.")
        })?;
    }
    let text = format!("wrote {} man pages to {}", pages.len(), args.folder.display());
    session.ui().report(&text, &serde_json::json!({ "pages": pages.len(), "folder": args.folder }))?;
    Ok(ExitCode::Done)
}

/// Where a page belongs: the pages of a section lie in a folder of their own where man reads them.
fn place(folder: &Path, name: &str) -> PathBuf {
    match name.rsplit_once('.') {
        Some((_, section)) if folder.ends_with("man1") => folder.with_file_name(format!("man{section}")).join(name),
        _ => folder.join(name),
    }
}

/// Makes the other section's folder, never the one that was named: that would hide a typing error.
fn write(path: &Path, text: &[u8], named: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if folder != named && named.is_dir() => std::fs::create_dir_all(folder)?,
        _ => {}
    }
    std::fs::write(path, text)
}

/// Every command's page: its file name and text: `dcs.1`, `dcs-backup.1`, `dcs-backup-db.1` ...
pub fn pages() -> Vec<(String, Vec<u8>)> {
    // There are no pages of `help` to refer to.
    let mut root = Cli::command().after_long_help(None::<&str>).disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    collect(&root, "dcs", &mut pages);
    pages
}

fn collect(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone().name(name.to_owned())).date("").source("dcs");
    // Writing to a vector does not fail.
    page.render(&mut text).ok();
    text.extend_from_slice(exit_section().as_bytes());
    pages.push((format!("{name}.1"), text));
    for child in command.get_subcommands() {
        collect(child, &format!("{name}-{}", child.get_name()), pages);
    }
}

fn exit_section() -> String {
    let mut text = ".SH \"EXIT STATUS\"\n".to_owned();
    for line in exit_table::text().lines().skip(1) {
        let (code, meaning) = line.trim().split_once("  ").unwrap_or((line, ""));
        text.push_str(&format!(".TP\n\\fB{code}\\fR\n{}\n", meaning.trim().replace('-', "\\-")));
    }
    text
}
