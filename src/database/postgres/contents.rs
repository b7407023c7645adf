//! Reads the rows of a restored database back, as the dump had written them.

use futures_util::TryStreamExt;

use super::session::Session;
use super::sql;
use crate::archive::RowsHasher;
use crate::database::{Result, compare};
use crate::model::database::{Difference, Fingerprint, TableContent, TableCount};

const ATTEMPTED: &str = "read back";

/// What `pg_dump` sets for itself, so that a text stands for one value.
const AS_IN_A_DUMP: &str =
    "SET DateStyle = ISO; SET IntervalStyle = postgres; SET extra_float_digits = 3; SET search_path = ''";

/// The tables whose rows are not those of `expected`. Tables of which that knows no content are passed by.
pub(super) async fn differences(session: &Session, expected: &Fingerprint) -> Result<Vec<Difference>> {
    render_as(session, expected).await?;
    // A dump is in the encoding of its database. Names beyond ASCII are known to it only where that is UTF-8.
    let to_encoding =
        "SELECT pg_catalog.set_config('client_encoding', pg_catalog.current_setting('server_encoding'), false)";
    session.run(ATTEMPTED, to_encoding).await?;
    let mut differences = Vec::new();
    for table in &expected.tables {
        differences.extend(difference(session, table).await?);
    }
    Ok(differences)
}

/// Whether the rows of a table are others than those of `expected`; nothing where that knows no content.
pub(super) async fn difference(session: &Session, expected: &TableCount) -> Result<Option<Difference>> {
    let Some(content) = &expected.content else { return Ok(None) };
    Ok(compare::other_rows(expected, &read(session, expected, content).await?))
}

/// Sets what the text of values depends on to what it was when they were dumped.
pub(super) async fn render_as(session: &Session, expected: &Fingerprint) -> Result<()> {
    session.run(ATTEMPTED, AS_IN_A_DUMP).await?;
    for (name, value) in &expected.rendering {
        let sql = format!("SELECT pg_catalog.set_config({}, {}, false)", sql::literal(name), sql::literal(value));
        if let Err(error) = session.try_run(&sql).await {
            // A locale that is not here: only amounts of type money are written by it.
            tracing::debug!(%error, name, "a setting of the dump is not known here");
        }
    }
    Ok(())
}

async fn read(session: &Session, table: &TableCount, content: &TableContent) -> Result<TableCount> {
    let columns: Vec<String> = content.columns.iter().map(|column| sql::identifier(column)).collect();
    let name = sql::qualified(&table.schema, &table.name);
    let mut rows =
        Box::pin(session.copy_out(ATTEMPTED, &format!("COPY {name} ({}) TO STDOUT", columns.join(", "))).await?);
    let mut hasher = RowsHasher::default();
    while let Some(bytes) = rows.try_next().await? {
        hasher.update(&bytes);
    }
    let (rows, digest) = hasher.finish();
    let content = Some(TableContent { columns: content.columns.clone(), digest });
    Ok(TableCount { schema: table.schema.clone(), name: table.name.clone(), rows, content })
}
