//! `dcs backup show`

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::list::state;
use super::summary_line;
use crate::commands::restore::choose;
use crate::commands::{Outcome, Session};
use crate::exit::ExitCode;
use crate::model::{Evidence, Manifest, format};
use crate::repository::Selector;
use crate::repository::evidence::Proof;

/// Show what a backup holds, and what went wrong in it
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A backup's id, `latest`, or `latest~N`
    #[arg(value_name = "ID", default_value = "latest")]
    id: Selector,
}

pub(super) async fn run(args: ShowArgs, session: &Session) -> Outcome {
    let repository = session.repository(true).await?;
    let mut manifest = choose(session, &repository, &args.id, "anything", |_| true).await?;
    manifest.tags = repository.tags(&manifest).await?.into_iter().collect();
    let (proof, evidence) = repository.proof(&manifest.id).await?;
    let shown = text(&manifest, &told(&proof, evidence.as_ref()));
    session.ui().answer(&shown, &Answer { manifest: &manifest, proof, evidence })?;
    Ok(ExitCode::Done)
}

/// The manifest, and what became of the backup since.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    manifest: &'a Manifest,
    proof: Proof,
    evidence: Option<Evidence>,
}

fn told(proof: &Proof, evidence: Option<&Evidence>) -> String {
    match (proof, evidence) {
        (Proof::Never, _) => "never".to_owned(),
        (Proof::Proven { at }, None) => at.to_string(),
        (Proof::Proven { at }, Some(evidence)) => {
            format!("{at} in {}", format::duration(Duration::from_secs_f64(evidence.seconds())))
        }
        (Proof::Failed { at, level }, evidence) => {
            let first = evidence.and_then(|evidence| evidence.findings.first());
            let first = first.map_or_else(String::new, |finding| {
                format!(": {}: {}", finding.subject.escape_debug(), finding.reason)
            });
            format!("FAILED verification of {level}, {at}{first}")
        }
    }
}

fn text(manifest: &Manifest, proven: &str) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| writeln!(text, "{name:<10} {value}").ok();
    line("backup", manifest.id.as_str());
    line("state", state(manifest));
    line("proven", proven);
    line("host", &manifest.host);
    line("started", &manifest.started_at.to_string());
    line("finished", &manifest.finished_at.to_string());
    line("dcs", &manifest.dcs_version);
    if !manifest.tags.is_empty() {
        line("tags", &manifest.tags.join(", "));
    }
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
