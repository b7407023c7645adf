//! Sizes, counts and times as a person reads them.

use std::time::Duration;

use jiff::Timestamp;

/// `0 B`, `999 B`, `1.5 KiB`, `64.0 MiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = 0;
    // 1023.95 would be shown as 1024.0.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `1 object`, `2 objects`, `12,345 objects`.
pub fn count(number: u64, noun: &str) -> String {
    let number_text = grouped(number);
    match noun.strip_suffix('y') {
        _ if number == 1 => format!("{number_text} {noun}"),
        Some(stem) => format!("{number_text} {stem}ies"),
        None => format!("{number_text} {noun}s"),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.4 s`, `59 s`, `2 min 5 s`, `3 h 20 min`, `4 days`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `45 s`, `12 min`, `26 h`, `3 days`: how long ago, where a table has little room.
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// What [`parse_duration`] reads: `30d`, `26h`, `90m`, `45s`.
pub fn short_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, 'd'), (3600, 'h'), (60, 'm')];
    let fitting = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{seconds}s"), |(unit, letter)| format!("{}{letter}", seconds / unit))
}

/// `2026-11-20T02:00:00Z, 5 min 3 s ago`.
pub fn moment(at: Timestamp) -> String {
    let second = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    match Duration::try_from(Timestamp::now() - at) {
        Ok(ago) => format!("{second}, {} ago", duration(ago)),
        Err(_) => second.to_string(),
    }
}

/// A number and a unit: `B`, `KB`, `MB`, `GB`, `TB` of 1000, or `KiB`, `MiB`, `GiB`, `TiB` of 1024.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let bytes: u64 = match unit {
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("write a whole number and a unit, as in 800MB, 500GiB or 2TB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| format!("{number:?} is no whole number"))?;
    number.checked_mul(bytes).ok_or_else(|| "that is too much".to_owned())
}

/// A number and a unit: `s`, `m`, `h`, `d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a number and a unit, as in 30s, 10m, 2h or 7d".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| format!("{number:?} is no whole number"))?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_read_naturally() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(count(1, "object"), "1 object");
        assert_eq!(count(1_234_567, "object"), "1,234,567 objects");
        assert_eq!(count(2, "entry"), "2 entries");
        assert_eq!(duration(Duration::from_secs(7265)), "2 h 1 min");
    }

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        for bad in ["", "m", "10", "-1s", "1.5h", "10 m", "é", "99999999999999999999d", "18446744073709551615d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["30d", "26h", "90m", "45s", "0s", "86401s"] {
            assert_eq!(short_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(age(Duration::from_secs(26 * 3600)), "26 h");
        assert_eq!(age(Duration::from_secs(3 * 86_400)), "3 days");
    }

    #[test]
    fn sizes_have_a_unit() {
        for (text, bytes) in [("0B", 0), ("7KB", 7000), ("2 GiB", 2 << 30), ("5TB", 5_000_000_000_000)] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "7", "GB", "-1GB", "1.5GB", "1gb", "99999999999TB", "1GBs"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
