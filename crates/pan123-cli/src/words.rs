//! What the command says, in English and in Chinese.

use std::env;
use std::fmt::Write;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The language of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lang {
    English,
    Chinese,
}

impl Lang {
    /// Returns the language of the environment: Chinese if the first of `LC_ALL`, `LC_MESSAGES` and `LANG` that is set is `zh…`.
    pub(crate) fn of_environment() -> Lang {
        let set = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(|name| env::var(name).ok())
            .find(|value| !value.is_empty());
        Lang::of_locale(&set.unwrap_or_default())
    }

    fn of_locale(locale: &str) -> Lang {
        let language = locale.split(['_', '.', '@', '-']).next();
        if language.is_some_and(|language| language.eq_ignore_ascii_case("zh")) {
            Lang::Chinese
        } else {
            Lang::English
        }
    }

    /// Returns the text in this language.
    pub(crate) fn pick<T>(self, english: T, chinese: T) -> T {
        match self {
            Lang::English => english,
            Lang::Chinese => chinese,
        }
    }
}

/// Returns a number of bytes as people read it, such as `1.5 GB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // The largest unit that leaves a whole number; tenths are cut off.
    let mut tenths = u128::from(bytes) / 100;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if tenths < 10_000 {
            break;
        }
        tenths /= 1000;
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Returns bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string does not fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Returns a time as people read it, in the zone of this machine.
pub(crate) fn local_time(time: SystemTime) -> Option<String> {
    let zoned = Timestamp::try_from(time).ok()?.to_zoned(TimeZone::system());
    Some(zoned.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Returns a time as `--json` has it: RFC 3339, in UTC.
pub(crate) fn iso_time(time: SystemTime) -> Option<String> {
    Some(Timestamp::try_from(time).ok()?.to_string())
}

/// Returns a name that can be printed to a terminal: what moves the cursor or turns the direction of the text is escaped.
pub(crate) fn shown(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, c| {
        if c.is_control() || is_format(c) {
            // Writing to a string does not fail.
            let _ = write!(text, "{}", c.escape_default());
        } else {
            text.push(c);
        }
        text
    })
}

/// Whether it shows nothing by itself, but changes what is around it.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locale_tells_the_language() {
        for (locale, lang) in [
            ("zh_CN.UTF-8", Lang::Chinese),
            ("zh", Lang::Chinese),
            ("zh-Hans", Lang::Chinese),
            ("C.UTF-8", Lang::English),
            ("", Lang::English),
            ("zha", Lang::English),
            ("en_US.UTF-8", Lang::English),
        ] {
            assert_eq!(Lang::of_locale(locale), lang, "{locale}");
        }
    }

    #[test]
    fn sizes_are_readable() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (2_199_023_255_552, "2.1 TB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn names_cannot_control_the_terminal() {
        for (name, text) in [
            ("视频 é.mp4", "视频 é.mp4"),
            ("a\x1b[31mb", r"a\u{1b}[31mb"),
            ("a\nb", r"a\nb"),
            ("gpj\u{202e}.exe", r"gpj\u{202e}.exe"),
            ("a\u{9b}b", r"a\u{9b}b"),
        ] {
            assert_eq!(shown(name), text);
        }
    }

    #[test]
    fn json_times_are_in_utc() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        assert_eq!(iso_time(time).unwrap(), "2023-11-14T22:13:20Z");
    }
}
