//! The options of a download.

use serde_json::{Map, Value};

use super::error::RpcError;
use super::gid::Gid;

/// Options that tell a downloader how to fetch: the service takes none of them. Their values may be secrets.
const DROPPED: [&str; 6] = [
    "referer",
    "user-agent",
    "http-user",
    "http-passwd",
    "load-cookies",
    "all-proxy",
];
/// How many dropped options are named at most, and with how many characters each.
const MAX_NAMED: usize = 16;
const MAX_NAME: usize = 40;

/// The options of a download that have an effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct Options {
    pub(in crate::serve) gid: Option<Gid>,
    pub(in crate::serve) place: Place,
    pub(in crate::serve) is_paused: bool,
    /// The names of options that the service does not take, such as `cookie`: their values are nowhere.
    pub(in crate::serve) dropped: Vec<String>,
}

/// Where a download is to be saved, as the client names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::serve) struct Place {
    pub(in crate::serve) dir: Option<String>,
    pub(in crate::serve) out: Option<String>,
}

impl Place {
    /// Reads `dir` and `out`. What is empty is as good as not given.
    pub(in crate::serve) fn read(options: &Map<String, Value>) -> Place {
        let text = |name| {
            let text = options.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        Place {
            dir: text("dir"),
            out: text("out"),
        }
    }
}

impl Options {
    /// Reads the options of `aria2.addUri`. Unknown ones are ignored, and values that are no text.
    ///
    /// # Errors
    ///
    /// [`RpcError`] if `gid` is none.
    pub(in crate::serve) fn read(
        options: Option<&Map<String, Value>>,
    ) -> Result<Options, RpcError> {
        let Some(options) = options else {
            return Ok(Options::default());
        };
        let gid = options.get("gid").and_then(Value::as_str).map(|text| {
            Gid::parse(text).ok_or_else(|| RpcError::new(format!("{text} is invalid for GID.")))
        });
        Ok(Options {
            gid: gid.transpose()?,
            place: Place::read(options),
            is_paused: options.get("pause").is_some_and(|pause| pause == "true"),
            dropped: dropped(options),
        })
    }
}

fn dropped(options: &Map<String, Value>) -> Vec<String> {
    let is_given = |name: &&str| {
        options
            .get(*name)
            .and_then(Value::as_str)
            .is_some_and(|value| !value.is_empty())
    };
    let known = DROPPED.into_iter().filter(is_given).map(str::to_owned);
    let headers: Vec<&str> = match options.get("header") {
        Some(Value::String(headers)) => headers.lines().collect(),
        Some(Value::Array(headers)) => headers.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut names: Vec<String> = headers
        .into_iter()
        .filter_map(header_name)
        .chain(known)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(MAX_NAMED);
    names
}

/// Returns the name of a header, if it can be one: anything else might be a part of its value.
fn header_name(header: &str) -> Option<String> {
    let (name, _) = header.split_once(':')?;
    let name = name.trim().to_ascii_lowercase();
    let is_name = (1..=MAX_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(options: &Value) -> Result<Options, RpcError> {
        Options::read(options.as_object())
    }

    #[test]
    fn options_that_have_an_effect_are_read_and_others_ignored() {
        let options = read(&json!({
            "dir": "/videos", "out": "a.mp4", "pause": "true", "gid": "00000000000000A1",
            "split": "5", "max-download-limit": null, "select-file": ["1"], "foo": { "bar": 1 },
        }));
        let expected = Options {
            gid: Gid::parse("00000000000000a1"),
            place: Place {
                dir: Some("/videos".to_owned()),
                out: Some("a.mp4".to_owned()),
            },
            is_paused: true,
            dropped: vec![],
        };
        assert_eq!(options, Ok(expected));
        for nothing in [
            json!({}),
            json!({ "dir": "", "out": "", "pause": "false" }),
            json!({ "dir": null, "out": ["x"], "pause": null }),
        ] {
            assert_eq!(read(&nothing), Ok(Options::default()), "{nothing}");
        }
        assert_eq!(Options::read(None), Ok(Options::default()));
    }

    #[test]
    fn a_gid_that_is_none_is_refused() {
        for gid in ["zz", "a1", "0000000000000000"] {
            let message = format!("{gid} is invalid for GID.");
            assert_eq!(read(&json!({ "gid": gid })), Err(RpcError::new(message)));
        }
    }

    #[test]
    fn only_the_names_of_headers_are_kept() {
        for (options, names) in [
            (
                json!({ "header": ["Cookie: k=secret", "X-Auth : secret"] }),
                vec!["cookie", "x-auth"],
            ),
            (
                json!({ "header": "Cookie: k=secret\nReferer: secret\n" }),
                vec!["cookie", "referer"],
            ),
            (
                json!({ "header": ["secret", "secret secret: 1", ": secret", 5] }),
                vec![],
            ),
            (
                json!({ "header": format!("{}: 1", "x".repeat(41)) }),
                vec![],
            ),
            (
                json!({ "referer": "secret", "user-agent": "secret", "http-passwd": "secret", "all-proxy": "" }),
                vec!["http-passwd", "referer", "user-agent"],
            ),
        ] {
            let read = read(&options).unwrap();
            assert_eq!(read.dropped, names, "{options}");
            assert!(!format!("{read:?}").contains("secret"));
        }
        let many: Vec<_> = (0..100).map(|n| format!("x-{n}: 1")).collect();
        assert_eq!(
            read(&json!({ "header": many })).unwrap().dropped.len(),
            MAX_NAMED
        );
    }
}
