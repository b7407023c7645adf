//! How long a connection to a database may keep a run waiting.

use std::time::Duration;

/// Named as libpq and PostgreSQL name them. Zero is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Until the server has let us in and answers.
    pub connect_timeout: Duration,
    /// For a table or a row that somebody has locked.
    pub lock_timeout: Duration,
    /// For one statement that looks something up or changes a little. What reads or writes whole tables has no limit.
    pub statement_timeout: Duration,
    /// How long a connection may be silent before the system asks whether the other host is still there.
    pub keepalives_idle: Duration,
    /// How long what was sent may stay without a sign of life from the other host.
    pub tcp_user_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            connect_timeout: Duration::from_secs(15),
            lock_timeout: minutes(1),
            statement_timeout: minutes(5),
            keepalives_idle: minutes(1),
            tcp_user_timeout: minutes(5),
        }
    }
}

impl Limits {
    /// A limit, where it is one.
    pub fn of(duration: Duration) -> Option<Duration> {
        (!duration.is_zero()).then_some(duration)
    }

    /// As PostgreSQL's settings take it: whole milliseconds, zero for none.
    pub fn milliseconds(duration: Duration) -> u128 {
        Self::of(duration).map_or(0, |limit| limit.as_millis().clamp(1, 1 << 30))
    }
}
