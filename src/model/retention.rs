//! Which backups may go: rules that each keep some, and what no rule keeps.
//!
//! Rules count periods that have a backup, newest first, as the field's other tools do: with `daily = 30` the newest backup
//! of each of the last 30 days that have one stays, however long ago the last of them is. Where nothing is backed up any
//! more, nothing goes. Periods are of UTC.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::{BackupId, BackupKind};

/// Kept of a day unless `daily` says otherwise.
const DAYS: u32 = 30;
/// How long a backup that is not good is kept for a look at it.
const LOOK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What to keep of the backups of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    pub last: u32,
    pub hourly: u32,
    /// 30 where it is not said.
    pub daily: Option<u32>,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    /// All that began so long ago or later.
    pub within: Option<Duration>,
    /// All that carry one of these.
    pub tags: Vec<String>,
}

/// The rules of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    pub all: Rules,
    /// Instead of those for all.
    pub by_kind: BTreeMap<&'static str, Rules>,
}

impl Retention {
    pub fn of(&self, kind: BackupKind) -> &Rules {
        self.by_kind.get(kind.as_str()).unwrap_or(&self.all)
    }
}

impl Rules {
    /// Whether some backup is kept by its age. Tags alone keep none of tomorrow.
    pub fn keeps_anything(&self) -> bool {
        self.periods().iter().any(|(_, count)| *count > 0) || self.within.is_some_and(|within| !within.is_zero())
    }

    fn periods(&self) -> [(Period, u32); 6] {
        [
            (Period::Each, self.last),
            (Period::Hour, self.hourly),
            (Period::Day, self.daily.unwrap_or(DAYS)),
            (Period::Week, self.weekly),
            (Period::Month, self.monthly),
            (Period::Year, self.yearly),
        ]
    }
}

/// A period's year, and its number in it.
type Moment = (i16, i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Period {
    Each,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    fn rule(self) -> &'static str {
        match self {
            Self::Each => "last",
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }

    /// The one that a moment lies in. Two moments are of one period where these are the same.
    fn of(self, at: &Zoned, number: usize) -> Moment {
        let day = i64::from(at.day_of_year());
        let week = at.date().iso_week_date();
        match self {
            Self::Each => (0, i64::try_from(number).unwrap_or(i64::MAX)),
            Self::Hour => (at.year(), day * 24 + i64::from(at.hour())),
            Self::Day => (at.year(), day),
            Self::Week => (week.year(), i64::from(week.week())),
            Self::Month => (at.year(), i64::from(at.month())),
            Self::Year => (at.year(), 0),
        }
    }
}

/// How far a backup can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Good,
    /// It has problems that nobody accepted, or lacks a part.
    NotGood,
    /// What it holds is not known.
    Unreadable,
}

/// A backup, as far as rules look at it.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub id: BackupId,
    /// When it began.
    pub at: Timestamp,
    pub standing: Standing,
    pub is_protected: bool,
    /// Whether it was shown to restore.
    pub is_proven: bool,
    pub tags: BTreeSet<String>,
    /// What it holds, by the words of a message: `the database dream`.
    pub holds: BTreeSet<String>,
}

/// For each candidate, in the order given, the rules that keep it; none where it may go. Rules go by what backups hold: the
/// last of one database does not stand for another.
pub fn decide(candidates: &[Candidate], retention: &Retention, now: Timestamp) -> Vec<Vec<String>> {
    let mut newest_first: Vec<usize> = (0..candidates.len()).collect();
    newest_first.sort_by(|one, other| {
        let key = |index: &usize| (candidates[*index].at, &candidates[*index].id);
        key(other).cmp(&key(one))
    });
    let mut decision = Decision { candidates, kept: vec![Vec::new(); candidates.len()] };
    for index in &newest_first {
        decision.by_itself(*index, retention, now);
    }
    decision.by_periods(&newest_first, retention);
    decision.last_of_each(&newest_first);
    decision.what_is_newer_than_the_last_good(&newest_first);
    decision.kept
}

struct Decision<'a> {
    candidates: &'a [Candidate],
    kept: Vec<Vec<String>>,
}

