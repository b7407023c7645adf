//! The schedule as a crontab of the system.

use std::fmt::Write;
use std::path::Path;

use super::{Common, Job, Planned};

/// Where cron looks for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn file(jobs: &[Job], common: &Common) -> Planned {
    let mut text = header(common);
    for job in jobs {
        let (when, user, what) = (job.when.cron(), &common.user, job.what);
        let dcs = command(job, common);
        // Writing to a string does not fail.
        write!(text, "\n# {}: {what}.\n{}", capital(&job.when.to_string()), common.next_runs(job)).ok();
        writeln!(text, "{when}  {user}  sleep $(shuf -i 0-$DELAY -n 1); {dcs}").ok();
    }
    Planned { name: "dcs".to_owned(), text }
}

fn header(common: &Common) -> String {
    let made_from = common.made_from.display();
    format!(
        "\
# dcs: backups, their proof, and what keeps them in bounds.
#
# Made by `dcs schedule print --format cron` from {made_from}. To install it, and again when the configuration changes:
#
#     install -d -m 750 /var/log/dcs
#     dcs schedule print --format cron --to /etc/cron.d
#
# A run that goes well prints nothing, so cron has nothing to mail; one that does not says what went wrong and what to do,
# and that is the mail. Every run, good or bad, leaves its lines in the log file. A run that finds another one at work
# waits for it, and ends with code 11 when it waited in vain: nothing is lost, the next one does the job.
#
# Cron gives commands a bare environment: what dcs needs (keys, passwords) belongs into its configuration or the files that
# it names. In a command line cron reads a percent sign as the end of the line; write \\%.

SHELL=/bin/sh
PATH={PATH}
# Who gets the mail. It needs a working mail command on this machine: make one line fail on purpose to see it arrive.
MAILTO=root
# Each job first waits for up to so many seconds, so that many machines do not ask one store in the same moment.
DELAY=600

# minute hour day-of-month month day-of-week user command
"
    )
}

fn command(job: &Job, common: &Common) -> String {
    let program = &common.program;
    let is_found = program.parent().is_some_and(|folder| PATH.split(':').any(|path| folder == Path::new(path)));
    let program = if is_found { "dcs".to_owned() } else { word(program) };
    let config = common.config.as_ref().map_or_else(String::new, |path| format!(" --config {}", word(path)));
    let (wait, arguments) = (job.wait, &job.arguments);
    format!("{program}{config} --quiet --log-file /var/log/dcs/dcs.log --lock-wait {wait} {arguments}")
}

/// A path as one word for the shell behind cron.
fn word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:,@".contains(&byte);
    let text =
        if text.bytes().all(is_plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) };
    text.replace('%', "\\%")
}

fn capital(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("{}{rest}", first.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_to_cron_and_to_the_shell() {
        for (path, wanted) in [
            ("/etc/dcs/dcs.toml", "/etc/dcs/dcs.toml"),
            ("/srv/my system/dcs.toml", "'/srv/my system/dcs.toml'"),
            ("/srv/it's 5%/dcs.toml", "'/srv/it'\\''s 5\\%/dcs.toml'"),
        ] {
            assert_eq!(word(Path::new(path)), wanted);
        }
    }
}
