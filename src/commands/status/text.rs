//! One screen of 80 columns that a tired person can act on.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{BackupKind, format};
use crate::steps::status::{Judged, Standing, Status, Usage};
use crate::ui::{Table, plain};

const WIDTH: usize = 80;

/// `no` where anything has no good backup, `unproven` where anything was never shown to restore, else `yes`.
pub(super) fn survives(status: &Status) -> &'static str {
    let is_part = |standing: &&Standing| standing.component.kind != BackupKind::Complete;
    if status.components.is_empty() || status.components.iter().any(|standing| standing.good.is_none()) {
        "no"
    } else if status.components.iter().filter(is_part).any(|standing| standing.proven.is_none()) {
        "unproven"
    } else {
        "yes"
    }
}

fn verdict(status: &Status) -> String {
    let mut text = match survives(status) {
        "yes" => "YES: all has a good backup, and was proven to restore".to_owned(),
        "unproven" => "PERHAPS: all has a good backup, but not all was proven to restore".to_owned(),
        _ if status.components.is_empty() => "NO: there are no backups".to_owned(),
        _ => "NO: not all has a good backup".to_owned(),
    };
    match status.missed().count() {
        0 => {}
        1 => text.push_str("; 1 objective is missed"),
        count => text.push_str(&format!("; {count} objectives are missed")),
    }
    text
}

/// Everything.
pub(super) fn screen(status: &Status, usage: Option<&[Usage]>, is_configured: bool) -> String {
    let mut text = String::new();
    paragraph(&mut text, "would all survive?  ", &verdict(status));
    text.push_str(&format!("{}, {:.0}\n\n", status.repository, status.at));
    text.push_str(&backups(status));
    if !status.objectives.is_empty() {
        text.push_str(&format!("\nobjectives\n{}", objectives(status)));
    }
    text.push('\n');
    text.push_str(&around(status));
    if let Some(usage) = usage {
        text.push_str(&format!("\n{}", buckets(usage)));
    }
    let todo = todo(status);
    if !todo.is_empty() {
        text.push_str(&format!("\nto do\n{todo}"));
    }
    if !is_configured {
        let unknown = "Without a configuration, objectives, the trash and what nobody backs up are not known here.";
        text.push('\n');
        paragraph(&mut text, "", unknown);
    }
    text
}

fn backups(status: &Status) -> String {
    if status.components.is_empty() {
        return "there are no backups\n".to_owned();
    }
    let mut table = Table::new(["what", "newest good backup", "age", "proven", "failed"]);
    for standing in &status.components {
        let good = standing.good.as_ref();
        let id = good.map_or_else(|| "NONE".to_owned(), |good| good.id.to_string());
        let old = good.map_or_else(|| "-".to_owned(), |good| age(good.age_seconds));
        let proven = standing.proven.as_ref().map_or_else(|| "never".to_owned(), |proven| age(proven.age_seconds));
        let failed = standing.failures.count.to_string();
        table.row([standing.component.to_string(), id, old, proven, failed]);
    }
    table.to_string()
}

fn age(seconds: u64) -> String {
    format::age(Duration::from_secs(seconds))
}

/// A line an objective; the missed ones first.
pub(super) fn objectives(status: &Status) -> String {
    let mut text = String::new();
    let (met, missed): (Vec<&Judged>, Vec<&Judged>) = status.objectives.iter().partition(|judged| judged.met);
    for judged in missed.into_iter().chain(met) {
        let Judged { objective, subject, wanted, found, .. } = judged;
        let state = if judged.met { "  ok      " } else { "  MISSED  " };
        paragraph(&mut text, state, &format!("{objective}, {subject}: {found}, wanted {wanted}"));
        if let Some(next) = &judged.next {
            text.push_str(&format!("          run: {next}\n"));
        }
    }
    text
}

fn around(status: &Status) -> String {
    let mut text = String::new();
    if let Some(space) = &status.space {
        let (all, objects) = (format::bytes(space.bytes), format::count(space.objects, "object"));
        let (day, week) = (format::bytes(space.day_bytes), format::bytes(space.week_bytes));
        paragraph(&mut text, "room      ", &format!("{all} in {objects}; {day} came in a day, {week} in seven"));
    }
    if let Some(trash) = &status.trash {
        let mut line = format!("{}, {}", format::count(trash.entries, "entry"), format::bytes(trash.bytes));
        if let Some(oldest) = trash.oldest {
            line.push_str(&format!(", the oldest {} old", ago(oldest, status.at)));
        }
        paragraph(&mut text, "trash     ", &line);
    }
    if status.running.is_empty() {
        paragraph(&mut text, "running   ", "nothing");
    }
    for held in &status.running {
        paragraph(&mut text, "running   ", &plain(&held.to_string()));
    }
    text
}