impl Decision<'_> {
    fn keep(&mut self, index: usize, rule: impl Into<String>) {
        let rule = rule.into();
        if !self.kept[index].contains(&rule) {
            self.kept[index].push(rule);
        }
    }

    fn is_good(&self, index: usize) -> bool {
        self.candidates[index].standing == Standing::Good
    }

    fn by_itself(&mut self, index: usize, retention: &Retention, now: Timestamp) {
        let candidate = &self.candidates[index];
        let rules = retention.of(candidate.id.kind());
        let age = now.duration_since(candidate.at);
        if candidate.is_protected {
            self.keep(index, "protected");
        }
        if candidate.standing == Standing::Unreadable {
            self.keep(index, "cannot be read");
        }
        for tag in rules.tags.iter().filter(|tag| candidate.tags.contains(*tag)) {
            self.keep(index, format!("tag {tag}"));
        }
        if age.is_negative() {
            self.keep(index, "later than now");
        }
        if rules.within.is_some_and(|within| SignedDuration::try_from(within).is_ok_and(|within| age <= within)) {
            self.keep(index, "within");
        }
        if candidate.standing == Standing::NotGood && age <= LOOK {
            self.keep(index, "not good, for 30 days");
        }
    }

    fn by_periods(&mut self, newest_first: &[usize], retention: &Retention) {
        let candidates = self.candidates;
        // Of each kind, each thing that is held, and each rule: how many periods it kept one of, and the last of these.
        let mut series: HashMap<(BackupKind, &str, Period), (u32, Option<Moment>)> = HashMap::new();
        for (number, index) in newest_first.iter().enumerate() {
            let candidate = &candidates[*index];
            if candidate.standing != Standing::Good {
                continue;
            }
            let (kind, at) = (candidate.id.kind(), candidate.at.to_zoned(TimeZone::UTC));
            let mut rules = Vec::new();
            for held in &candidate.holds {
                for (period, count) in retention.of(kind).periods() {
                    let (kept, last) = series.entry((kind, held, period)).or_default();
                    let this = period.of(&at, number);
                    if *kept < count && *last != Some(this) {
                        (*kept, *last) = (*kept + 1, Some(this));
                        rules.push(period.rule());
                    }
                }
            }
            for rule in rules {
                self.keep(*index, rule);
            }
        }
    }

    /// The last good, and the last proven, of everything that any backup holds: these no rule lets go.
    fn last_of_each(&mut self, newest_first: &[usize]) {
        let candidates = self.candidates;
        for (word, only_proven) in [("good", false), ("proven", true)] {
            let mut seen: BTreeSet<&str> = BTreeSet::new();
            for index in newest_first.iter().filter(|index| candidates[**index].standing == Standing::Good) {
                let candidate = &candidates[*index];
                if only_proven && !candidate.is_proven {
                    continue;
                }
                let first: Vec<&str> =
                    candidate.holds.iter().map(String::as_str).filter(|held| seen.insert(held)).collect();
                if let Some(held) = first.first() {
                    let others = if first.len() > 1 { " and more" } else { "" };
                    self.keep(*index, format!("last {word} of {held}{others}"));
                }
            }
        }
    }

    fn what_is_newer_than_the_last_good(&mut self, newest_first: &[usize]) {
        for kind in BackupKind::ALL {
            let of_kind = newest_first.iter().filter(|index| self.candidates[**index].id.kind() == kind);
            let newer: Vec<usize> = of_kind.copied().take_while(|index| !self.is_good(*index)).collect();
            for index in newer {
                self.keep(index, "newer than the last good one");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn candidate(time: &str, kind: BackupKind) -> Candidate {
        let at = at(time);
        Candidate {
            id: BackupId::create(at, kind),
            at,
            standing: Standing::Good,
            is_protected: false,
            is_proven: false,
            tags: BTreeSet::new(),
            holds: [format!("the {kind} of dream")].into(),
        }
    }

    /// One each hour, the newest first, of so many hours before the end of 20 November.
    fn hourly(hours: i64) -> Vec<Candidate> {
        let end = at("2026-11-20T23:30:00Z");
        let times = (0..hours).map(|hour| end - SignedDuration::from_hours(hour));
        times.map(|time| candidate(&time.to_string(), BackupKind::Db)).collect()
    }

    fn kept(candidates: &[Candidate], rules: Rules) -> Vec<(String, String)> {
        let retention = Retention { all: rules, ..Retention::default() };
        let decided = decide(candidates, &retention, at("2026-11-20T23:45:00Z"));
        let told = candidates.iter().zip(decided).filter(|(_, rules)| !rules.is_empty());
        told.map(|(candidate, rules)| (candidate.at.to_string(), rules.join(", "))).collect()
    }

    fn none() -> Rules {
        Rules { daily: Some(0), ..Rules::default() }
    }

    #[test]
    fn each_rule_keeps_the_newest_of_as_many_periods_as_it_says() {
        let candidates = hourly(24 * 800);
        let count = |rules| kept(&candidates, rules).len();
        assert_eq!(count(Rules::default()), 30, "one a day for 30 days unless it is said otherwise");
        assert_eq!(count(none()), 1, "the last good one");
        assert_eq!(count(Rules { last: 7, ..none() }), 7);
        assert_eq!(count(Rules { hourly: 48, ..none() }), 48);
        assert_eq!(count(Rules { within: Some(Duration::from_secs(10 * 3600)), ..none() }), 10);
        let weeks = kept(&candidates, Rules { weekly: 3, ..none() });
        let days: Vec<&str> = weeks.iter().map(|(at, _)| &at[..10]).collect();
        assert_eq!(days, ["2026-11-20", "2026-11-15", "2026-11-08"], "weeks end on Sunday");
        let months = kept(&candidates, Rules { monthly: 2, yearly: 9, ..none() });
        let told: Vec<(&str, &str)> = months.iter().map(|(at, rules)| (&at[..10], rules.as_str())).collect();
        let newest = "monthly, yearly, last good of the db of dream";
        let expected =
            [("2026-11-20", newest), ("2026-10-31", "monthly"), ("2025-12-31", "yearly"), ("2024-12-31", "yearly")];
        assert_eq!(told, expected);
    }

    #[test]
    fn periods_without_a_backup_do_not_count() {
        let days = ["2026-11-20T01:00:00Z", "2026-09-01T01:00:00Z", "2026-09-01T00:00:00Z", "2026-02-01T01:00:00Z"];
        let candidates = days.map(|day| candidate(day, BackupKind::Db));
        let kept: Vec<String> = kept(&candidates, Rules::default()).into_iter().map(|(at, _)| at).collect();
        assert_eq!(kept, [days[0], days[1], days[3]]);
    }

    #[test]
    fn what_is_held_counts_for_itself() {
        let mut candidates = hourly(6);
        candidates[0].holds = ["the database a".to_owned()].into();
        candidates[1].holds = ["the database b".to_owned()].into();
        candidates[4].holds = ["the database a".to_owned(), "the database c".to_owned()].into();
        let told: Vec<String> =
            kept(&candidates, Rules { last: 1, ..none() }).into_iter().map(|(_, rules)| rules).collect();
        let expected = ["a", "b"].map(|name| format!("last, last good of the database {name}"));
        assert_eq!(told[..2], expected);
        assert_eq!(told[2..], ["last, last good of the db of dream", "last, last good of the database c"]);
    }

    #[test]
    fn what_is_protected_tagged_or_proven_stays_and_of_what_is_not_good_the_recent() {
        let mut candidates = hourly(24 * 60);
        let old = candidates.len() - 1;
        candidates[old].is_protected = true;
        candidates[old - 1].tags.insert("release".to_owned());
        candidates[old - 2].is_proven = true;
        candidates[old - 3].is_proven = true;
        candidates[old - 4].standing = Standing::Unreadable;
        candidates[old - 5].standing = Standing::NotGood;
        candidates[0].standing = Standing::NotGood;
        candidates[24].standing = Standing::NotGood;
        let rules = Rules { last: 1, tags: vec!["release".to_owned()], ..none() };
        let told: Vec<String> = kept(&candidates, rules).into_iter().map(|(_, rules)| rules).collect();
        let expected = [
            "not good, for 30 days, newer than the last good one",
            "last, last good of the db of dream",
            "not good, for 30 days",
            "cannot be read",
            "last proven of the db of dream",
            "tag release",
            "protected",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn each_kind_has_its_own_rules_and_a_backup_of_the_future_stays() {
        let mut candidates = hourly(5);
        candidates.extend(hourly(5).into_iter().map(|old| candidate(&old.at.to_string(), BackupKind::Files)));
        candidates.push(candidate("2027-01-01T00:00:00Z", BackupKind::Config));
        let by_kind = [("files", Rules { last: 3, ..none() })].into();
        let retention = Retention { all: Rules { last: 1, ..none() }, by_kind };
        let decided = decide(&candidates, &retention, at("2026-11-20T23:45:00Z"));
        let kept: Vec<usize> = (0..11).filter(|index| !decided[*index].is_empty()).collect();
        assert_eq!(kept, [0, 5, 6, 7, 10]);
        assert!(decided[10].contains(&"later than now".to_owned()));
    }

    #[test]
    fn rules_that_keep_nothing_are_told() {
        assert!(Rules::default().keeps_anything());
        assert!(!none().keeps_anything());
        assert!(!Rules { tags: vec!["x".to_owned()], within: Some(Duration::ZERO), ..none() }.keeps_anything());
    }
}
