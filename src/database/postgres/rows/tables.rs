//! What stands around tables whose rows are put in: triggers that must not fire, foreign keys that must wait.

use std::collections::BTreeSet;

use crate::database::Result;
use crate::database::postgres::session::Session;
use crate::database::postgres::sql;

const ATTEMPTED: &str = "look at the tables of";

/// Triggers of the user's that would fire.
const TRIGGERS: &str = "SELECT n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text \
     FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE t.tgrelid = ANY($1) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') ORDER BY 1, 2, 3";

/// Foreign keys between these tables that are checked at once. Those of a partition are altered with its parent's.
const KEYS: &str = "WITH RECURSIVE up (id, parent) AS ( \
     SELECT k.oid, k.conparentid FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND NOT k.condeferrable \
     AND k.conrelid = ANY($1) AND k.confrelid = ANY($1) AND k.conrelid <> k.confrelid \
     UNION SELECT k.oid, k.conparentid FROM up JOIN pg_catalog.pg_constraint k ON k.oid = up.parent) \
     SELECT DISTINCT n.nspname::text, c.relname::text, k.conname::text FROM up \
     JOIN pg_catalog.pg_constraint k ON k.oid = up.id JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE up.parent = 0 ORDER BY 1, 2, 3";

const SEQUENCES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_depend d \
     JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S' \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass \
     AND d.refobjid = ANY($1) AND d.deptype IN ('a', 'i')";

pub(super) struct Tables {
    pub(super) oids: Vec<u32>,
    triggers: Vec<Trigger>,
    /// Quoted table and name.
    keys: Vec<(String, String)>,
}

struct Trigger {
    table: String,
    name: String,
    fires_always: bool,
}

impl Tables {
    pub(super) async fn look(session: &Session, oids: Vec<u32>) -> Result<Self> {
        let triggers = session.rows(ATTEMPTED, TRIGGERS, &[&oids]).await?;
        let triggers = triggers.iter().map(|row| Trigger {
            table: sql::qualified(row.get(0), row.get(1)),
            name: row.get(2),
            fires_always: row.get::<_, &str>(3) == "A",
        });
        let triggers = triggers.collect();
        let keys = session.rows(ATTEMPTED, KEYS, &[&oids]).await?;
        let keys =
            keys.iter().map(|row| (sql::qualified(row.get(0), row.get(1)), sql::identifier(row.get(2)))).collect();
        Ok(Self { oids, triggers, keys })
    }

    /// Whether their definitions change for the time of the transaction, which takes the owner.
    pub(super) fn are_altered(&self) -> bool {
        !self.triggers.is_empty() || !self.keys.is_empty()
    }

    /// The triggers that will not fire, as a person names them.
    pub(super) fn silenced(&self) -> Vec<String> {
        self.triggers.iter().map(|trigger| format!("{} of {}", trigger.name, trigger.table.replace('"', ""))).collect()
    }

    pub(super) fn before(&self) -> Vec<String> {
        let triggers = self.triggers.iter().map(|Trigger { table, name, .. }| {
            format!("ALTER TABLE {table} DISABLE TRIGGER {}", sql::identifier(name))
        });
        let keys =
            self.keys.iter().map(|(table, key)| format!("ALTER TABLE {table} ALTER CONSTRAINT {key} DEFERRABLE"));
        triggers.chain(keys).chain(["SET CONSTRAINTS ALL DEFERRED".to_owned()]).collect()
    }

    pub(super) fn after(&self) -> Vec<String> {
        let keys =
            self.keys.iter().map(|(table, key)| format!("ALTER TABLE {table} ALTER CONSTRAINT {key} NOT DEFERRABLE"));
        let triggers = self.triggers.iter().map(|Trigger { table, name, fires_always }| {
            let always = if *fires_always { "ALWAYS " } else { "" };
            format!("ALTER TABLE {table} ENABLE {always}TRIGGER {}", sql::identifier(name))
        });
        keys.chain(triggers).collect()
    }

    /// Schema and name of the sequences that belong to the tables' columns.
    pub(super) async fn sequences(&self, session: &Session) -> Result<BTreeSet<(String, String)>> {
        let rows = session.rows(ATTEMPTED, SEQUENCES, &[&self.oids]).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
