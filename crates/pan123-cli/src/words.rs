//! What the command says, in English and in Chinese.

use std::env;

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
}
