//! Redaction: secrets are removed from every text from outside before an error or a log keeps it.
//!
//! A text and a secret are compared without the escapes of URLs and JSON, and without case. A token or another secret is removed
//! as a whole and in parts of [`MIN_PART`] characters or more, a URL in parts of [`MIN_RUN`] or more, but for its scheme and host.
//! Secrets are read when a text is redacted, and not before.

use std::error::Error;
use std::fmt;
use std::ops::Range;

use http::HeaderValue;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::http_url::UrlParts;
use super::request::EncodedRequest;
use crate::error::TransportError;
use crate::text::{Escaped, is_invisible};

/// What replaces a secret.
const REDACTED: &str = "[redacted]";

/// The shortest part of a URL, and the shortest secret, that is recognized, in characters: a shorter one may be part of any text.
const MIN_RUN: usize = 6;

/// The shortest part of a secret that is recognized, in characters: many have words in them that messages use.
const MIN_PART: usize = 16;

/// How much of a text is looked through, in bytes; the rest is dropped.
const MAX_LOOKED_THROUGH: usize = 16 * 1024;

/// Secrets of a session or of a flow.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<SecretString>);

impl Secrets {
    pub(crate) fn push(&mut self, secret: &str) {
        self.0.push(SecretString::from(secret));
    }
}

/// Shows the number of secrets only.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets([{}])", self.0.len())
    }
}

/// Where a request holds its secrets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestSecrets<'a> {
    pub(crate) request: &'a EncodedRequest,
    /// See [`Endpoint::SECRET_FIELDS`](crate::Endpoint::SECRET_FIELDS).
    pub(crate) fields: &'a [&'a str],
}

/// Redacts the secrets of a session and of a request, and the token that the request carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redactor<'a> {
    pub(crate) session: &'a Secrets,
    pub(crate) flow: &'a Secrets,
    pub(crate) request: Option<RequestSecrets<'a>>,
    pub(crate) token: Option<&'a HeaderValue>,
}

impl Redactor<'_> {
    /// Knows no secrets.
    pub(crate) const NOTHING: Redactor<'static> = Redactor {
        session: &Secrets(Vec::new()),
        flow: &Secrets(Vec::new()),
        request: None,
        token: None,
    };

    /// Returns the text without secrets.
    pub(crate) fn redact(&self, text: &str) -> String {
        self.redact_prefix(text, usize::MAX)
    }

    /// Returns at most `max` characters of the text, without secrets. They are removed before the text is cut, so that no part of
    /// one remains.
    pub(crate) fn redact_prefix(&self, text: &str, max: usize) -> String {
        let mut text = Text::new(text);
        self.remove_from(&mut text);
        text.without_secrets(max)
    }

    /// Returns the error without secrets and invisible characters. A source that shows one in any way is replaced by a text.
    pub(crate) fn redact_transport_error(&self, error: TransportError) -> TransportError {
        let Some(source) = error.source() else {
            return error;
        };
        let shown = format!("{source:?}");
        let mut texts = vec![source.to_string()];
        let mut cause = source.source();
        while let Some(inner) = cause {
            texts.push(inner.to_string());
            cause = inner.source();
        }
        let text = texts.join(": ");
        let is_safe = !text.chars().any(is_invisible);
        if !is_safe || self.may_show_secret(&text) || self.may_show_secret(&shown) {
            let text = Escaped(&self.redact(&text)).to_string();
            return error.with_source_text(text);
        }
        error
    }

    /// Whether the text contains a secret, or is too long to tell.
    fn may_show_secret(&self, text: &str) -> bool {
        let mut looked_through = Text::new(text);
        self.remove_from(&mut looked_through);
        text.len() > MAX_LOOKED_THROUGH || looked_through.shows_secret()
    }

    fn remove_from(&self, text: &mut Text<'_>) {
        if text.runs.is_empty() {
            return;
        }
        for secret in self.session.0.iter().chain(&self.flow.0) {
            text.remove(secret.expose_secret());
        }
        let token = self.token.and_then(|header| header.to_str().ok());
        if let Some(token) = token {
            text.remove(token.strip_prefix("Bearer ").unwrap_or(token));
        }
        if let Some(secrets) = self.request {
            secrets.remove_from(text);
        }
    }
}

