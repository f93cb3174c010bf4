//! URLs, and the links of download programs that hold one.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use pan123_async::Download;

use super::Reason;

/// A link that holds another one as base64, between two marks.
struct Wrapper {
    scheme: &'static str,
    before: &'static str,
    after: &'static str,
}

const WRAPPERS: [Wrapper; 3] = [
    Wrapper {
        scheme: "thunder",
        before: "AA",
        after: "ZZ",
    },
    Wrapper {
        scheme: "flashget",
        before: "[FLASHGET]",
        after: "[FLASHGET]",
    },
    Wrapper {
        scheme: "qqdl",
        before: "",
        after: "",
    },
];

/// The links that the service does not take, by their scheme and as people call them.
const REFUSED: [(&str, &str); 8] = [
    ("magnet", "magnet"),
    ("ed2k", "ed2k"),
    ("ftp", "FTP"),
    ("ftps", "FTP"),
    ("sftp", "SFTP"),
    ("thunder", "thunder"),
    ("flashget", "flashget"),
    ("qqdl", "qqdl"),
];

/// Reads a URL, or one inside a link of a download program.
pub(crate) fn read_url(text: &str) -> Result<Download, Reason> {
    let text = text.trim();
    let scheme = scheme(text);
    let wrapper = WRAPPERS
        .iter()
        .find(|wrapper| scheme.eq_ignore_ascii_case(wrapper.scheme));
    let Some(wrapper) = wrapper else {
        return read_plain(text);
    };
    let inside = |reason| Reason::Wrapped(wrapper.scheme, Box::new(reason));
    let url = wrapper.open(text).map_err(inside)?;
    read_plain(url.trim()).map_err(inside)
}

fn read_plain(text: &str) -> Result<Download, Reason> {
    let scheme = scheme(text);
    let refused = REFUSED
        .iter()
        .find(|(refused, _)| scheme.eq_ignore_ascii_case(refused));
    if let Some((_, name)) = refused {
        return Err(Reason::Refused(name));
    }
    let is_torrent = scheme.is_empty() || scheme.eq_ignore_ascii_case("file") || scheme.len() == 1;
    if is_torrent && has_ending(text, ".torrent") {
        return Err(Reason::Torrent);
    }
    Ok(Download::new(text)?)
}

/// Whether a text is meant as a link, be it one that the service takes or not.
pub(super) fn is_link(text: &str) -> bool {
    let scheme = scheme(text);
    scheme.eq_ignore_ascii_case("magnet")
        || !scheme.is_empty() && text[scheme.len()..].starts_with("://")
}

/// Returns what stands before the first colon, if it has the form of a scheme.
fn scheme(text: &str) -> &str {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if is_scheme { scheme } else { "" }
}

fn has_ending(text: &str, ending: &str) -> bool {
    let start = text.len().checked_sub(ending.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case(ending))
}

impl Wrapper {
    /// Returns the link inside.
    fn open(&self, link: &str) -> Result<String, Reason> {
        let payload = link[self.scheme.len() + 1..].trim_start_matches('/');
        // Some programs add something of theirs.
        let payload = payload.split('&').next().unwrap_or_default();
        // Browsers add a slash to what looks like a host.
        let shorter = payload.strip_suffix('/');
        let opened = [Some(payload), shorter]
            .into_iter()
            .flatten()
            .find_map(|payload| self.inside(&decode(payload)?));
        let bytes = opened.ok_or(Reason::Damaged)?;
        String::from_utf8(bytes).map_err(|_| Reason::NotUtf8)
    }

    fn inside(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let inside = bytes.strip_prefix(self.before.as_bytes())?;
        let inside = inside.strip_suffix(self.after.as_bytes())?;
        (!inside.is_empty()).then(|| inside.to_vec())
    }
}

/// Decodes base64 of either alphabet, with or without padding, and with the padding percent-encoded.
fn decode(payload: &str) -> Option<Vec<u8>> {
    let payload = payload.replace("%3D", "=").replace("%3d", "=");
    let plain = payload
        .trim_end_matches('=')
        .replace('-', "+")
        .replace('_', "/");
    BASE64_STANDARD_NO_PAD.decode(plain).ok()
}
