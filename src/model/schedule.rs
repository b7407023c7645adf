//! When jobs run: as cron and systemd write it, in words, and the next times.

use std::fmt;

use jiff::civil::{DateTime, Weekday};
use jiff::{Span, Zoned};

/// A time that comes again, by the clock on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Hourly { minute: i8 },
    Daily { hour: i8, minute: i8 },
    Weekly { day: Weekday, hour: i8, minute: i8 },
}

impl When {
    /// The five fields of a crontab.
    pub fn cron(self) -> String {
        match self {
            Self::Hourly { minute } => format!("{minute} * * * *"),
            Self::Daily { hour, minute } => format!("{minute} {hour} * * *"),
            Self::Weekly { day, hour, minute } => format!("{minute} {hour} * * {}", day.to_sunday_zero_offset()),
        }
    }

    /// What a timer of systemd calls it.
    pub fn calendar(self) -> String {
        match self {
            Self::Hourly { minute } => format!("*-*-* *:{minute:02}:00"),
            Self::Daily { hour, minute } => format!("*-*-* {hour:02}:{minute:02}:00"),
            Self::Weekly { day, hour, minute } => format!("{} *-*-* {hour:02}:{minute:02}:00", &name(day)[..3]),
        }
    }

    /// The next times after `now`, in its time zone. A time that a change of the clock leaves out is the one after it.
    pub fn next(self, now: &Zoned, count: usize) -> Vec<Zoned> {
        let (first, step) = self.at_or_before(now.datetime());
        let times = (0..).map_while(|number| {
            let at = first.checked_add(step.checked_mul(number).ok()?).ok()?;
            at.to_zoned(now.time_zone().clone()).ok()
        });
        times.filter(|at| at > now).take(count).collect()
    }

    /// A time of this kind that is not after `now`, and how far apart they are.
    fn at_or_before(self, now: DateTime) -> (DateTime, Span) {
        let at = |hour: i8, minute: i8| now.date().at(hour, minute, 0, 0);
        match self {
            Self::Hourly { minute } => (at(0, minute).saturating_sub(Span::new().hours(1)), Span::new().hours(1)),
            Self::Daily { hour, minute } => (at(hour, minute).saturating_sub(Span::new().days(1)), Span::new().days(1)),
            Self::Weekly { day, hour, minute } => {
                let days = i64::from(now.date().weekday().since(day));
                // Today is that day, and its time may be still to come.
                let back = if days == 0 { 7 } else { days };
                (at(hour, minute).saturating_sub(Span::new().days(back)), Span::new().days(7))
            }
        }
    }
}

/// `every night at 02:15`
impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hourly { minute } => write!(formatter, "every hour, {minute} minutes past"),
            Self::Daily { hour, minute } => write!(formatter, "every day at {hour:02}:{minute:02}"),
            Self::Weekly { day, hour, minute } => write!(formatter, "every {} at {hour:02}:{minute:02}", name(*day)),
        }
    }
}

fn name(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHTLY: When = When::Daily { hour: 2, minute: 15 };
    const HOURLY: When = When::Hourly { minute: 5 };
    const SUNDAYS: When = When::Weekly { day: Weekday::Sunday, hour: 3, minute: 15 };

    #[test]
    fn cron_and_systemd_are_told_the_same() {
        let told = |when: When| (when.cron(), when.calendar(), when.to_string());
        let texts = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(told(NIGHTLY), texts("15 2 * * *", "*-*-* 02:15:00", "every day at 02:15"));
        assert_eq!(told(HOURLY), texts("5 * * * *", "*-*-* *:05:00", "every hour, 5 minutes past"));
        assert_eq!(told(SUNDAYS), texts("15 3 * * 0", "Sun *-*-* 03:15:00", "every Sunday at 03:15"));
    }

    fn next(when: When, now: &str) -> Vec<String> {
        when.next(&now.parse().unwrap(), 2).iter().map(|at| at.strftime("%a %F %H:%M %z").to_string()).collect()
    }

    #[test]
    fn the_next_times_are_after_now_and_none_is_left_out() {
        // A Saturday.
        assert_eq!(
            next(NIGHTLY, "2026-11-21T02:14:59[UTC]"),
            ["Sat 2026-11-21 02:15 +0000", "Sun 2026-11-22 02:15 +0000"]
        );
        assert_eq!(
            next(NIGHTLY, "2026-11-21T02:15:00[UTC]"),
            ["Sun 2026-11-22 02:15 +0000", "Mon 2026-11-23 02:15 +0000"]
        );
        assert_eq!(
            next(HOURLY, "2026-11-21T23:05:00[UTC]"),
            ["Sun 2026-11-22 00:05 +0000", "Sun 2026-11-22 01:05 +0000"]
        );
        assert_eq!(
            next(HOURLY, "2026-11-21T00:00:00[UTC]"),
            ["Sat 2026-11-21 00:05 +0000", "Sat 2026-11-21 01:05 +0000"]
        );
        assert_eq!(
            next(SUNDAYS, "2026-11-21T12:00:00[UTC]"),
            ["Sun 2026-11-22 03:15 +0000", "Sun 2026-11-29 03:15 +0000"]
        );
        assert_eq!(
            next(SUNDAYS, "2026-11-22T03:14:00[UTC]"),
            ["Sun 2026-11-22 03:15 +0000", "Sun 2026-11-29 03:15 +0000"]
        );
        assert_eq!(
            next(SUNDAYS, "2026-11-22T03:15:00[UTC]"),
            ["Sun 2026-11-29 03:15 +0000", "Sun 2026-12-06 03:15 +0000"]
        );
    }

    #[test]
    fn a_time_that_the_clock_skips_is_the_one_after_it() {
        // In this zone, 02:15 of that day is not on any clock.
        let zone = "EST5EDT,M3.2.0,M11.1.0";
        let zone = jiff::tz::TimeZone::posix(zone).unwrap();
        let now = "2026-03-08T00:00:00".parse::<DateTime>().unwrap().to_zoned(zone).unwrap();
        let times: Vec<String> =
            NIGHTLY.next(&now, 2).iter().map(|at| at.strftime("%F %H:%M %z").to_string()).collect();
        assert_eq!(times, ["2026-03-08 03:15 -0400", "2026-03-09 02:15 -0400"]);
    }
}