/// Returns at most `max` characters of the text, without what must not be shown of the URL, and of any other URL in it.
pub(crate) fn redact_urls(url: Option<&str>, text: &str, max: usize) -> String {
    let mut text = Text::new(text);
    if let Some(url) = url {
        text.remove_url(url);
    }
    text.remove_every_url();
    text.without_secrets(max)
}

impl RequestSecrets<'_> {
    fn remove_from(&self, text: &mut Text<'_>) {
        if self.fields.is_empty() {
            return;
        }
        for pair in self.request.uri.query().unwrap_or("").split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent_decode_str(name).decode_utf8_lossy();
            if self.fields.contains(&&*name) {
                text.remove(value);
            }
        }
        if let Ok(body) = serde_json::from_slice(&self.request.body) {
            self.remove_value(text, &body, false);
        }
    }

    /// Removes the texts in the fields with these names, at any depth.
    fn remove_value(&self, text: &mut Text<'_>, value: &Value, is_secret: bool) {
        match value {
            Value::String(secret) if is_secret => text.remove_url(secret),
            Value::Array(values) => values
                .iter()
                .for_each(|value| self.remove_value(text, value, is_secret)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                let is_secret = is_secret || self.fields.contains(&name.as_str());
                self.remove_value(text, value, is_secret);
            }),
            _ => {}
        }
    }
}

/// A text whose secrets are removed.
struct Text<'a> {
    given: &'a str,
    characters: Vec<Character>,
    /// The runs of [`MIN_RUN`] characters in the text, sorted, each with those of its characters that are found secret.
    runs: Vec<(Run, [bool; MIN_RUN])>,
    /// Which characters are secret.
    secret: Vec<bool>,
}

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Text<'a> {
        let end = (0..=text.len().min(MAX_LOOKED_THROUGH))
            .rev()
            .find(|&end| text.is_char_boundary(end));
        let given = &text[..end.unwrap_or(0)];
        let characters = unescape(given);
        let mut runs: Vec<_> = runs(&characters)
            .map(|run| (run, [false; MIN_RUN]))
            .collect();
        runs.sort_unstable();
        runs.dedup();
        Text {
            given,
            secret: vec![false; characters.len()],
            characters,
            runs,
        }
    }

    /// Removes the secret as a whole and in long parts.
    fn remove(&mut self, secret: &str) {
        let characters = unescape(secret);
        let min_part = MIN_PART.min(characters.len());
        self.remove_parts(&characters, |_| true, min_part);
    }

    /// Removes the URL but for its scheme, its host and its port; all of it if it is not a URL.
    fn remove_url(&mut self, url: &str) {
        let Ok(parts) = UrlParts::read(url) else {
            return self.remove_parts(&unescape(url), |_| true, MIN_RUN);
        };
        // The `@` and the first `/` say nothing.
        let host = parts.user.end..=parts.host.end;
        let is_secret = |at| at >= parts.user.start && !host.contains(&at);
        self.remove_parts(&unescape(url), is_secret, 1);
    }

    /// Removes all URLs up to the next white space, but for their schemes, hosts and ports.
    fn remove_every_url(&mut self) {
        let mut from = 0;
        while let Some(host) = self.next_host(from) {
            let is_in = |c: &Character| !is_space(self.given, *c);
            let end = host
                + self.characters[host..]
                    .iter()
                    .take_while(|c| is_in(c))
                    .count();
            let url = &self.characters[host..end];
            let shown = shown_of_url(url);
            // The stop at the end of a sentence is none of the URL's.
            let stops = url[shown.end..].iter().rev().take_while(|c| is_stop(**c));
            let end = end - stops.count();
            self.secret[host..host + shown.start].fill(true);
            self.secret[host + shown.end..end].fill(true);
            from = end.max(host);
        }
    }

    /// Returns where the host of the next URL begins.
    fn next_host(&self, from: usize) -> Option<usize> {
        let slashes = "://".encode_utf16().map(u32::from);
        let is_here = |part: &[Character]| part.iter().map(|c| c.code).eq(slashes.clone());
        let at = self.characters[from..]
            .windows("://".len())
            .position(is_here)?;
        Some(from + at + "://".len())
    }

    /// Removes the parts of a secret, or of a URL, that have at least this many characters.
    fn remove_parts(
        &mut self,
        characters: &[Character],
        is_secret: impl Fn(usize) -> bool,
        min_part: usize,
    ) {
        let mut is_found = false;
        for (at, run) in runs(characters).enumerate() {
            if let Some(found) = self.find(run) {
                is_found = true;
                let places = characters[at..].iter().map(|c| c.start as usize);
                for (found, at) in self.runs[found].1.iter_mut().zip(places) {
                    *found |= is_secret(at);
                }
            }
        }
        if !is_found {
            return;
        }
        let found = self.take_found();
        let mut part = 0;
        for at in 0..=found.len() {
            if found.get(at) == Some(&true) {
                part += 1;
            } else {
                if part >= min_part {
                    self.secret[at - part..at].fill(true);
                }
                part = 0;
            }
        }
    }

    fn find(&self, run: Run) -> Option<usize> {
        self.runs.binary_search_by_key(&run, |&(run, _)| run).ok()
    }

    /// Returns which characters were found secret, and forgets it.
    fn take_found(&mut self) -> Vec<bool> {
        let mut all = vec![false; self.characters.len()];
        for (at, run) in runs(&self.characters).enumerate() {
            if let Some(run) = self.find(run) {
                for (all, found) in all[at..].iter_mut().zip(self.runs[run].1) {
                    *all |= found;
                }
            }
        }
        for (_, found) in &mut self.runs {
            *found = [false; MIN_RUN];
        }
        all
    }

    fn shows_secret(&self) -> bool {
        self.secret.contains(&true)
    }

    /// Returns at most `max` characters, or the mark of a secret more.
    fn without_secrets(&self, max: usize) -> String {
        let mut kept = String::with_capacity(self.given.len().min(max));
        let mut left = max;
        let mut end = 0;
        let mut keep = |part: &str| {
            for character in part.chars().take(left) {
                kept.push(character);
                left -= 1;
            }
            left
        };
        let mut in_secret = false;
        for (character, &secret) in self.characters.iter().zip(&self.secret) {
            if secret && !in_secret && keep(&self.given[end..character.start as usize]) > 0 {
                keep(REDACTED);
            }
            if secret {
                end = character.end as usize;
            }
            in_secret = secret;
        }
        keep(&self.given[end..]);
        kept
    }
}

