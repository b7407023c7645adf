//! `README.txt` and `RECOVERY.txt`: how to restore with standard tools alone.
//!
//! Every command is indented by four spaces and nothing else is, so that a person, or a test, can take the commands out
//! and run them as they stand, from the root of a fetched repository. Each block begins with the variables to look at.

use std::fmt::Write as _;

use super::{Repository, layout};
use crate::archive::Format;
use crate::model::Manifest;
use crate::model::database::Engine;
use crate::model::manifest::{Artefact, DatabaseComponent};

#[cfg(test)]
mod tests;

const FILES: &str = include_str!("files.sh");
const README: &str = include_str!("README.txt");

/// The text that lies in a repository's root.
pub fn readme() -> String {
    README.to_owned()
}

/// The text that lies beside a backup's manifest.
pub fn text(repository: &Repository, manifest: &Manifest) -> String {
    let mut sections = vec![fetching(repository, manifest), checking(manifest)];
    sections.extend(manifest.databases.iter().map(|database| match database.server.engine {
        Engine::Postgresql => postgresql(manifest, database),
        Engine::Sqlite => sqlite(database),
    }));
    sections.extend(manifest.files.as_ref().map(|files| objects(manifest, files.objects)));
    sections.extend(manifest.config.as_ref().map(|config| configuration(&config.archive, &config.paths)));
    let mut text = heading(manifest);
    for (index, (title, body)) in sections.iter().enumerate() {
        let _ = write!(text, "\n\n{}. {title}\n\n{}\n", index + 1, body.trim_end());
    }
    text
}

type Section = (String, String);

fn heading(manifest: &Manifest) -> String {
    let id = &manifest.id;
    let mut text = format!(
        "How to restore backup {id} without dcs\n\n\
         Begun {:.0}, ended {:.0}, on {}.\n",
        manifest.started_at,
        manifest.finished_at,
        plain(&manifest.host)
    );
    if let Some(note) = &manifest.note {
        let _ = writeln!(text, "Note: {}", plain(note));
    }
    if manifest.incomplete {
        text.push_str(
            "INCOMPLETE: a part of what should be in this backup is missing. See manifest.json, \"report\".\n",
        );
    }
    if manifest.report.problem_count > 0 {
        let _ = writeln!(text, "PROBLEMS: {}, listed in manifest.json, \"report\".", manifest.report.problem_count);
    }
    let _ = write!(
        text,
        "\nNeeded: sh, awk, sed, tail, head, tar, gzip and sha256sum, in any common make; zstd for files whose names end in \
         .zst;\nthe database's own tools for a database.\n\nThe commands are the lines indented by four spaces. Change the variables where a block begins, then \
         copy the block into\na shell; or let sed take the commands of one section, here the second, out of this file:\n\n  \
         sed -n '/^2\\. /,/^3\\. /s/^    //p' backups/{id}/RECOVERY.txt > step2.sh    (look at it)\n  sh step2.sh\n"
    );
    text
}

fn fetching(repository: &Repository, manifest: &Manifest) -> Section {
    let (id, bucket) = (&manifest.id, &repository.bucket);
    let store = repository.store.describe();
    let prefix = plain(repository.prefix.as_str());
    let body = format!(
        "Where it was when it was written: store {store}, bucket {bucket}{}.\n\
         Copy the whole of it into a folder, with any S3 client, and go there. One of:\n\n  \
         aws s3 sync --endpoint-url URL s3://{bucket}/{prefix} repository\n  \
         rclone copy REMOTE:{bucket}/{prefix} repository\n  \
         s5cmd --endpoint-url URL cp 's3://{bucket}/{prefix}*' repository/\n\n\
         Where it lies in a directory, nothing needs to be fetched: go to the folder {bucket}/{prefix} in it.\n\
         To save room, fetch only what this backup needs: the folder backups/{id}/, what its SHA256SUMS names, and what its\n\
         PACKS.SHA256SUMS names; where one of those packs is damaged, damaged/ and packs/ too. Everything below is run from the folder that holds backups/.",
        if prefix.is_empty() { String::new() } else { format!(", below {prefix}") }
    );
    ("Fetch the repository".to_owned(), body)
}

