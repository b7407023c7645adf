//! The names that a restore makes beside a live database. PostgreSQL cuts longer ones silently, so none is longer.

use crate::model::RunId;

const LONGEST: usize = 63;

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
    name.rsplit_once("__new_").is_some_and(|(base, run)| {
        is_short_run(run) && (base == database || (name.len() > LONGEST - 4 && database.starts_with(base)))
    })
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
    }
}
