//! `dcs restore-db --into`

use clap::Args;

use super::Session;
use crate::commands::open::Places;
use crate::database::RestoreChoices;
use crate::error::CommandError;
use crate::exit::ExitCode;
use crate::model::Manifest;
use crate::steps::choose_tables::Part;

#[derive(Debug, Args)]
pub(super) struct IntoArgs {
    /// Restore one database into a new one of this name on the same server, and touch nothing live
    #[arg(long, value_name = "NEWNAME", conflicts_with = "undo")]
    into: Option<String>,

    /// With `--into`: bring the rows of this table only, without indexes and constraints; may be given more than once
    ///
    /// The name counts as it is, without quotes. The definitions of all tables come along, empty.
    #[arg(long = "table", value_name = "SCHEMA.TABLE", conflicts_with_all = ["undo", "schemas"])]
    tables: Vec<String>,

    /// With `--into`: bring the rows of this schema's tables only; may be given more than once
    #[arg(long = "schema", value_name = "NAME", conflicts_with = "undo")]
    schemas: Vec<String>,

    /// With `--into`: bring all definitions and no rows
    #[arg(long, conflicts_with_all = ["undo", "tables", "schemas"])]
    schema_only: bool,
}

impl IntoArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.into.is_some()
    }

    fn part(&self) -> Part {
        let (tables, schemas) = (self.tables.clone(), self.schemas.clone());
        Part { tables, schemas, schema_only: self.schema_only }
    }

    /// A part never takes the live database's place.
    pub(super) fn check(&self) -> Result<(), CommandError> {
        if self.into.is_some() || self.part().is_everything() {
            return Ok(());
        }
        let message =
            "`--table`, `--schema` and `--schema-only` restore a part, which cannot replace the live database";
        Err(CommandError::new(ExitCode::Usage, message).hint("Restore it beside the live one: add `--into NEWNAME`."))
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
        let [component] = manifest.databases.as_slice() else {
            let names: Vec<&str> = manifest.databases.iter().map(|database| database.name.as_str()).collect();
            let message = format!("`--into` takes one database, and the backup holds {}", names.join(", "));
            return Err(CommandError::new(ExitCode::Usage, message).hint("Choose one with `--only NAME`."));
        };
        let live = places.database(&component.name, session.settings()?)?;
        places.databases.insert(component.name.clone(), live.with_database(into)?);
        choices.must_be_new = true;
        choices.extent = self.part().find(&component.fingerprint)?;
        Ok(())
    }
}