fn ago(then: Timestamp, now: Timestamp) -> String {
    age(Duration::try_from(now.duration_since(then)).unwrap_or_default().as_secs())
}

fn buckets(usage: &[Usage]) -> String {
    let mut table = Table::new(["bucket", "objects", "size", "largest object"]);
    for bucket in usage {
        let largest = bucket.largest.as_ref();
        let largest = largest.map(|largest| format!("{} {}", format::bytes(largest.bytes), plain(&largest.key)));
        let (objects, bytes) = (bucket.objects.to_string(), format::bytes(bucket.bytes));
        table.row([bucket.bucket.clone(), objects, bytes, largest.unwrap_or_else(|| "-".to_owned())]);
    }
    table.to_string()
}

/// What is not as it should be, and what mends it.
fn todo(status: &Status) -> String {
    let mut text = String::new();
    for (subjects, what, next) in grouped(&status.components) {
        item(&mut text, &format!("{}: {what}", subjects.join(", ")), &format!("run: {next}"));
    }
    if let Some(trash) = &status.trash {
        if let (Some(keep), 1..) = (&trash.keep, trash.expired) {
            let expired = format::count(trash.expired, "entry");
            let next = format!("run: dcs trash purge --older-than {keep}");
            item(&mut text, &format!("{expired} of the trash older than {keep}"), &next);
        }
        if trash.broken > 0 {
            let broken = format::count(trash.broken, "entry");
            item(&mut text, &format!("{broken} of the trash cannot be read"), "run: dcs trash list");
        }
        if trash.foreign > 0 {
            let what = format!("{} in the trash that dcs did not put there", format::count(trash.foreign, "folder"));
            item(&mut text, &what, "see: dcs trash list");
        }
    }
    for interrupted in &status.interrupted {
        let what = format!("{}: {}", interrupted.subject, interrupted.state);
        item(&mut text, &what, &format!("run: {}", interrupted.next));
    }
    for name in &status.unprotected {
        let section = if name.starts_with("bucket ") { "files" } else { "databases" };
        item(&mut text, &format!("{} is in no backup", plain(name)), &format!("add it to `{section}` of [backup]"));
    }
    for problem in &status.problems {
        let what = format!("could not look at {}: {}", problem.subject, problem.reason);
        item(&mut text, &plain(&what), "run: dcs config check");
    }
    text
}

type Group = (Vec<String>, String, String);

/// What is wrong with backups, each once with all that it is about.
fn grouped(standings: &[Standing]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut add = |standing: &Standing, what: String, next: String| {
        let subject = standing.component.to_string();
        match groups.iter_mut().find(|group| group.1 == what && group.2 == next) {
            Some(group) => group.0.push(subject),
            None => groups.push((vec![subject], what, next)),
        }
    };
    for standing in standings {
        if let Some(flaw) = &standing.passed_over {
            add(standing, format!("{} is not good: {}", flaw.id, plain(&flaw.reason)), flaw.next.clone());
        }
        let failures = &standing.failures;
        if let (1.., Some(at), Some(code)) = (failures.count, failures.last_at, failures.last_code) {
            let runs = format::count(failures.count, "run");
            let what = format!("{runs} failed since the newest good backup, the last at {at:.0} with exit code {code}");
            add(standing, what, standing.component.backup_command());
        }
        match (&standing.good, &standing.proven) {
            (None, _) => add(standing, "no good backup".to_owned(), standing.component.backup_command()),
            (Some(good), None) if standing.component.kind != BackupKind::Complete => {
                let next = format!("dcs verify {} --level restore", good.id);
                add(standing, "never proven to restore".to_owned(), next);
            }
            _ => {}
        }
    }
    groups
}

fn item(text: &mut String, what: &str, next: &str) {
    paragraph(text, "  - ", what);
    // Writing to a string does not fail.
    writeln!(text, "    {next}").ok();
}

/// Adds words after `begin`, broken where the screen ends, under each other.
fn paragraph(text: &mut String, begin: &str, words: &str) {
    let mut line = begin.to_owned();
    let mut length = begin.chars().count();
    let indent = length;
    for word in words.split(' ') {
        let word_length = word.chars().count();
        if length > indent && length + 1 + word_length > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(indent);
            length = indent;
        }
        if length > indent {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word_length;
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_under_its_beginning_and_a_long_word_is_not() {
        let mut text = String::new();
        let long = "x".repeat(90);
        paragraph(&mut text, "  - ", &format!("{} {long} end", "word ".repeat(20).trim_end()));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("  - word") && lines[0].len() <= WIDTH, "{text}");
        assert!(lines[1].starts_with("    word"), "{text}");
        assert_eq!(lines[2], format!("    {long}"));
        assert_eq!(lines[3], "    end");
    }
}