fn checking(manifest: &Manifest) -> Section {
    let id = &manifest.id;
    let packs = if manifest.files.is_some() { layout::pack_sums(id).to_string() } else { String::new() };
    let list = layout::sums(id);
    let lists = format!("{list} {packs}");
    let body = format!(
        "Every line must end in \"OK\".\n\n{}\n\n\
         What is damaged or missing here costs what it holds, and no more: go on, and see which blocks complain. What a\n\
         later backup stored again in place of a damaged pack is found through the folder damaged/, and used.",
        block(&format!("REPO=.\n(cd \"$REPO\" && cat {} | sha256sum -c -)", lists.trim_end()))
    );
    ("Check it".to_owned(), body)
}

fn postgresql(manifest: &Manifest, database: &DatabaseComponent) -> Section {
    let mut commands = format!(
        "REPO=.\nDB={}    # the database to make; it must not exist yet\n(\nset -eu\ncd \"$REPO\"\n",
        quoted(&database_name(database))
    );
    if let Some(globals) = &database.globals {
        commands += "# Roles. Those that exist already are reported, and set to what they were: leave this out to keep yours.\n";
        let _ = writeln!(commands, "{} | psql -X -q -d postgres", unpack(globals));
    }
    match &database.properties {
        Some(properties) => {
            commands += "# Makes the database with its encoding, owner, settings and rights.\n";
            let _ = writeln!(
                commands,
                "{} | psql -X -q -v ON_ERROR_STOP=1 -v dbname=\"$DB\" -d postgres -f -",
                unpack(properties)
            );
        }
        None => commands += "createdb -T template0 \"$DB\"\n",
    }
    let _ = write!(
        commands,
        "{} |\nPGOPTIONS='-c default_transaction_read_only=off' pg_restore --exit-on-error -d \"$DB\"\n\
         psql -X -q -d \"$DB\" -c ANALYZE\n)",
        unpack(&database.dump)
    );
    let fingerprint = &database.fingerprint;
    let counts = format!(
        "It had {} rows in {} tables; manifest.json, \"fingerprint\", has the count of each table.",
        fingerprint.rows(),
        fingerprint.tables.len()
    );
    let (server, name) = (&database.server, plain(&database.name));
    let extensions = if server.extensions.is_empty() {
        String::new()
    } else {
        format!("The server needs these extensions: {}.\n", plain(&server.extensions.join(", ")))
    };
    let passwords = match (&database.globals, database.globals_hold_passwords) {
        (None, _) => "The backup holds no roles: those that own things must exist.\n",
        (Some(_), false) => "The roles come without passwords, which dcs was not allowed to read: set them again.\n",
        (Some(_), true) => "",
    };
    let body = format!(
        "It was the database {} on PostgreSQL {}. Needed: a server, psql and pg_restore, none older than {}, and a\n\
         superuser to restore as (set PGHOST, PGUSER, PGPASSWORD). {}\n{extensions}{passwords}\n{}\n\n{counts}",
        plain(&database.database),
        plain(&server.version),
        server.major,
        whole(&database.dump),
        block(&commands)
    );
    (format!("Restore database {name}, backup {}", manifest.id), body)
}

fn sqlite(database: &DatabaseComponent) -> Section {
    let file = file_name(&database_name(database));
    let commands = format!(
        "REPO=.\nOUT=./restored    # the file is made below this folder\n(\nset -eu\nmkdir -p \"$OUT/db\"\n\
         (cd \"$REPO\" && {}) > \"$OUT/db/{file}\"\n\
         echo '{}  '\"$OUT/db/{file}\" | sha256sum -c -\n)",
        unpack(&database.dump),
        database.dump.raw_sha256
    );
    let body = format!(
        "It was the file {}, SQLite {}. {}\n\n{}\n\n\
         Stop what uses the live file before putting this one in its place, and remove its -wal and -shm files with it.\n\
         It had {} rows in {} tables. To ask it whether it is sound: sqlite3 FILE 'PRAGMA integrity_check'",
        plain(&database.database),
        plain(&database.server.version),
        whole(&database.dump),
        block(&commands),
        database.fingerprint.rows(),
        database.fingerprint.tables.len()
    );
    (format!("Restore database {}", plain(&database.name)), body)
}

