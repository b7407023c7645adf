//! What stands behind a name that a swap is about to change: may it be renamed, how large is it, who is connected.

use super::plan::{Rights, denied, refused};
use super::session::Session;
use super::{Server, names};
use crate::database::{Affected, Connections, Result};
use crate::model::RunId;

const ATTEMPTED: &str = "look at";
/// How many roles and programs are told of.
const MOST_TOLD: usize = 20;

/// A database of the server.
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) oid: u32,
    pub(super) owner: String,
    is_owned: bool,
    pub(super) comment: Option<String>,
    pub(super) size_bytes: Option<u64>,
    pub(super) accepts_connections: bool,
}

/// The one of a name with its size, or all that are no templates without: a size takes a look at every file.
const DATABASES: &str = "SELECT d.datname::text, d.oid, pg_catalog.pg_get_userbyid(d.datdba)::text, \
     pg_catalog.pg_has_role(d.datdba, 'MEMBER'), pg_catalog.shobj_description(d.oid, 'pg_database'), \
     CASE WHEN $1::text IS NOT NULL AND (pg_catalog.has_database_privilege(d.oid, 'CONNECT') \
     OR pg_catalog.pg_has_role('pg_read_all_stats', 'MEMBER')) THEN pg_catalog.pg_database_size(d.oid) END, \
     d.datallowconn FROM pg_catalog.pg_database d WHERE d.datname = $1 OR ($1::text IS NULL AND NOT d.datistemplate)";

pub(super) async fn find(session: &Session, database: &str) -> Result<Option<Standing>> {
    Ok(list(session, Some(database)).await?.pop())
}

pub(super) async fn all(session: &Session) -> Result<Vec<Standing>> {
    list(session, None).await
}

/// See [`crate::database::Database::neighbours`]. The `postgres` that every server has belongs to nobody.
pub(super) async fn neighbours(server: &Server, run: &RunId) -> Result<Vec<String>> {
    let session = server.connect_maintenance(run).await?;
    let all = all(&session).await?.into_iter().map(|standing| standing.name);
    Ok(all.filter(|name| name != server.database() && name != "postgres" && !names::is_made(name)).collect())
}

async fn list(session: &Session, database: Option<&str>) -> Result<Vec<Standing>> {
    let rows = session.rows(ATTEMPTED, DATABASES, &[&database]).await?;
    let standing = rows.iter().map(|row| Standing {
        name: row.get(0),
        oid: row.get(1),
        owner: row.get(2),
        is_owned: row.get(3),
        comment: row.get(4),
        size_bytes: row.get::<_, Option<i64>>(5).and_then(|size| u64::try_from(size).ok()),
        accepts_connections: row.get(6),
    });
    Ok(standing.collect())
}

/// Fails unless the database can be renamed and its sessions ended; answers what that affects.
pub(super) async fn check(
    session: &Session,
    standing: &Standing,
    rights: &Rights,
    run: &RunId,
    warnings: &mut Vec<String>,
) -> Result<Affected> {
    let name = &standing.name;
    if !rights.superuser && !standing.is_owned {
        return Err(denied(session, &format!("the role does not own {name:?} and may not rename it"))
            .with_hint("Name the owner or a superuser in the database's URL."));
    }
    let prepared = "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE database = $1";
    let prepared: i64 = session.row(ATTEMPTED, prepared, &[name]).await?.get(0);
    if prepared > 0 {
        return Err(refused(session, &format!("{name:?} has {prepared} prepared transactions, and cannot be renamed"))
            .with_hint("COMMIT PREPARED or ROLLBACK PREPARED those that pg_prepared_xacts lists."));
    }
    check_sessions(session, standing.oid, rights, warnings).await?;
    Ok(Affected { size_bytes: standing.size_bytes, connections: connections(session, standing.oid, run).await? })
}

async fn check_sessions(session: &Session, database: u32, rights: &Rights, warnings: &mut Vec<String>) -> Result<()> {
    if rights.superuser {
        return Ok(());
    }
    let sql = "SELECT DISTINCT r.rolname::text, r.rolsuper, pg_catalog.pg_has_role(r.oid, 'MEMBER') \
         FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE a.datid = $1";
    for row in session.rows(ATTEMPTED, sql, &[&database]).await? {
        let (role, superuser, member): (&str, bool, bool) = (row.get(0), row.get(1), row.get(2));
        if superuser || !(member || rights.end_sessions) {
            return Err(denied(session, &format!("the role may not end the sessions of {role:?}"))
                .with_hint("Grant it pg_signal_backend, or end these sessions first."));
        }
    }
    let warning = "sessions of other roles cannot be ended (pg_signal_backend): one stops the swap";
    if !rights.end_sessions && !warnings.iter().any(|told| told == warning) {
        warnings.push(warning.to_owned());
    }
    Ok(())
}

/// Who is connected, without this run itself.
async fn connections(session: &Session, database: u32, run: &RunId) -> Result<Vec<Connections>> {
    let sql = "SELECT usename::text, coalesce(application_name, ''), count(*) FROM pg_catalog.pg_stat_activity \
         WHERE datid = $1 AND usename IS NOT NULL AND NOT coalesce(application_name, '') LIKE $2 \
         GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
    let rows = session.rows(ATTEMPTED, sql, &[&database, &format!("dcs-{run}%")]).await?;
    let found = rows.iter().map(|row| Connections {
        user: row.get(0),
        application: row.get(1),
        count: u64::try_from(row.get::<_, i64>(2)).unwrap_or_default(),
    });
    let (mut told, mut others) = (Vec::new(), 0);
    for connections in found {
        if told.len() < MOST_TOLD { told.push(connections) } else { others += connections.count }
    }
    if others > 0 {
        told.push(Connections { user: "others".to_owned(), application: String::new(), count: others });
    }
    Ok(told)
}

/// Slots, publications and subscriptions belong to the database, not to its name.
pub(super) async fn warn_of_replication(
    server: &Server,
    session: &Session,
    run: &RunId,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let database = server.database();
    let slots = "SELECT slot_name::text, active FROM pg_catalog.pg_replication_slots WHERE database = $1 ORDER BY 1";
    for row in session.rows(ATTEMPTED, slots, &[&database]).await? {
        let (slot, active): (&str, bool) = (row.get(0), row.get(1));
        let active = if active { "active " } else { "" };
        warnings.push(format!("the {active}replication slot {slot} goes aside with the live database"));
    }
    // What lies inside the live database is told where it can be read; one that refuses us can be replaced all the same.
    let inside = match server.connect(database, run).await {
        Ok(inside) => inside,
        Err(error) => {
            warnings.push(format!("the live database cannot be looked into: {error}"));
            return Ok(());
        }
    };
    let sql = "SELECT 'publication ' || pubname::text FROM pg_catalog.pg_publication UNION ALL \
         SELECT 'subscription ' || subname::text FROM pg_catalog.pg_subscription s \
         JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = pg_catalog.current_database() ORDER BY 1";
    for row in inside.rows(ATTEMPTED, sql, &[]).await? {
        let what: &str = row.get(0);
        warnings.push(format!("the {what} goes aside with the live database: replication must be set up again"));
    }
    Ok(())
}
