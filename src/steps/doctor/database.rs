//! Whether a database can be dumped, and restored to where it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Area, Finding};
use crate::database::{Database, DatabaseError, RestoreChoices, RestoreOptions};
use crate::model::{RunId, format};
use crate::steps::with_causes;

/// Examines each by its name; `spool` is where a restore would put an SQLite copy.
pub async fn examine(databases: &BTreeMap<String, Arc<dyn Database>>, spool: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, database) in databases {
        findings.extend(one(&format!("database {name}"), database.as_ref(), spool).await);
    }
    findings
}

async fn one(subject: &str, database: &dyn Database, spool: &Path) -> Vec<Finding> {
    let info = match database.preflight_dump().await {
        Ok(info) => info,
        Err(error) => return vec![failed(subject, "cannot be dumped", &error)],
    };
    let size = format::bytes(info.size_bytes);
    let found = format!("{} {}, {size}: can be dumped", info.engine, info.version);
    let mut findings = vec![Finding::ok(Area::Database, subject, found)];
    let options = RestoreOptions {
        spool: spool.to_owned(),
        run: RunId::create(),
        properties: None,
        globals: None,
        dump_bytes: info.size_bytes,
        server: info,
        choices: RestoreChoices::default(),
    };
    match database.plan_restore(&options).await {
        Ok(plan) if plan.warnings.is_empty() => {
            findings.push(Finding::ok(Area::Database, subject, "can be restored here"));
        }
        Ok(plan) => findings.extend(plan.warnings.iter().map(|warning| {
            let next = "See that this is as you want it before you need a restore.";
            Finding::warning(Area::Database, subject, format!("can be restored here, but: {warning}"), next)
        })),
        // Dumps go on; it is the restore that would not.
        Err(error) => {
            let next = error.hint.clone().unwrap_or_else(|| "Mend it before you need a restore.".to_owned());
            let found = format!("cannot be restored here: {}", with_causes(&error));
            findings.push(Finding::warning(Area::Database, subject, found, next));
        }
    }
    findings
}

fn failed(subject: &str, what: &str, error: &DatabaseError) -> Finding {
    let next =
        error.hint.clone().unwrap_or_else(|| "Check [databases], the server, and the rights of the user.".to_owned());
    Finding::failed(Area::Database, subject, format!("{what}: {}", with_causes(error)), next)
}
