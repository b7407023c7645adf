//! Puts a displaced database back in the live one's place, by the swap that displaced it.

use super::note::Note;
use super::session::Session;
use super::standing::{self, Standing};
use super::swap::{self, Incoming};
use super::{Server, names, plan, sql};
use crate::database::{DatabaseError, Displaced, ErrorKind, Result, UndoOptions, UndoPlan};
use crate::model::RunId;

const ATTEMPTED: &str = "put back a database of";

/// What was displaced from this name, the last one first.
pub(super) async fn displaced(server: &Server, run: &RunId) -> Result<Vec<Displaced>> {
    let session = server.connect_maintenance(run).await?;
    let mut found = Vec::new();
    for standing in standing::all(&session).await? {
        if let Some(displaced) = of(&standing, server.database()) {
            let size_bytes = standing::find(&session, &displaced.name).await?.and_then(|standing| standing.size_bytes);
            found.push(Displaced { size_bytes, ..displaced });
        }
    }
    found.sort_by(|one, other| (other.until, &other.name).cmp(&(one.until, &one.name)));
    Ok(found)
}

/// A database is known by its note; where that was overwritten, by its name.
fn of(standing: &Standing, live: &str) -> Option<Displaced> {
    let name = &standing.name;
    let (run, until) = match Note::read(standing.comment.as_deref()) {
        // A backup of a displaced database, restored under its own name, brings a note along that is not its own.
        Some(note) if name != live => {
            (note.was == live).then(|| (note.run.chars().take(4).collect(), Some(note.until)))?
        }
        _ => (names::displaced_by(name, live)?.to_owned(), None),
    };
    Some(Displaced { name: name.clone(), run, until, size_bytes: standing.size_bytes })
}

pub(super) async fn plan(server: &Server, displaced: &Displaced, options: &UndoOptions) -> Result<UndoPlan> {
    let session = server.connect_maintenance(&options.run).await?;
    let rights = plan::rights(&session).await?;
    if !rights.create_databases {
        return Err(plan::denied(&session, "renaming a database takes the right to create them")
            .with_hint("Grant it CREATEDB."));
    }
    let mut plan = UndoPlan::default();
    let back = there(&session, displaced).await?;
    let in_use = standing::check(&session, &back, &rights, &options.run, &mut plan.warnings).await?;
    if in_use.connection_count() > 0 {
        let told: Vec<String> = in_use.connections.iter().map(ToString::to_string).collect();
        plan.warnings.push(format!("sessions in {} are ended too: {}", back.name, told.join(", ")));
    }
    if !back.accepts_connections {
        plan.warnings.push(format!("{} takes no connections (ALLOW_CONNECTIONS)", back.name));
    }
    let Some(live) = standing::find(&session, server.database()).await? else { return Ok(plan) };
    let kept = names::displaced(server.database(), &options.run);
    if standing::find(&session, &kept).await?.is_some() {
        return Err(plan::refused(&session, &format!("a database {kept:?} exists"))
            .with_hint("Run the same command again: it will take another name."));
    }
    if back.owner != live.owner {
        plan.warnings.push(format!("{} belongs to {}, the live one to {}", back.name, back.owner, live.owner));
    }
    plan.live = Some(standing::check(&session, &live, &rights, &options.run, &mut plan.warnings).await?);
    standing::warn_of_replication(server, &session, &options.run, &mut plan.warnings).await?;
    plan.kept_as = Some(kept);
    Ok(plan)
}

async fn there(session: &Session, displaced: &Displaced) -> Result<Standing> {
    standing::find(session, &displaced.name).await?.ok_or_else(|| {
        DatabaseError::new(ErrorKind::NotFound, ATTEMPTED, session.subject())
            .with_detail(displaced.name.clone())
            .with_hint("See what there is: `dcs restore-db --undo --dry-run`.")
    })
}

/// Answers what the database that was live is called now.
pub(super) async fn undo(server: &Server, displaced: &Displaced, options: &UndoOptions) -> Result<Option<String>> {
    let session = server.connect_maintenance(&options.run).await?;
    let back = there(&session, displaced).await?;
    // A comment that is no note is one that somebody wrote since, and stays.
    let then = Note::read(back.comment.as_deref()).map(|note| {
        let comment = note.comment.as_deref().map_or_else(|| "NULL".to_owned(), sql::literal);
        format!("COMMENT ON DATABASE {} IS {comment}", sql::identifier(server.database()))
    });
    let incoming = Incoming { database: &back.name, then: then.into_iter().collect(), must_be_new: false };
    swap::swap(server, &session, incoming, &options.run).await
}
