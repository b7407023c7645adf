//! `dcs restore-db --into`, `--in-place`

use clap::Args;

use super::Session;
use crate::commands::open::Places;
use crate::database::{Extent, RestoreChoices};
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::Manifest;
use crate::model::database::Fingerprint;
use crate::model::manifest::DatabaseComponent;
use crate::steps::choose_tables::Part;

#[derive(Debug, Args)]
pub(super) struct IntoArgs {
    /// Restore one database into a new one of this name on the same server, and touch nothing live
    #[arg(long, value_name = "NEWNAME", conflicts_with = "undo")]
    into: Option<String>,

    /// Replace rows of the live database, with `--data-only`; what was there is backed up first
    ///
    /// The tables are dumped into a protected backup while nobody can write to them. Then the rows are replaced, read back
    /// and compared in one transaction. Indexes, keys and whatever else the tables have stay; triggers do not fire.
    #[arg(long, conflicts_with_all = ["into", "undo"])]
    in_place: bool,

    /// With `--into` or `--in-place`: bring rows only, into tables that are there
    ///
    /// With `--into` the database must be there and the tables must be empty.
    #[arg(long, conflicts_with_all = ["undo", "schema_only"])]
    data_only: bool,

    /// With `--into`: bring the rows of this table only, without indexes and constraints; may be given more than once
    ///
    /// The name counts as it is, without quotes. The definitions of all tables come along, empty.
    #[arg(long = "table", value_name = "SCHEMA.TABLE", conflicts_with_all = ["undo", "schemas"])]
    tables: Vec<String>,

    /// The same for the rows of this schema's tables only; may be given more than once
    #[arg(long = "schema", value_name = "NAME", conflicts_with = "undo")]
    schemas: Vec<String>,

    /// With `--into`: bring all definitions and no rows
    #[arg(long, conflicts_with_all = ["undo", "tables", "schemas"])]
    schema_only: bool,
}

impl IntoArgs {
    /// Whether a backup of a part will do, where it is named.
    pub(super) fn takes_parts(&self) -> bool {
        self.into.is_some() || self.in_place
    }

    pub(super) fn is_in_place(&self) -> bool {
        self.in_place
    }

    pub(super) fn is_data_only(&self) -> bool {
        self.data_only
    }

    fn part(&self) -> Part {
        let (tables, schemas) = (self.tables.clone(), self.schemas.clone());
        Part { tables, schemas, schema_only: self.schema_only }
    }

    /// A part never takes the live database's place.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        let usage = |message: &str, hint: &str| Err(CommandError::new(ExitCode::Usage, message).hint(hint));
        if self.in_place && !self.data_only {
            let message = "`--in-place` replaces rows, and no definitions of what is live";
            return usage(message, "Add `--data-only`; or restore beside the live one with `--into NEWNAME`.");
        }
        if self.data_only && !self.takes_parts() {
            let hint = "Add `--in-place` to replace rows of the live database, or `--into NAME` to fill empty tables of another.";
            return usage("`--data-only` does not say where the rows go", hint);
        }
        if self.takes_parts() || self.part().is_everything() {
            return Ok(());
        }
        let message =
            "`--table`, `--schema` and `--schema-only` restore a part, which cannot replace the live database";
        usage(message, "Restore it beside the live one: add `--into NEWNAME`.")
    }

    /// Sends the one database there is to its new name.
    pub(super) fn apply(
        &self,
        manifest: &Manifest,
        places: &mut Places,
        choices: &mut RestoreChoices,
        session: &Session,
    ) -> Result<(), CommandError> {
        let Some(into) = &self.into else { return Ok(()) };
        let component = self.the_one(manifest)?;
        let live = places.database(&component.name, session.settings()?)?;
        places.databases.insert(component.name.clone(), live.with_database(into)?);
        choices.must_be_new = true;
        choices.extent = self.extent(&component.fingerprint)?;
        Ok(())
    }

    pub(super) fn extent(&self, fingerprint: &Fingerprint) -> Result<Extent, CommandError> {
        Ok(self.part().find(fingerprint)?)
    }

    /// The one database of the backup that is chosen.
    pub(super) fn the_one<'a>(&self, manifest: &'a Manifest) -> Result<&'a DatabaseComponent, CommandError> {
        let [component] = manifest.databases.as_slice() else {
            let names: Vec<&str> = manifest.databases.iter().map(|database| database.name.as_str()).collect();
            let flag = if self.in_place { "--in-place" } else { "--into" };
            let message = format!("`{flag}` takes one database, and the backup holds {}", names.join(", "));
            return Err(CommandError::new(ExitCode::Usage, message).hint("Choose one with `--only NAME`."));
        };
        Ok(component)
    }
}