/// Returns what may be shown of a URL after its scheme: host, port and the slash after them; nothing if they cannot be told from a
/// password.
fn shown_of_url(url: &[Character]) -> Range<usize> {
    let is = |c: &Character, of: &str| of.chars().any(|expected| c.code == u32::from(expected));
    let path = url.iter().position(|c| is(c, "/?#"));
    let end = path.unwrap_or(url.len());
    let at_sign = url[..end].iter().rposition(|c| is(c, "@"));
    let host = at_sign.map_or(0, |at| at + 1);
    let is_ipv6 = url[host..end].first().is_some_and(|c| is(c, "["));
    let port = url[host..end].iter().position(|c| is(c, ":"));
    let port = port.map_or(end, |at| host + at + 1);
    let mut port = url[port..end].iter().filter(|c| !is_stop(**c));
    if !is_ipv6 && !port.all(|c| is(c, "0123456789")) {
        return 0..0;
    }
    // The `@` and the first `/` say nothing.
    let slash = path.is_some_and(|at| is(&url[at], "/"));
    at_sign.unwrap_or(0)..end + usize::from(slash)
}

/// Whether this is white space that is not escaped.
fn is_space(text: &str, character: Character) -> bool {
    let spelled = &text[character.start as usize..character.end as usize];
    spelled.chars().all(char::is_whitespace)
}

/// Whether this ends a sentence or a quotation.
fn is_stop(character: Character) -> bool {
    let is = |stop| character.code == u32::from(stop);
    "!.,;:)>\"'`。，；：！）」』”’".chars().any(is)
}

/// Six characters in a row, of 16 bits each.
type Run = u128;

/// Returns the run that starts at each character but the last five.
fn runs(characters: &[Character]) -> impl Iterator<Item = Run> {
    const BITS: usize = 16;
    let mask = (1 << (BITS * MIN_RUN)) - 1;
    let mut run: Run = 0;
    let all = characters.iter().map(move |character| {
        run = (run << BITS | Run::from(character.code)) & mask;
        run
    });
    all.skip(MIN_RUN - 1)
}

