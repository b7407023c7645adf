//! What a restore would meet and do, found out by looking only.

use tokio_postgres::Row;

use super::properties::Properties;
use super::roles::{self, Roles};
use super::session::Session;
use super::{Server, catalog, names};
use crate::database::{DatabaseError, ErrorKind, RestoreOptions, RestorePlan, Result};

const ATTEMPTED: &str = "plan a restore of";

/// What the connected role may do.
pub(super) struct Rights {
    pub(super) superuser: bool,
    create_databases: bool,
    create_roles: bool,
    end_sessions: bool,
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
    let mut plan = RestorePlan::default();
    if info.major < options.server.major {
        let (now, then) = (info.major, options.server.major);
        plan.warnings.push(format!("the server is PostgreSQL {now}, the backup is of {then}: it may not load"));
    }
    check_extensions(&session, &options.server.extensions).await?;
    check_roles(&session, options, &rights, &mut plan).await?;
    check_names(&session, database, options, &mut plan).await?;
    let live = "SELECT oid, pg_catalog.pg_has_role(datdba, 'MEMBER') FROM pg_catalog.pg_database WHERE datname = $1";
    if let Some(live) = session.rows(ATTEMPTED, live, &[&database]).await?.first() {
        plan.displaces_live = true;
        plan.kept_as = Some(names::displaced(database, &options.run));
        check_live(server, &session, live, &rights, options, &mut plan).await?;
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

async fn check_live(
    server: &Server,
    session: &Session,
    live: &Row,
    rights: &Rights,
    options: &RestoreOptions,
    plan: &mut RestorePlan,
) -> Result<()> {
    let database = server.database();
    if !rights.superuser && !live.get::<_, bool>(1) {
        return Err(denied(session, &format!("the role does not own {database:?} and may not rename it"))
            .with_hint("Restore as the owner or as a superuser."));
    }
    let prepared = "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = $1";
    let prepared: i64 = session.row(ATTEMPTED, prepared, &[&database]).await?.get(0);
    if prepared > 0 {
        return Err(refused(
            session,
            &format!("{database:?} has {prepared} prepared transactions, and cannot be renamed"),
        )
        .with_hint("COMMIT PREPARED or ROLLBACK PREPARED those that pg_prepared_xacts lists."));
    }
    check_sessions(session, live.get(0), rights, plan).await?;
    let slots = "SELECT slot_name::text FROM pg_catalog.pg_replication_slots WHERE database = $1 ORDER BY 1";
    for row in session.rows(ATTEMPTED, slots, &[&database]).await? {
        let slot: &str = row.get(0);
        plan.warnings.push(format!("the replication slot {slot} stays with the old database"));
    }
    // What lies inside the live database is told where it can be read; one that refuses us can be replaced all the same.
    match server.connect(database, &options.run).await {
        Ok(inside) => warn_of_replication(&inside, plan).await,
        Err(error) => {
            plan.warnings.push(format!("the live database cannot be looked into: {error}"));
            Ok(())
        }
    }
}

async fn check_sessions(session: &Session, live: u32, rights: &Rights, plan: &mut RestorePlan) -> Result<()> {
    if rights.superuser {
        return Ok(());
    }
    let sql = "SELECT DISTINCT r.rolname::text, r.rolsuper, pg_catalog.pg_has_role(r.oid, 'MEMBER') \
         FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE a.datid = $1";
    for row in session.rows(ATTEMPTED, sql, &[&live]).await? {
        let (role, superuser, member): (&str, bool, bool) = (row.get(0), row.get(1), row.get(2));
        if superuser || !(member || rights.end_sessions) {
            return Err(denied(session, &format!("the role may not end the sessions of {role:?}"))
                .with_hint("Grant it pg_signal_backend, or end these sessions first."));
        }
    }
    if !rights.end_sessions {
        plan.warnings
            .push("sessions of other roles cannot be ended (pg_signal_backend): one stops the swap".to_owned());
    }
    Ok(())
}

async fn warn_of_replication(inside: &Session, plan: &mut RestorePlan) -> Result<()> {
    let sql = "SELECT 'publication ' || pubname::text FROM pg_catalog.pg_publication UNION ALL \
         SELECT 'subscription ' || subname::text FROM pg_catalog.pg_subscription s \
         JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = pg_catalog.current_database() ORDER BY 1";
    for row in inside.rows(ATTEMPTED, sql, &[]).await? {
        let what: &str = row.get(0);
        plan.warnings.push(format!("the {what} stays with the old database: replication must be set up again"));
    }
    Ok(())
}

fn refused(session: &Session, detail: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::Refused, ATTEMPTED, session.subject()).with_detail(detail)
}

fn denied(session: &Session, detail: &str) -> DatabaseError {
    DatabaseError::new(ErrorKind::Denied, ATTEMPTED, session.subject()).with_detail(detail)
}
