//! Where secrets come from: files, commands, systemd's credentials, the environment, `~/.pgpass`. Never the command line.

use std::path::Path;
use std::process::Command;

use super::{Environment, SettingsError};
use crate::model::Secret;

/// Reads a secret from the first of: a file, a command's output, `CREDENTIALS_DIRECTORY/NAME`. `None` where none is set.
pub(super) fn read(
    subject: &str,
    file: Option<&Path>,
    command: Option<&str>,
    credential: &str,
    environment: &Environment,
) -> Result<Option<Secret>, SettingsError> {
    if let Some(path) = file {
        return from_file(subject, path).map(Some);
    }
    if let Some(command) = command {
        return from_command(subject, command).map(Some);
    }
    match environment.get("CREDENTIALS_DIRECTORY").map(|folder| Path::new(folder).join(credential)) {
        Some(path) if path.exists() => from_file(subject, &path).map(Some),
        _ => Ok(None),
    }
}

fn from_file(subject: &str, path: &Path) -> Result<Secret, SettingsError> {
    let failed = |reason: String| SettingsError::Secret { subject: subject.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("{}: {error}", path.display())))?;
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.is_empty() {
        return Err(failed(format!("{} is empty", path.display())));
    }
    Ok(Secret::new(line))
}

fn from_command(subject: &str, command: &str) -> Result<Secret, SettingsError> {
    let failed = |reason: String| SettingsError::Secret { subject: subject.to_owned(), reason };
    let output = Command::new("sh").args(["-c", command]).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("its command ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next().map(str::trim_end).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Secret::new(line)),
        None => Err(failed("its command printed nothing".to_owned())),
    }
}

/// What `~/.pgpass` (or `PGPASSFILE`) must match: host, port, database, user.
pub(super) struct PgpassQuery<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// Looks a password up in the password file, whose format is libpq's: `host:port:database:user:password`, `*` for any.
pub(super) fn pgpass(query: &PgpassQuery<'_>, environment: &Environment) -> Option<Secret> {
    let path = match environment.get("PGPASSFILE") {
        Some(path) => path.into(),
        None => environment.home()?.join(".pgpass"),
    };
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = split_pgpass(line);
        let [host, port, database, user, password] = fields.as_slice() else { return None };
        let matches = |field: &str, value: &str| field == "*" || field == value;
        let all = matches(host, query.host)
            && matches(port, &query.port.to_string())
            && matches(database, query.database)
            && matches(user, query.user);
        all.then(|| Secret::new(password.clone()))
    })
}

/// Fields are parted by `:`; `\` takes the next character as it is.
fn split_pgpass(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().expect("never empty").extend(characters.next()),
            other => fields.last_mut().expect("never empty").push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_line_matches_by_field_with_escapes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "# comment\nother:*:*:*:no\n*:5432:my\\:db:dcs:p:w\\\\d\n").unwrap();
        let environment = Environment::from_pairs([("PGPASSFILE", path.to_str().unwrap())]);
        let query = PgpassQuery { host: "127.0.0.1", port: 5432, database: "my:db", user: "dcs" };
        assert_eq!(pgpass(&query, &environment).unwrap().expose(), "p:w\\d");
    }

    #[test]
    fn a_failing_command_is_named_by_its_subject_and_shows_no_output() {
        let error = from_command("store \"live\"", "echo hunter2; exit 3").unwrap_err().to_string();
        assert!(error.contains("store \"live\"") && !error.contains("hunter2"), "{error}");
    }
}
