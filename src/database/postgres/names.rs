//! The names that a restore makes beside a live database. PostgreSQL cuts longer ones silently, so none is longer.

use crate::model::RunId;

pub(super) const LONGEST: usize = 63;

fn beside(database: &str, mark: &str, run: &RunId) -> String {
    let suffix = format!("__{mark}_{}", run.short());
    let mut end = database.len().min(LONGEST - suffix.len());
    while !database.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &database[..end])
}

/// Where a restore is loaded to.
pub(super) fn side(database: &str, run: &RunId) -> String {
    beside(database, "new", run)
}

/// What a displaced database is called.
pub(super) fn displaced(database: &str, run: &RunId) -> String {
    beside(database, "before", run)
}

/// Where a proof is loaded to.
pub(super) fn scratch(database: &str, run: &RunId) -> String {
    beside(database, "verify", run)
}

/// Whether `name` is one that [`scratch`] made for some run.
pub(super) fn is_scratch(name: &str) -> bool {
    name.rsplit_once("__verify_").is_some_and(|(_, run)| is_short_run(run))
}

fn is_short_run(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Whether `name` is a side database that some run made for `database` and left behind.
pub(super) fn is_left_over(name: &str, database: &str) -> bool {
    parts(name, "__new_")
        .is_some_and(|(base, _)| base == database || (name.len() > LONGEST - 4 && database.starts_with(base)))
}

/// The short name of the run that displaced `database` under this name, where the name alone can say so: one that had to
/// be cut may be another's.
pub(super) fn displaced_by<'a>(name: &'a str, database: &str) -> Option<&'a str> {
    parts(name, "__before_").filter(|(base, _)| *base == database).map(|(_, run)| run)
}

/// Whether `name` is one that dcs may have made.
pub(super) fn is_made(name: &str) -> bool {
    ["__new_", "__before_", "__verify_"].into_iter().any(|mark| parts(name, mark).is_some())
}

fn parts<'a>(name: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    name.rsplit_once(mark).filter(|(_, run)| is_short_run(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_letters() {
        let run = RunId::create();
        let name = "é".repeat(31);
        assert!(side(&name, &run).len() <= LONGEST && displaced(&name, &run).len() <= LONGEST);
        assert!(is_left_over(&side(&name, &run), &name));
        assert_eq!(side("dream", &run), format!("dream__new_{}", run.short()));
        assert!(!is_left_over("dream__new_thing", "nightmare"));
        assert!(is_left_over(&side("dream", &run), "dream"));
        assert!(is_scratch(&scratch(&name, &run)) && !is_scratch("dream__verify_thing") && !is_scratch("dream"));
        assert_eq!(displaced_by(&displaced("dream", &run), "dream"), Some(run.short()));
        assert_eq!(displaced_by(&displaced(&name, &run), &name), None);
        assert_eq!(displaced_by(&displaced("dream__before_ab12", &run), "dream"), None);
    }
}
