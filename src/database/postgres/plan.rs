//! What a restore would meet and do, found out by looking only.

use super::properties::Properties;
use super::roles::{self, Roles};
use super::session::Session;
use super::{Server, catalog, names, room, standing};
use crate::database::{DatabaseError, ErrorKind, Extent, RestoreOptions, RestorePlan, Result};

const ATTEMPTED: &str = "plan a restore of";

/// What the connected role may do.
pub(super) struct Rights {
    pub(super) superuser: bool,
    pub(super) create_databases: bool,
    create_roles: bool,
    pub(super) end_sessions: bool,
}

pub(super) async fn rights(session: &Session) -> Result<Rights> {
    let sql = "SELECT rolsuper, rolcreatedb, rolcreaterole, pg_catalog.pg_has_role('pg_signal_backend', 'MEMBER'), \
         pg_catalog.pg_is_in_recovery() FROM pg_catalog.pg_roles WHERE rolname = current_user";
    let row = session.row(ATTEMPTED, sql, &[]).await?;
    if row.get(4) {
        return Err(refused(session, "the server is a standby and takes no changes")
            .with_hint("Name the primary server in the URL."));
    }
    let superuser: bool = row.get(0);
    Ok(Rights {
        superuser,
        create_databases: superuser || row.get(1),
        create_roles: superuser || row.get(2),
        end_sessions: superuser || row.get(3),
    })
}

pub(super) async fn plan(server: &Server, options: &RestoreOptions) -> Result<RestorePlan> {
    let database = server.database();
    let session = server.connect_maintenance(&options.run).await?;
    let info = catalog::server(&session, ATTEMPTED).await?;
    server.tools("pg_restore", info.major.max(options.server.major)).await?;

    let rights = rights(&session).await?;
    if !rights.create_databases {
        return Err(denied(&session, "the role may not create databases").with_hint("Grant it CREATEDB."));
    }
    if database.len() > names::LONGEST {
        let detail = format!("{database:?} is longer than {} bytes, which no name of a database is", names::LONGEST);
        return Err(refused(&session, &detail).with_hint("Choose a shorter name."));
    }
    let mut plan = RestorePlan::default();
    if info.major < options.server.major {
        let (now, then) = (info.major, options.server.major);
        plan.warnings.push(format!("the server is PostgreSQL {now}, the backup is of {then}: it may not load"));
    }
    check_extensions(&session, &options.server.extensions).await?;
    if !options.choices.no_owner {
        check_roles(&session, options, &rights, &mut plan).await?;
    }
    let properties = Properties::parse(options.properties.as_deref(), database);
    room::check_locale(&session, &properties.create, &mut plan.warnings).await?;
    if !options.choices.assume_space && options.choices.extent == Extent::Everything {
        room::check_space(server, &session, options.server.size_bytes, &mut plan.warnings).await?;
    }
    if options.choices.jobs > 1 && options.choices.extent == Extent::Everything {
        room::check_spool(server, options)?;
    }
    check_names(&session, database, options, &mut plan).await?;
    if let Some(live) = standing::find(&session, database).await? {
        plan.displaces_live = true;
        plan.kept_as = Some(names::displaced(database, &options.run));
        plan.live = Some(standing::check(&session, &live, &rights, &options.run, &mut plan.warnings).await?);
        standing::warn_of_replication(server, &session, &options.run, &mut plan.warnings).await?;
    }
    Ok(plan)
}

/// Checks what a scratch database needs. It is in nobody's way, so its name and what is live are of no interest.
pub(super) async fn check_scratch(session: &Session, options: &RestoreOptions) -> Result<()> {
    let rights = rights(session).await?;
    if !rights.create_databases {
        return Err(denied(session, "the role may not create databases")
            .with_hint("Grant it CREATEDB, or leave `[verify] server` out: a private server is started then."));
    }
    let extensions = check_extensions(session, &options.server.extensions).await;
    extensions.map_err(|error| DatabaseError { kind: ErrorKind::Lacking, ..error })?;
    if options.globals.is_none() {
        return Ok(());
    }
    check_roles(session, options, &rights, &mut RestorePlan::default()).await
}

async fn check_extensions(session: &Session, wanted: &[String]) -> Result<()> {
    let sql = "SELECT name::text FROM pg_catalog.pg_available_extensions";
    let available: Vec<String> = session.rows(ATTEMPTED, sql, &[]).await?.iter().map(|row| row.get(0)).collect();
    let name = |listed: &str| listed.split(' ').next().unwrap_or_default().to_owned();
    let absent: Vec<String> =
        wanted.iter().map(|wanted| name(wanted)).filter(|name| !available.contains(name)).collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(refused(session, &format!("the server does not have the extensions {}", absent.join(", ")))
        .with_hint("Install the packages of these extensions on the server."))
}

async fn check_roles(
    session: &Session,
    options: &RestoreOptions,
    rights: &Rights,
    plan: &mut RestorePlan,
) -> Result<()> {
    let brought = Roles::parse(options.globals.as_deref());
    let existing = roles::existing(session).await?;
    let (missing, locked_out) = brought.missing(&existing);
    if !missing.is_empty() {
        let listed = missing.join(", ");
        if !rights.create_roles {
            return Err(denied(session, &format!("roles are missing and the role may not make them: {listed}"))
                .with_hint("Make them first, or restore as a superuser."));
        }
        plan.warnings.push(format!("roles that will be made: {listed}"));
    }
    if !locked_out.is_empty() {
        plan.warnings.push(format!("the backup holds no passwords; set them anew for: {}", locked_out.join(", ")));
    }
    let properties = Properties::parse(options.properties.as_deref(), "");
    let unknown = |role: &String| !existing.contains(role) && !missing.contains(role);
    if let Some(owner) = properties.owner.as_ref().filter(|owner| unknown(owner)) {
        return Err(refused(session, &format!("the owner {owner:?} is no role of the server, nor in the backup"))
            .with_hint("Make the role first."));
    }
    let unknown: Vec<String> = properties.roles.iter().filter(|role| unknown(role)).cloned().collect();
    if !unknown.is_empty() {
        plan.warnings
            .push(format!("rights and settings of roles that do not exist are left out: {}", unknown.join(", ")));
    }
    Ok(())
}

async fn check_names(
    session: &Session,
    database: &str,
    options: &RestoreOptions,
    plan: &mut RestorePlan,
) -> Result<()> {
    let rows = session.rows(ATTEMPTED, "SELECT datname::text FROM pg_catalog.pg_database ORDER BY 1", &[]).await?;
    let (side, kept) = (names::side(database, &options.run), names::displaced(database, &options.run));
    for name in rows.iter().map(|row| row.get::<_, String>(0)) {
        if name == side || name == kept {
            return Err(refused(session, &format!("a database {name:?} exists"))
                .with_hint("Run the same command again: it will take another name."));
        }
        if names::is_left_over(&name, database) {
            plan.warnings.push(format!("{name} was left behind by a restore that was killed; it may be dropped"));
        }
    }
    Ok(())
}

pub(super) fn refused(session: &Session, detail: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::Refused, ATTEMPTED, session.subject()).with_detail(detail)
}

pub(super) fn denied(session: &Session, detail: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::Denied, ATTEMPTED, session.subject()).with_detail(detail)
}
