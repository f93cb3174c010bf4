//! What must not be quoted: secrets are taken out of each text from outside before an error or a log keeps it.

use std::fmt;

use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::endpoint::ENCODED;

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// Shorter texts are no secrets: taking them out would spoil what the service says.
const LEAST: usize = 6;

/// The secrets of a request, which the service or an HTTP client may echo: see [`Endpoint::secrets`](crate::Endpoint::secrets).
#[derive(Clone, Default)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Adds a text, and what it looks like inside a URL that may be inside another. One of fewer than 6 bytes is not looked for.
    pub fn push(&mut self, secret: &str) {
        self.push_form(secret);
        for set in [ENCODED, NON_ALPHANUMERIC] {
            let once = utf8_percent_encode(secret, set).to_string();
            self.push_form(&once);
            self.push_form(&utf8_percent_encode(&once, set).to_string());
        }
    }

    fn push_form(&mut self, form: &str) {
        let known = |known: &SecretString| known.expose_secret() == form;
        if form.len() >= LEAST && !self.0.iter().any(known) {
            self.0.push(SecretString::from(form));
        }
    }

    /// Adds what may be secret in a URL: user, password, query with each of its values, fragment.
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

    /// So many characters of the text without them.
    pub(crate) fn scrub(&self, text: &str, most: usize) -> String {
        let scrub = Scrub {
            request: self,
            ..Scrub::NOTHING
        };
        scrub.start(text, most)
    }

    /// A text and its parts, as they stand there and decoded.
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

/// By their number.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets([{}])", self.0.len())
    }
}

/// All that must not be quoted from an answer: the secrets of the session and of the request, and the token that it carried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrub<'a> {
    pub(crate) session: &'a Secrets,
    pub(crate) request: &'a Secrets,
    pub(crate) token: Option<&'a HeaderValue>,
}

impl Scrub<'_> {
    /// Nothing is known.
    pub(crate) const NOTHING: Scrub<'static> = Scrub {
        session: &Secrets(Vec::new()),
        request: &Secrets(Vec::new()),
        token: None,
    };

    /// The text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        if self.finds(&text) {
            self.start(&text, usize::MAX)
        } else {
            text
        }
    }

    /// So many characters of the text without secrets: what would be cut in two is taken out first.
    pub(crate) fn start(&self, text: &str, most: usize) -> String {
        let begins_a_secret = self.beginnings();
        let mut kept = String::with_capacity(text.len().min(most));
        let mut length = 0;
        let mut rest = text;
        while let Some(first) = rest.chars().next()
            && length < most
        {
            let here = begins_a_secret[usize::from(rest.as_bytes()[0])].then(|| self.all());
            let taken = here
                .into_iter()
                .flatten()
                .filter_map(|secret| length_at(rest, secret))
                .max();
            if taken.is_some() {
                kept.push_str(REDACTED);
                length += REDACTED.len();
            } else {
                kept.push(first);
                length += 1;
            }
            rest = &rest[taken.unwrap_or(first.len_utf8())..];
        }
        kept
    }

    /// Whether there is a secret in the text.
    pub(crate) fn finds(&self, text: &str) -> bool {
        let places = || text.char_indices().map(|(at, _)| &text[at..]);
        self.all()
            .any(|secret| places().any(|rest| length_at(rest, secret).is_some()))
    }

    /// Which bytes a secret may begin with, in any case; an escape may stand for any of them.
    fn beginnings(&self) -> [bool; 256] {
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
            .chain(token.filter(|token| token.len() >= LEAST))
    }
}

/// How long the secret is where the text begins with it, in any case and through any escapes of JSON and of a URL.
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

/// The rest of a text that begins with an escape, be it in a text in a text in a text; no further, so that a body of nothing
/// but backslashes costs no more than any other.
fn unescaped(text: &str) -> Option<&str> {
    let escapes = text.bytes().take(8).take_while(|&byte| byte == b'\\');
    match escapes.count() {
        0 => None,
        escapes => Some(&text[escapes..]),
    }
}

/// The rest of a text that begins with this character as a URL spells it: which characters it spells so is its own choice.
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

/// The rest of a text that begins with this character.
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

    fn scrubbed(secrets: &Secrets, text: &str, most: usize) -> String {
        let scrub = Scrub {
            request: secrets,
            ..Scrub::NOTHING
        };
        scrub.start(text, most)
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
                scrubbed(&secrets, &text, usize::MAX),
                "页 [redacted]!",
                "{echo}"
            );
        }
        let harmless = "https://host/path: n=1";
        assert_eq!(scrubbed(&secrets, harmless, usize::MAX), harmless);
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
            let kept = scrubbed(&secrets, &text, usize::MAX);
            assert_eq!(kept, "%zz?secret=[redacted]&n=%", "{echo}");
        }
    }

    #[test]
    fn a_text_of_backslashes_is_looked_through_once() {
        let mut secrets = Secrets::default();
        secrets.push("canary-canary");
        let text = "\\".repeat(1 << 20) + "canary-canary";
        let kept = scrubbed(&secrets, &text, usize::MAX);
        assert!(kept.ends_with("[redacted]") && !kept.contains("canary"));
    }

    #[test]
    fn what_is_cut_off_is_looked_at_first() {
        let mut secrets = Secrets::default();
        secrets.push("canary-canary");
        for most in 0..40 {
            let kept = scrubbed(&secrets, "before canary-canary canary-canary", most);
            assert!(!kept.contains("canary"), "{kept}");
        }
        assert_eq!(scrubbed(&secrets, "before canary-", 9), "before ca");
    }

    #[test]
    fn the_longest_of_several_is_taken_out() {
        let mut secrets = Secrets::default();
        secrets.push("canary");
        secrets.push("canary-and-more");
        assert_eq!(scrubbed(&secrets, "canary-and-more", 99), REDACTED);
    }
}
