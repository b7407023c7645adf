//! The server's clock, as its answers tell it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::failure;

/// For so long the last answer is good enough: clocks of hosts drift by far less in this time than the second that the
/// server tells.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// What the last answer said, and when it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<Mutex<Option<(Timestamp, Instant)>>>);

impl Clock {
    /// Notes the time that an answer holds.
    pub(super) fn note(&self, headers: &HeaderMap) {
        if let Some(date) = failure::date(headers) {
            *self.0.lock().expect("never poisoned") = Some((date, Instant::now()));
        }
    }

    /// The server's time now; `None` where the last answer is too old to tell.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let (date, noted) = (*self.0.lock().expect("never poisoned"))?;
        let elapsed = noted.elapsed();
        let elapsed = SignedDuration::try_from(elapsed).ok().filter(|_| elapsed < GOOD_FOR)?;
        date.checked_add(elapsed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_goes_on_from_the_last_answer() {
        let clock = Clock::default();
        assert_eq!(clock.now(), None);
        let mut headers = HeaderMap::new();
        headers.insert("date", "Fri, 24 May 2013 00:00:00 GMT".parse().unwrap());
        clock.note(&headers);
        let first = clock.now().unwrap();
        let noted: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        assert!(first >= noted && first < noted + SignedDuration::from_secs(10));
        clock.note(&HeaderMap::new());
        assert!(clock.now().unwrap() >= first, "an answer without a date tells nothing");
    }
}
