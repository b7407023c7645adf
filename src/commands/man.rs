//! `dcs man`

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use super::{Outcome, Session};
use crate::cli::{Cli, exit_table};
use crate::error::CommandError;
use crate::exit::ExitCode;

/// Write the man pages into a folder
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, which must exist, as in /usr/local/share/man/man1
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs, session: &Session) -> Outcome {
    let pages = pages();
    for (name, text) in &pages {
        let path = args.folder.join(name);
        std::fs::write(&path, text).map_err(|error| {
            CommandError::new(ExitCode::Failed, format!("cannot write {}: {error}", path.display()))
                .hint("Name a folder that exists and may be written: `dcs man FOLDER`.")
        })?;
    }
    let text = format!("wrote {} man pages to {}", pages.len(), args.folder.display());
    session.ui().report(&text, &serde_json::json!({ "pages": pages.len(), "folder": args.folder }))?;
    Ok(ExitCode::Done)
}

/// Every page's file name and text: `dcs.1`, `dcs-backup.1`, `dcs-backup-db.1` ...
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
