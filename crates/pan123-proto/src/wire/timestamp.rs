//! The service's dates and clock.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Reads RFC 3339; `YYYY-MM-DD HH:MM:SS`, which is in UTC+8; or the latter with an offset and a zone name, as in `… +0800 CST`.
/// None for anything else, such as a date without a time, for a date past the end of year 9999 in UTC, and for one before the second
/// day of 1970, such as the zero dates that some programs write.
pub(crate) fn read_date(text: &str) -> Option<SystemTime> {
    let instant = usual_date(text).or_else(|| any_date(text))?;
    system_time(instant).filter(|date| *date >= SystemTime::UNIX_EPOCH + ZERO_DATES)
}

/// How long after the start of 1970 in UTC its first second may seem to be, in some zone.
const ZERO_DATES: Duration = Duration::from_secs(24 * 60 * 60);

/// The zone of dates without one.
const CHINA: Offset = Offset::constant(8);

/// Reads `YYYY-MM-DD HH:MM:SS` only, which lists are full of.
fn usual_date(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 19] = text.as_bytes().try_into().ok()?;
    let separators = [bytes[4], bytes[7], bytes[10], bytes[13], bytes[16]];
    if separators != *b"-- ::" {
        return None;
    }
    let two = |at: usize| two_digits(bytes[at], bytes[at + 1]);
    let year = i16::from(two(0)?) * 100 + i16::from(two(2)?);
    let date = DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, two(17)?, 0);
    CHINA.to_timestamp(date.ok()?).ok()
}

fn two_digits(tens: u8, ones: u8) -> Option<i8> {
    let digit = |byte: u8| char::from(byte).to_digit(10);
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

fn any_date(text: &str) -> Option<Timestamp> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let joined = match words[..] {
        [date] => date.to_owned(),
        [date, time] => format!("{date}T{time}"),
        // The zone name repeats the offset.
        [date, time, offset] | [date, time, offset, _] => format!("{date}T{time}{offset}"),
        _ => return None,
    };
    if !has_seconds(&joined) {
        return None;
    }
    at_its_offset_or_in_china(&joined).ok()
}

/// None before 1970, or where the system's time cannot hold the date.
pub(crate) fn system_time(instant: Timestamp) -> Option<SystemTime> {
    let since = Duration::try_from(instant.duration_since(Timestamp::UNIX_EPOCH)).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since)
}

fn at_its_offset_or_in_china(text: &str) -> Result<Timestamp, jiff::Error> {
    if let Ok(instant) = text.parse() {
        return Ok(instant);
    }
    CHINA.to_timestamp(text.parse()?)
}

/// Whether the date has a time to the second: without it the instant would seem to be earlier than it was.
fn has_seconds(date: &str) -> bool {
    date.as_bytes().get("YYYY-MM-DDTHH:MM".len()) == Some(&b':')
}

/// How far the service's clock was from the local one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSkew {
    /// The service's clock was ahead by this much.
    Ahead(Duration),
    /// The service's clock was behind by this much.
    Behind(Duration),
}

impl ClockSkew {
    /// Compares two readings taken at the same moment.
    pub(crate) fn between(service: SystemTime, local: SystemTime) -> ClockSkew {
        match service.duration_since(local) {
            Ok(ahead) => ClockSkew::Ahead(ahead),
            Err(behind) => ClockSkew::Behind(behind.duration()),
        }
    }

    /// Returns what the local clock shows when the service's shows `service`.
    pub(crate) fn local_time(self, service: SystemTime) -> SystemTime {
        let local = match self {
            ClockSkew::Ahead(by) => service.checked_sub(by),
            ClockSkew::Behind(by) => service.checked_add(by),
        };
        local.unwrap_or(service)
    }

    /// Returns what the service's clock shows when the local one shows `local`.
    pub(crate) fn service_time(self, local: SystemTime) -> Option<SystemTime> {
        match self {
            ClockSkew::Ahead(by) => local.checked_add(by),
            ClockSkew::Behind(by) => local.checked_sub(by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_date() {
        let unix = |text| {
            let since = read_date(text)?.duration_since(SystemTime::UNIX_EPOCH);
            Some(since.unwrap().as_secs())
        };
        for text in [
            "2025-03-23T15:48:37+08:00",
            "2025-03-23T07:48:37Z",
            "2025-03-23 15:48:37",
            " 2025-03-23  15:48:37 ",
            "2025-03-23 15:48:37+08:00",
            "2025-03-23 15:48:37 +0800 CST",
            "2025-03-23 07:48:37 +0000 UTC",
            "2025-03-23 15:48:37.000 +0800",
        ] {
            assert_eq!(unix(text), Some(1_742_716_117), "{text}");
        }
        assert_eq!(unix("1970-01-02T00:00:00Z"), Some(86_400));
        for text in [
            "",
            "soon",
            "2025-13-01 00:00:00",
            "1742716117",
            "2025-03-23",
            "20250323",
            "2025-03-23T15",
            "2025-03-23 15:48",
            "2025-03-23 15:48 +0800",
            "2025-03-23 15:48:37 CST",
            "2025-03-23 15:48:37 +0800 CST m=+1",
            "0001-01-01 00:00:00",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00Z",
            "1970-01-01 08:00:00",
            "0000-00-00 00:00:00",
            "9999-12-31 23:59:59",
        ] {
            assert_eq!(unix(text), None, "{text}");
        }
    }

    #[test]
    fn usual_date_is_what_any_date_is() {
        let days = [0, 1, 28, 29, 30, 31, 32];
        let times = [
            "00:00:00", "15:48:37", "23:59:59", "23:59:60", "23:60:00", "24:00:00", "15:48:99",
        ];
        let mut usual = 0;
        for year in ["0000", "1969", "1970", "2023", "2024", "9999"] {
            for (month, day) in (0..14).flat_map(|month| days.map(|day| (month, day))) {
                for time in times {
                    let text = format!("{year}-{month:02}-{day:02} {time}");
                    if let Some(date) = usual_date(&text) {
                        assert_eq!(any_date(&text), Some(date), "{text}");
                        usual += 1;
                    }
                }
            }
        }
        assert!(usual > 900, "{usual}");
        for other in [
            "2025-03-23T15:48:37",
            "2025/03/23 15:48:37",
            "+025-03-23 15:48:37",
            "2025-03-23 15:48: 7",
            "2025-03-23 15:48:3é",
        ] {
            assert_eq!(usual_date(other), None, "{other}");
        }
    }
}
