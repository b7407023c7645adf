//! `dcs backup show`

use std::fmt::Write;

use clap::Args;

use super::list::state;
use super::summary_line;
use crate::commands::restore::choose;
use crate::commands::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::Manifest;
use crate::repository::Selector;

/// Show what a backup holds, and what went wrong in it
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID", default_value = "latest")]
    id: Selector,
}

pub(super) async fn run(args: ShowArgs, session: &Session) -> Outcome {
    let repository = session.repository(true).await?;
    let manifest = choose(session, &repository, &args.id, "anything", |_| true).await?;
    session.ui().answer(&text(&manifest), &manifest)?;
    Ok(ExitCode::Done)
}

fn text(manifest: &Manifest) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name:<10} {value}").ok();
    line("backup", manifest.id.as_str());
    line("state", state(manifest));
    line("host", &manifest.host);
    line("started", &manifest.started_at.to_string());
    line("finished", &manifest.finished_at.to_string());
    line("dcs", &manifest.dcs_version);
    if let Some(note) = &manifest.note {
        line("note", note);
    }
    text.push_str(&summary_line(manifest));
    for source in manifest.files.iter().flat_map(|files| &files.sources) {
        writeln!(text, "  source {}: {} objects, {} bytes", source.source, source.objects, source.bytes).ok();
    }
    for database in &manifest.databases {
        writeln!(
            text,
            "  {} was {} {} ({})",
            database.name, database.server.engine, database.server.version, database.database
        )
        .ok();
        for table in &database.fingerprint.tables {
            let schema = if table.schema.is_empty() { String::new() } else { format!("{}.", table.schema) };
            writeln!(text, "    {schema}{}: {} rows", table.name, table.rows).ok();
        }
    }
    for difference in manifest.consistency.iter().flat_map(|consistency| &consistency.list) {
        writeln!(text, "  difference: {}: {}", difference.subject.escape_debug(), difference.reason).ok();
    }
    for problem in &manifest.report.problems {
        writeln!(text, "  problem: {}: {}", problem.subject.escape_debug(), problem.reason).ok();
    }
    text
}
