//! Redaction: secrets are removed from every text from outside before an error or a log keeps it.

use std::error::Error;
use std::fmt;

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::request::RESERVED;
use crate::error::TransportError;
use crate::text::{Escaped, is_invisible};

/// What replaces a secret.
const REDACTED: &str = "[redacted]";

/// Shorter texts are not treated as secrets: removing them would garble the service's messages.
const MIN_LENGTH: usize = 6;

/// The secrets of a request, which the service or an HTTP client may echo; see [`Endpoint::secrets`](crate::Endpoint::secrets).
#[derive(Clone, Default)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Adds a secret, also in the forms it takes inside a URL, and inside a URL in a URL. Fewer than 6 bytes are ignored.
    pub fn push(&mut self, secret: &str) {
        self.push_form(secret);
        for set in [RESERVED, NON_ALPHANUMERIC] {
            let once = utf8_percent_encode(secret, set).to_string();
            self.push_form(&once);
            self.push_form(&utf8_percent_encode(&once, set).to_string());
        }
    }

    fn push_form(&mut self, form: &str) {
        let known = |known: &SecretString| known.expose_secret() == form;
        if form.len() >= MIN_LENGTH && !self.0.iter().any(known) {
            self.0.push(SecretString::from(form));
        }
    }

    /// Adds the parts of a URL that may be secret: user, password, the query and each of its values, and the fragment.
    pub fn push_url(&mut self, url: &str) {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if let Some((user, _)) = rest.rsplit_once('@') {
            self.push_parts(user, &[':']);
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (_, query) = rest.split_once('?').unwrap_or((rest, ""));
        self.push_parts(query, &['&', ';']);
        self.push_parts(fragment, &['&', ';']);
    }

    /// Returns at most `max` characters of the text, without the secrets.
    pub(crate) fn redact(&self, text: &str, max: usize) -> String {
        let redactor = Redactor {
            request: self,
            ..Redactor::NOTHING
        };
        redactor.redact_prefix(text, max)
    }

    /// Adds a text and its parts, as they are and decoded.
    fn push_parts(&mut self, text: &str, between: &[char]) {
        self.push(text);
        for part in text.split(between) {
            self.push(part);
            let value = part.split_once('=').map_or(part, |(_, value)| value);
            self.push(value);
            self.push(&percent_decode_str(value).decode_utf8_lossy());
        }
    }
}

/// Shows the number of secrets only.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets([{}])", self.0.len())
    }
}

/// Redacts the secrets of a session and of a request, and the token that the request carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redactor<'a> {
    pub(crate) session: &'a Secrets,
    pub(crate) request: &'a Secrets,
    pub(crate) token: Option<&'a HeaderValue>,
}

impl Redactor<'_> {
    /// Knows no secrets.
    pub(crate) const NOTHING: Redactor<'static> = Redactor {
        session: &Secrets(Vec::new()),
        request: &Secrets(Vec::new()),
        token: None,
    };

    /// Returns the text without secrets.
    pub(crate) fn redact(&self, text: String) -> String {
        if self.contains_secret(&text) {
            self.redact_prefix(&text, usize::MAX)
        } else {
            text
        }
    }

    /// Returns at most `max` characters of the text, without secrets. They are removed before the text is cut, so that no part of
    /// one remains.
    pub(crate) fn redact_prefix(&self, text: &str, max: usize) -> String {
        let may_start_secret = self.first_bytes();
        let mut kept = String::with_capacity(text.len().min(max));
        let mut length = 0;
        let mut rest = text;
        while let Some(first) = rest.chars().next()
            && length < max
        {
            let candidates = may_start_secret[usize::from(rest.as_bytes()[0])].then(|| self.all());
            let matched = candidates
                .into_iter()
                .flatten()
                .filter_map(|secret| length_at(rest, secret))
                .max();
            if matched.is_some() {
                kept.push_str(REDACTED);
                length += REDACTED.len();
            } else {
                kept.push(first);
                length += 1;
            }
            rest = &rest[matched.unwrap_or(first.len_utf8())..];
        }
        kept
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
        if !is_safe || self.contains_secret(&text) || self.contains_secret(&shown) {
            let text = Escaped(&self.redact(text)).to_string();
            return error.with_source_text(text);
        }
        error
    }

    /// Whether the text contains a secret.
    pub(crate) fn contains_secret(&self, text: &str) -> bool {
        let places = || text.char_indices().map(|(at, _)| &text[at..]);
        self.all()
            .any(|secret| places().any(|rest| length_at(rest, secret).is_some()))
    }

    /// The bytes that a secret may start with, in either case; an escape may stand for any of them.
    fn first_bytes(&self) -> [bool; 256] {
        let mut found = [false; 256];
        found[usize::from(b'\\')] = true;
        found[usize::from(b'%')] = true;
        found[usize::from(b'+')] = true;
        for first in self.all().filter_map(|secret| secret.bytes().next()) {
            found[usize::from(first.to_ascii_lowercase())] = true;
            found[usize::from(first.to_ascii_uppercase())] = true;
        }
        found
    }

    fn all(&self) -> impl Iterator<Item = &str> {
        let token = self.token.and_then(|header| header.to_str().ok());
        let token = token.and_then(|header| header.strip_prefix("Bearer "));
        let known = self.session.0.iter().chain(&self.request.0);
        known
            .map(ExposeSecret::expose_secret)
            .chain(token.filter(|token| token.len() >= MIN_LENGTH))
    }
}