/// A UTF-16 unit of a text without its escapes, in lower case, and its place in the text.
#[derive(Clone, Copy)]
struct Character {
    code: u32,
    start: u32,
    end: u32,
}

/// Removes the escapes of URLs and JSON, also of a URL in a URL and of a string in a string.
///
/// `%41` and `\u0041` are replaced until there are none, which gives the same result in every order, since no escape overlaps
/// another. Other backslashes are dropped, and `+` is a space.
fn unescape(text: &str) -> Vec<Character> {
    let mut bytes = Vec::with_capacity(text.len());
    for (start, &byte) in (0..).zip(text.as_bytes()) {
        let end = start + 1;
        let code = u32::from(byte);
        bytes.push(Character { code, start, end });
        while let Some((length, code)) = escape_at_end(&bytes) {
            let start = bytes[bytes.len() - length].start;
            bytes.truncate(bytes.len() - length);
            bytes.push(Character { code, start, end });
        }
    }
    utf16(&bytes)
}

/// Added to a unit that is no byte.
const UNIT: u32 = 1 << 16;

/// Returns the length of the escape that ends here, and what it stands for: a byte, or [`UNIT`] and a unit.
fn escape_at_end(bytes: &[Character]) -> Option<(usize, u32)> {
    bytes.last().copied().and_then(hex_digit)?;
    let number = |digits: &[Character]| {
        digits
            .iter()
            .try_fold(0, |number, &digit| Some(number << 4 | hex_digit(digit)?))
    };
    let is = |character: &Character, expected: u8| character.code == u32::from(expected);
    if let Some([percent, digits @ ..]) = bytes.last_chunk::<3>()
        && is(percent, b'%')
    {
        return Some((3, number(digits)?));
    }
    let [backslash, u, digits @ ..] = bytes.last_chunk::<6>()?;
    if !is(backslash, b'\\') || !is(u, b'u') {
        return None;
    }
    let unit = number(digits)?;
    Some((6, if unit < 0x80 { unit } else { unit | UNIT }))
}

fn hex_digit(character: Character) -> Option<u32> {
    char::from_u32(character.code)?.to_digit(16)
}

/// Decodes the bytes, and leaves out backslashes and case. A byte that is not UTF-8 stays one.
fn utf16(mut bytes: &[Character]) -> Vec<Character> {
    let mut units = Vec::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        bytes = rest;
        match u8::try_from(first.code) {
            Ok(b'\\') => {}
            Ok(b'+') => units.push(Character { code: 32, ..*first }),
            Ok(ascii @ ..0x80) => units.push(Character {
                code: ascii.to_ascii_lowercase().into(),
                ..*first
            }),
            Ok(_) => {
                let Some((length, decoded)) = utf8_at_start(*first, rest) else {
                    units.push(*first);
                    continue;
                };
                let end = rest[length - 2].end;
                bytes = &rest[length - 1..];
                units.extend(
                    decoded
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .map(|&unit| Character {
                            code: unit.into(),
                            start: first.start,
                            end,
                        }),
                );
            }
            Err(_) => units.push(Character {
                code: first.code & !UNIT,
                ..*first
            }),
        }
    }
    units
}

