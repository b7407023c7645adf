//! Whether the server can take what a restore brings: room on its disk, its encoding and its locale.

use std::path::{Path, PathBuf};

use super::Server;
use super::session::Session;
use super::sql::words;
use crate::database::{DatabaseError, ErrorKind, RestoreOptions, Result};
use crate::model::format;

const ATTEMPTED: &str = "plan a restore of";

/// Fails where the server's disk can be seen from here and has no room; says so where it cannot be seen.
pub(super) async fn check_space(
    server: &Server,
    session: &Session,
    needed: u64,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let unseen = format!("whether the server has room for {} cannot be seen from here", format::bytes(needed));
    let Some(folder) = data_folder(server, session).await? else {
        warnings.push(unseen);
        return Ok(());
    };
    let Ok(room) = rustix::fs::statvfs(&folder) else {
        warnings.push(unseen);
        return Ok(());
    };
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let (needed, free) = (format::bytes(needed), format::bytes(free));
    Err(DatabaseError::new(ErrorKind::Refused, ATTEMPTED, session.subject())
        .with_detail(format!("{needed} are needed in {}, {free} are free", folder.display()))
        .with_hint("Make room, or say `--assume-space` where it needs less."))
}

/// Fails where the whole dump cannot be spooled for several jobs, or not be read by tools that are elsewhere.
pub(super) fn check_spool(server: &Server, options: &RestoreOptions) -> Result<()> {
    let refused = |detail: String| {
        DatabaseError::new(ErrorKind::Refused, ATTEMPTED, server.subject.as_str())
            .with_detail(detail)
            .with_hint("Restore without a spool: `--jobs 1`.")
    };
    if server.places.prefix.is_some() {
        return Err(refused("tools that are run through a command cannot read a spooled dump".to_owned()));
    }
    let Ok(room) = rustix::fs::statvfs(&options.spool) else { return Ok(()) };
    let (free, needed) = (room.f_bavail.saturating_mul(room.f_frsize), options.dump_bytes);
    if free >= needed {
        return Ok(());
    }
    let (needed, free) = (format::bytes(needed), format::bytes(free));
    Err(refused(format!("to spool the dump {needed} are needed in {}, {free} are free", options.spool.display())))
}

/// The folder of a server on this machine.
async fn data_folder(server: &Server, session: &Session) -> Result<Option<PathBuf>> {
    if !server.target.is_local() || server.places.prefix.is_some() {
        return Ok(None);
    }
    // Only some roles see the row.
    let sql = "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'";
    let rows = session.rows(ATTEMPTED, sql, &[]).await?;
    let folder = rows.first().map(|row| PathBuf::from(row.get::<_, &str>(0)));
    Ok(folder.filter(|folder| Path::is_dir(folder)))
}

/// Warns where the server does not know the encoding or the locale that a database is made with. It may have been
/// installed since the server's list was made: what cannot be made will say so before anything is touched.
pub(super) async fn check_locale(session: &Session, create: &str, warnings: &mut Vec<String>) -> Result<()> {
    let words = words(create);
    let value = |key: &str| {
        let at = words.iter().position(|word| word == key)?;
        words.get(at + 1).map(|value| value.trim_matches('\'').to_owned())
    };
    if let Some(encoding) = value("ENCODING") {
        let known: i32 =
            session.row(ATTEMPTED, "SELECT pg_catalog.pg_char_to_encoding($1::text::name)", &[&encoding]).await?.get(0);
        if known < 0 {
            warnings.push(format!("the server does not know the encoding {encoding}"));
        }
    }
    let sql = "SELECT collcollate::text FROM pg_catalog.pg_collation WHERE collprovider = 'c' AND collcollate IS NOT NULL \
         UNION SELECT datcollate::text FROM pg_catalog.pg_database UNION SELECT datctype::text FROM pg_catalog.pg_database";
    let known = session.rows(ATTEMPTED, sql, &[]).await?;
    let known: Vec<String> = known.iter().map(|row| plain(row.get(0))).collect();
    let mut wanted: Vec<String> = ["LC_COLLATE", "LC_CTYPE"].into_iter().filter_map(value).collect();
    wanted.dedup();
    for locale in wanted {
        if !known.contains(&plain(&locale)) && !matches!(locale.as_str(), "C" | "POSIX") {
            warnings.push(format!(
                "the server does not list the locale {locale}: install it there if making the database fails"
            ));
        }
    }
    Ok(())
}

/// `en_US.UTF-8` and `en_US.utf8` are one.
fn plain(locale: &str) -> String {
    locale.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