/// Returns the length of the secret at the start of the text, in either case and through the escapes of JSON and URLs.
fn length_at(text: &str, secret: &str) -> Option<usize> {
    let mut rest = text;
    for expected in secret.chars() {
        let plain = after(rest, expected).or_else(|| after_percents(rest, expected));
        rest = plain.or_else(|| {
            let unescaped = unescaped(rest)?;
            after(unescaped, expected).or_else(|| {
                let (digits, after) = unescaped.strip_prefix('u')?.split_at_checked(4)?;
                let number = u32::from_str_radix(digits, 16).ok()?;
                (char::from_u32(number) == Some(expected)).then_some(after)
            })
        })?;
    }
    Some(text.len() - rest.len())
}

/// Skips the escapes at the start of the text, up to those of a string in a string in a string: a body of nothing but
/// backslashes must not cost more than any other.
fn unescaped(text: &str) -> Option<&str> {
    let escapes = text.bytes().take(8).take_while(|&byte| byte == b'\\');
    match escapes.count() {
        0 => None,
        escapes => Some(&text[escapes..]),
    }
}

/// Skips this character, percent-encoded: which characters are encoded is up to whoever wrote the URL.
fn after_percents(text: &str, expected: char) -> Option<&str> {
    if expected == ' ' && text.starts_with('+') {
        return Some(&text[1..]);
    }
    if !text.starts_with('%') {
        return None;
    }
    let mut rest = text;
    for &byte in expected.encode_utf8(&mut [0; 4]).as_bytes() {
        let (digits, after) = rest.strip_prefix('%')?.split_at_checked(2)?;
        let found = u8::from_str_radix(digits, 16).ok()?;
        if !found.eq_ignore_ascii_case(&byte) {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// Skips this character.
fn after(text: &str, expected: char) -> Option<&str> {
    let mut rest = text.chars();
    let first = rest.next()?;
    first
        .eq_ignore_ascii_case(&expected)
        .then_some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(secrets: &Secrets, text: &str, max: usize) -> String {
        let redactor = Redactor {
            request: secrets,
            ..Redactor::NOTHING
        };
        redactor.redact_prefix(text, max)
    }

    #[test]
    fn every_form_of_a_secret_is_taken_out() {
        let mut secrets = Secrets::default();
        secrets.push_url("https://user:pass/word@host/path?sig=a%2Bb%2Fc%3D%3D&n=1#fragment");
        for echo in [
            "sig=a%2Bb%2Fc%3D%3D&n=1",
            "sig=a%2Bb%2Fc%3D%3D",
            "a%2Bb%2Fc%3D%3D",
            "a%252Bb%252Fc%253D%253D",
            "a+b/c==",
            "a+b\\/c==",
            r"a+b\\\/c==",
            r"a\u002Bb\u002fc\u003d\u003D",
            "a%2bb%2fc%3d%3d",
            "user:pass/word",
            "pass/word",
            "fragment",
        ] {
            let text = format!("页 {echo}!");
            assert_eq!(
                redacted(&secrets, &text, usize::MAX),
                "页 [redacted]!",
                "{echo}"
            );
        }
        let harmless = "https://host/path: n=1";
        assert_eq!(redacted(&secrets, harmless, usize::MAX), harmless);
    }

    #[test]
    fn a_secret_is_taken_out_however_a_url_spells_it() {
        let mut secrets = Secrets::default();
        secrets.push("a-b.c_d~e f+g/h=页!");
        for echo in [
            "a-b.c_d~e f+g/h=页!",
            "a-b.c_d~e%20f%2Bg%2Fh%3D%E9%A1%B5%21",
            "a-b.c_d~e%20f%2bg%2fh%3d%e9%a1%b5!",
            "a-b.c_d~e+f%2Bg/h=页!",
            "a-b.c_d~e%2520f%252Bg%252Fh%253D%25E9%25A1%25B5%2521",
            "a%252Db%252Ec%255Fd%257Ee%2520f%252Bg%252Fh%253D%25E9%25A1%25B5%2521",
            "%61%2D%62%2E%63%5F%64%7E%65%20%66%2B%67%2F%68%3D%E9%A1%B5%21",
        ] {
            let text = format!("%zz?secret={echo}&n=%");
            let kept = redacted(&secrets, &text, usize::MAX);
            assert_eq!(kept, "%zz?secret=[redacted]&n=%", "{echo}");
        }
    }

    #[test]
    fn a_text_of_backslashes_is_looked_through_once() {
        let mut secrets = Secrets::default();
        secrets.push("canary-canary");
        let text = "\\".repeat(1 << 20) + "canary-canary";
        let kept = redacted(&secrets, &text, usize::MAX);
        assert!(kept.ends_with("[redacted]") && !kept.contains("canary"));
    }

    #[test]
    fn what_is_cut_off_is_looked_at_first() {
        let mut secrets = Secrets::default();
        secrets.push("canary-canary");
        for most in 0..40 {
            let kept = redacted(&secrets, "before canary-canary canary-canary", most);
            assert!(!kept.contains("canary"), "{kept}");
        }
        assert_eq!(redacted(&secrets, "before canary-", 9), "before ca");
    }

    #[test]
    fn source_of_a_transport_error_is_escaped() {
        let error = TransportError::interrupted("bad header `x\u{1b}[2J\n\u{202e}`");
        let error = Redactor::NOTHING.redact_transport_error(error);
        let source = error.source().expect("a source").to_string();
        assert_eq!(source, r"bad header `x\u{1b}[2J\n\u{202e}`");
    }

    #[test]
    fn the_longest_of_several_is_taken_out() {
        let mut secrets = Secrets::default();
        secrets.push("canary");
        secrets.push("canary-and-more");
        assert_eq!(redacted(&secrets, "canary-and-more", 99), REDACTED);
    }
}
