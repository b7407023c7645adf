//! As whom a private server runs: PostgreSQL refuses to run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use tokio::process::Command;

use crate::database::{DatabaseError, ErrorKind, Result};

/// Who stands in where there is no user `postgres`.
const NOBODY: (u32, u32) = (65534, 65534);
const PASSWD: &str = "/etc/passwd";

/// Ourselves, unless we are root.
#[derive(Debug, Clone)]
pub(in crate::database) struct ServerUser {
    ids: Option<(u32, u32)>,
}

impl ServerUser {
    pub(in crate::database) fn choose() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self { ids: None };
        }
        let users = fs::read_to_string(PASSWD).unwrap_or_default();
        Self { ids: Some(find(&users, "postgres").or_else(|| find(&users, "nobody")).unwrap_or(NOBODY)) }
    }

    pub(in crate::database) fn own(&self, path: &Path) -> io::Result<()> {
        self.ids.map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
    }

    pub(in crate::database) fn apply_to(&self, command: &mut Command) {
        if let Some((user, group)) = self.ids {
            command.uid(user).gid(group);
        }
    }

    /// Fails where the user may not pass through what lies above `folder`.
    pub(in crate::database) fn check_way_to(&self, folder: &Path) -> Result<()> {
        let Some((user, group)) = self.ids else { return Ok(()) };
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let is_closed = |above: &&Path| {
            fs::metadata(above).is_ok_and(|metadata| {
                let bit = match (metadata.uid() == user, metadata.gid() == group) {
                    (true, _) => 0o100,
                    (false, true) => 0o010,
                    (false, false) => 0o001,
                };
                metadata.mode() & bit == 0
            })
        };
        let Some(closed) = folder.ancestors().find(is_closed) else { return Ok(()) };
        let detail =
            format!("a private server does not run as root, and user {user} may not pass through {}", closed.display());
        Err(DatabaseError::new(ErrorKind::Denied, "start a private server in", folder.display().to_string())
            .with_detail(detail)
            .with_hint(format!(
                "Let it pass (`chmod o+x {}`), or name a server with `server` in [verify].",
                closed.display()
            )))
    }
}

/// The numbers of a user and its group, out of `/etc/passwd`.
fn find(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [found, _, user, group, ..] = fields[..] else { return None };
        (found == name).then_some(())?;
        Some((user.parse().ok()?, group.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgres2:x:1:1::/:/x\npostgres:x:101:104:,,,:/var/lib:/bin/bash\n";
        assert_eq!(find(users, "postgres"), Some((101, 104)));
        assert_eq!(find(users, "nobody"), None);
    }
}
