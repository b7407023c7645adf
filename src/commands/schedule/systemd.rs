//! The schedule as services and timers of systemd.

use std::path::Path;

use super::{Common, Job, Planned};

pub(super) fn files(jobs: &[Job], common: &Common) -> Vec<Planned> {
    jobs.iter().flat_map(|job| [service(job, common), timer(job, common)]).collect()
}

/// A run that fails is a failed unit: `systemctl --failed` lists it, its log is in the journal.
fn service(job: &Job, common: &Common) -> Planned {
    let config = common.config.as_ref().map_or_else(String::new, |path| format!(" --config {}", word(path)));
    let user = if common.user == "root" { String::new() } else { format!("User={}\n", common.user) };
    let (program, wait, arguments) = (word(&common.program), job.wait, &job.arguments);
    let (what, made_from) = (job.what, common.made_from.display());
    let text = format!(
        "\
# Made by `dcs schedule print --format systemd` from {made_from}.

[Unit]
Description=dcs {arguments}: {what}
Documentation=man:dcs(1) man:dcs-recovery(7)
Wants=network-online.target
After=network-online.target
# Who is told of a failure: a unit of your own.
#OnFailure=tell-me@%n.service

[Service]
Type=oneshot
{user}LogsDirectory=dcs
LogsDirectoryMode=0750
ExecStart={program}{config} --quiet --log-file /var/log/dcs/dcs.log --lock-wait {wait} {arguments}
Nice=10
IOSchedulingPriority=7
"
    );
    Planned { name: format!("dcs-{}.service", job.name), text }
}

fn timer(job: &Job, common: &Common) -> Planned {
    let (name, when, calendar) = (job.name, job.when, job.when.calendar());
    let next = common.next_runs(job);
    let text = format!(
        "\
# To switch it on: systemctl daemon-reload && systemctl enable --now dcs-{name}.timer
{next}
[Unit]
Description=dcs {arguments}, {when}

[Timer]
OnCalendar={calendar}
# Many machines do not ask one store in the same moment; what was missed while this one was off is made up for.
RandomizedDelaySec=10min
Persistent=true

[Install]
WantedBy=timers.target
",
        arguments = job.arguments
    );
    Planned { name: format!("dcs-{name}.timer"), text }
}

/// A path as one word of `ExecStart`.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'\'' | b'"' | b';');
    if text.bytes().all(is_plain) { text } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_to_systemd() {
        for (path, wanted) in [
            ("/etc/dcs/dcs.toml", "/etc/dcs/dcs.toml"),
            ("/srv/my system/5%/$x", "\"/srv/my system/5%%/$$x\""),
            ("/srv/a\"b\\c", "\"/srv/a\\\"b\\\\c\""),
        ] {
            assert_eq!(word(Path::new(path)), wanted);
        }
    }
}