/// Returns the number of bytes of the character beyond ASCII that starts here, and the character.
fn utf8_at_start(first: Character, rest: &[Character]) -> Option<(usize, char)> {
    let mut encoded = [0; 4];
    encoded[0] = u8::try_from(first.code).ok()?;
    for (length, next) in (2..=4).zip(rest) {
        encoded[length - 1] = u8::try_from(next.code).ok()?;
        if let Ok(text) = str::from_utf8(&encoded[..length]) {
            return Some((length, text.chars().next()?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{Method, Uri};

    use super::*;

    fn redacted(secret: &str, text: &str, max: usize) -> String {
        let mut flow = Secrets::default();
        flow.push(secret);
        let redactor = Redactor {
            flow: &flow,
            ..Redactor::NOTHING
        };
        redactor.redact_prefix(text, max)
    }

    #[test]
    fn a_secret_is_taken_out_however_a_url_or_json_spells_it() {
        for echo in [
            "a-b.c_d~e f+g/h=页!😀",
            "A-B.C_D~E F+G/H=页!😀",
            "a-b.c_d~e%20f%2Bg%2Fh%3D%E9%A1%B5%21%F0%9F%98%80",
            "a-b.c_d~e%20f%2bg%2fh%3d%e9%a1%b5!😀",
            "a-b.c_d~e+f%2Bg/h=页!😀",
            "a-b.c_d~e%2520f%252Bg%252Fh%253D%25E9%25A1%25B5%2521%25F0%259F%2598%2580",
            "%61%2D%62%2E%63%5F%64%7E%65%20%66%2B%67%2F%68%3D%E9%A1%B5%21😀",
            "%25%36%31%25%32%44b.c_d~e f+g/h=页!😀",
            r"a-b.c_d~e f+g\/h=页!😀",
            r"a-b.c_d~e f+g\\\/h=页!😀",
            r"a-b.c_d~e f\u002bg\u002Fh\u003D\u9875!\ud83d\ude00",
            r"a-b.c_d~e f\\u002bg\\u002Fh\\u003D\\u9875!\\uD83D\\uDE00",
        ] {
            let text = format!("%zz?secret={echo}&n=%");
            let kept = redacted("a-b.c_d~e f+g/h=页!😀", &text, usize::MAX);
            assert_eq!(kept, "%zz?secret=[redacted]&n=%", "{echo}");
        }
    }

    #[test]
    fn a_secret_is_taken_out_whole_or_in_long_parts() {
        let secret = "0123456789abcdefghij";
        for (text, expected) in [
            ("0123456789abcdefghij", "[redacted]"),
            ("0123456789abcdef", "[redacted]"),
            ("x456789abcdefghijx", "x[redacted]x"),
            ("0123456789abcde", "0123456789abcde"),
        ] {
            assert_eq!(redacted(secret, text, 99), expected);
        }
        assert_eq!(redacted("refresh-1", "refresh token", 99), "refresh token");
        assert_eq!(redacted("secret", "a Secret", 99), "a [redacted]");
        assert_eq!(redacted("short", "a short text", 99), "a short text");
    }

    #[test]
    fn six_characters_of_a_url_in_a_row_are_taken_out_and_fewer_stay() {
        let redacted = |path, text, max| redact_urls(Some(&format!("https://h/{path}")), text, max);
        let secret = "abcdefghij";
        assert_eq!(
            redacted(secret, "abcde 12345 fghij", 99),
            "abcde 12345 fghij"
        );
        assert_eq!(redacted(secret, "<cdefgh>", 99), "<[redacted]>");
        assert_eq!(
            redacted(secret, "abcdef efghij", 99),
            "[redacted] [redacted]"
        );
        assert_eq!(redacted("下载任务失", "下载任务失败", 99), "下载任务失败");
        assert_eq!(
            redacted("下载任务失败", "下载任务失败了", 99),
            "[redacted]了"
        );
    }

    #[test]
    fn of_a_url_only_scheme_and_host_are_shown() {
        let url = "https://us:pw@files.example:8443/file/botTOKEN:x/a.mp4?k=v%2Fw#f1";
        let shown = |text: &str| redact_urls(Some(url), text, usize::MAX);
        assert_eq!(
            shown(&format!("cannot fetch {url}!")),
            "cannot fetch https://[redacted]@files.example:8443/[redacted]!"
        );
        assert_eq!(
            shown("no host files.example:8443"),
            "no host files.example:8443"
        );
        assert_eq!(
            shown("no file a.mp4 for bottoken:x"),
            "no file a.mp4 for [redacted]"
        );
        assert_eq!(shown("no /botTOKEN:x/a.mp4"), "no [redacted]");
        assert_eq!(shown("k=v/w#f1 or k%3Dv%2Fw"), "[redacted] or k%3Dv%2Fw");
        assert_eq!(
            redact_urls(Some("https://h/"), "https://h/ is down", 99),
            "https://h/ is down"
        );
        assert_eq!(
            redact_urls(Some("no URL at all"), "no URL at all", 99),
            REDACTED
        );
    }

    #[test]
    fn of_an_unknown_url_only_scheme_and_host_are_shown() {
        for (text, expected) in [
            ("no https://h/s3cret: 404", "no https://h/[redacted]: 404"),
            ("HTTPS://h?s3cret", "HTTPS://h[redacted]"),
            ("https://h#s3cret 404", "https://h[redacted] 404"),
            ("ftp://h:21/s3cret", "ftp://h:21/[redacted]"),
            ("http://h.", "http://h."),
            ("https://h:8080: down", "https://h:8080: down"),
            ("https://h/ down", "https://h/ down"),
            ("https://[::1]:80/s3cret", "https://[::1]:80/[redacted]"),
            ("https://u:s3cret@h/x", "https://[redacted]@h/[redacted]"),
            ("https://u:s3/cret@h", "https://[redacted]"),
            ("源https://h/s3cret失败。", "源https://h/[redacted]。"),
            (
                "https://a/s3cret\u{3000}https://b/s3cret",
                "https://a/[redacted]\u{3000}https://b/[redacted]",
            ),
            ("https://a/https://b/s3cret x", "https://a/[redacted] x"),
            (r"https:\/\/h\/s3cret 1", r"https:\/\/h\/[redacted] 1"),
            (
                "https%3A%2F%2Fh%2Fs3cret%20x 1",
                "https%3A%2F%2Fh%2F[redacted] 1",
            ),
            (
                "https%253A%252F%252Fh%252Fs3cret+x",
                "https%253A%252F%252Fh%252F[redacted]",
            ),
            (
                r#"{"u":"https://h/s3cret"} 1"#,
                r#"{"u":"https://h/[redacted] 1"#,
            ),
            ("a: b // c :/ d", "a: b // c :/ d"),
            ("://", "://"),
        ] {
            assert_eq!(redact_urls(None, text, 99), expected, "{text}");
        }
        let known = redact_urls(
            Some("https://h/a s3cret"),
            "https://h/a s3cret https://i/s3",
            99,
        );
        assert_eq!(known, "https://h/[redacted] https://i/[redacted]");
        let many = "https://h/s3cret://".repeat(2000);
        let kept = redact_urls(None, &many, usize::MAX);
        assert!(!kept.contains("s3cret"), "{kept}");
    }

    #[test]
    fn what_is_cut_off_is_looked_at_first() {
        for most in 0..40 {
            let text = "before canary-canary canary-canary";
            let kept = redacted("canary-canary", text, most);
            assert!(!kept.contains("can"), "{kept}");
            assert!(kept.chars().count() <= most, "{kept}");
        }
        assert_eq!(redacted("canary-canary", "before canar", 9), "before ca");
        assert_eq!(redacted("canary-canary", "页页页", 2), "页页");
    }

    #[test]
    fn source_of_a_transport_error_is_escaped() {
        let error = TransportError::interrupted("bad header `x\u{1b}[2J\n\u{202e}`");
        let error = Redactor::NOTHING.redact_transport_error(error);
        let source = error.source().expect("a source").to_string();
        assert_eq!(source, r"bad header `x\u{1b}[2J\n\u{202e}`");
    }

    #[test]
    fn a_long_text_is_looked_through_to_its_limit() {
        let text = "\\".repeat(1000) + "canary-canary" + &"%25".repeat(1 << 20);
        let kept = redacted("canary-canary", &text, usize::MAX);
        assert!(kept.contains("[redacted]") && !kept.contains("canary"));
        assert!(kept.len() <= MAX_LOOKED_THROUGH);
        let error = TransportError::interrupted("x".repeat(MAX_LOOKED_THROUGH + 1));
        let error = Redactor::NOTHING.redact_transport_error(error);
        assert_eq!(
            error.source().unwrap().to_string().len(),
            MAX_LOOKED_THROUGH
        );
    }

    #[test]
    fn fields_of_a_request_are_secret_at_any_depth() {
        let body = r#"{"url":"https:\/\/host.example\/path-1","a":[{"key":["secret-1"]}],"name":"name-1"}"#;
        let request = EncodedRequest {
            method: Method::POST,
            uri: Uri::from_static("/?key=secret%2D2&x=secret-3"),
            body: body.into(),
        };
        let secrets = RequestSecrets {
            request: &request,
            fields: &["url", "key"],
        };
        let redactor = Redactor {
            request: Some(secrets),
            ..Redactor::NOTHING
        };
        assert_eq!(
            redactor.redact("https://host.example/path-1 <secret-1> name-1 <secret-2>"),
            "https://host.example/[redacted] <[redacted]> name-1 <[redacted]>"
        );
    }
}