fn objects(manifest: &Manifest, objects: u64) -> Section {
    let commands = FILES.replace("@ID@", manifest.id.as_str()).replace("@OBJECTS@", &objects.to_string());
    let mut sources = String::new();
    for source in manifest.files.iter().flat_map(|files| &files.sources) {
        let _ = writeln!(sources, "  {}: {} objects, {} bytes", source.source, source.objects, source.bytes);
    }
    let body = format!(
        "The sources, as STORE/BUCKET:\n\n{sources}\n\
         Each object becomes the file $OUT/files/STORE/BUCKET/KEY and is compared with its digest at once; the block ends \
         with\nthe number of objects, and an error where one is not what it was. A key that is no path (one with an empty \
         part, \".\"\nor \"..\", a too long part, or one that is both a file and a folder) becomes a file below \
         $OUT/other-keys/STORE/BUCKET/\ninstead: take the slashes and the final \"=\" out of the rest of its path, decode \
         the percent signs, and that is the key.\n\n{}\n\n\
         To bring the objects back to S3, copy $OUT/files/STORE/BUCKET/ into the bucket with any client. Content type, user\n\
         metadata and tags are in column 7 of the index, owner and time of plain files too, as percent-encoded JSON; files \
         of\na directory have their mode and links again. The bucket's own settings are in manifest.json, \"settings\".",
        block(&commands)
    );
    ("Restore files".to_owned(), body)
}

fn configuration(archive: &Artefact, paths: &[String]) -> Section {
    let commands = format!(
        "REPO=.\nOUT=./restored    # everything is written below this folder\n(\nset -eu\nmkdir -p \"$OUT/config\"\n\
         (cd \"$REPO\" && {}) | tar xf - -C \"$OUT/config\"\n)",
        unpack(archive)
    );
    let paths: Vec<String> = paths.iter().map(|path| plain(path)).collect();
    let body = format!(
        "It holds {}. Look at each file before putting it in its place.\n\n{}",
        paths.join(", "),
        block(&commands)
    );
    ("Restore configuration".to_owned(), body)
}

/// The command that writes an artefact's raw bytes to stdout.
fn unpack(artefact: &Artefact) -> String {
    let parts: Vec<&str> = artefact.parts.iter().map(|part| part.path.as_str()).collect();
    let program = super::artefact::format(artefact).map(|format| match format {
        Format::Gzip => "gzip -dc",
        Format::Zstd => "zstd -dc",
    });
    match (&parts[..], program) {
        ([one], Some(program)) => format!("{program} {one}"),
        (parts, Some(program)) => format!("cat {} |\n{program}", parts.join(" \\\n")),
        (parts, None) => format!("cat {}", parts.join(" \\\n")),
    }
}

fn whole(artefact: &Artefact) -> String {
    format!("The dump has {} bytes, {} uncompressed.", artefact.stored_size(), artefact.raw_size)
}

/// What a database is called when it is made again.
fn database_name(database: &DatabaseComponent) -> String {
    let name = database.database.rsplit('/').next().unwrap_or_default();
    // A name that could not be typed is not made again.
    if name.is_empty() || name.chars().any(char::is_control) { "restored".to_owned() } else { name.to_owned() }
}

/// A name that needs no quoting, also inside quotes.
fn file_name(name: &str) -> String {
    let keep =
        |character: char| if character.is_ascii_alphanumeric() || "-._".contains(character) { character } else { '_' };
    let kept: String = name.chars().map(keep).collect();
    let kept = kept.trim_start_matches(['.', '-']);
    if kept.is_empty() { "restored.db".to_owned() } else { kept.to_owned() }
}

fn block(commands: &str) -> String {
    commands.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Text as one line that moves no cursor.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// One word of a shell's command line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
