//! Signed callback URLs: the service does not sign its callbacks, so the URL that it is given carries a tag.
//!
//! The signer adds three parameters to a URL: `pan123_id`, the caller's id; `pan123_key`, the id of the key; and `pan123_tag`, the
//! HMAC-SHA256 of `pan123-callback-v1`, the key's id and the caller's id, joined by line feeds, in base64url without padding.
//! The tag does not cover host, path, other parameters and body: proxies rewrite the first three, the service writes the body.

use std::borrow::Cow;
use std::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Uri};
use percent_encoding::{percent_decode, utf8_percent_encode};
use sha2::Sha256;

use super::{CallbackNotice, CallbackOutcome, CallbackRefusal};
use crate::error::{BuildError, UrlFault};
use crate::wire::http_url::check_http_url;
use crate::wire::request::RESERVED;

const ID: &str = "pan123_id";
const KEY: &str = "pan123_key";
const TAG: &str = "pan123_tag";
/// Domain separation: a tag is not valid for any other use of the same key.
const CONTEXT: &str = "pan123-callback-v1";
const TAG_BYTES: usize = 32;
const MIN_SECRET_BYTES: usize = 32;
const MAX_KEY_ID_BYTES: usize = 32;

/// Signs callback URLs, and verifies the callbacks that arrive on them.
///
/// Even a verified callback is only a hint. The tag proves that the sender knows a URL that you signed, as the service does and
/// anyone who can read its logs or yours; it does not vouch for the body. The URL is valid for as long as its key, so a callback
/// may arrive late, or many times: [nudge](crate::offline::WatchHandle::nudge) the watch of its id if there still is one, and
/// respond with 200 in any case. A nudged watch polls once, at the pace of its session.
///
/// ```
/// use pan123_proto::offline::{CallbackKey, CallbackRefusal, CallbackSigner, Download};
///
/// // 32 random bytes or a text made from them (`openssl rand -base64 32`), stored across restarts.
/// let secret = "wm5bqK0T0Yc3L0lq0lGx0m1l2s0V8n5u3r0aXg7d9fE=";
/// let signer = CallbackSigner::new([CallbackKey::new("2026-11", secret)?])?;
/// let url = signer.sign("https://bot.example.org/pan123?chat=7", "job 42")?;
/// let download = Download::new("https://example.com/video.mp4")?.callback(&url)?;
///
/// let body = r#"{"url":"https://example.com/video.mp4","status":0,"fileID":100}"#;
/// let request = http::Request::post(&url).body(body)?;
/// let callback = signer.verify(&request)?;
/// assert_eq!(callback.id, "job 42"); // nudge the watch of job 42
///
/// let forged = http::Request::post(url.replace("job", "jab")).body(body)?;
/// assert!(matches!(signer.verify(&forged), Err(CallbackRefusal::WrongTag)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct CallbackSigner {
    signing_key: CallbackKey,
    /// Keys that only verify.
    other_keys: Vec<CallbackKey>,
}

/// A key that signs callback URLs, and its id.
///
/// The secret itself is not stored, only the hash states derived from it. They are wiped on drop, and never printed.
#[derive(Clone)]
pub struct CallbackKey {
    id: String,
    /// Already fed with the context and the id.
    mac: Hmac<Sha256>,
}

/// A callback whose URL carries a valid tag. Its notice is still only a hint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCallback {
    /// The id that the URL was signed for.
    pub id: String,
    /// The notice in the body.
    pub notice: CallbackNotice,
}

impl CallbackSigner {
    /// The maximum length of an id, in bytes.
    pub const MAX_ID_BYTES: usize = 256;

    /// The maximum length of a body, in bytes. A server need not read more: a longer body is a
    /// [`CallbackRefusal::BodyTooLong`].
    pub const MAX_BODY_BYTES: usize = CallbackNotice::MAX_BODY_BYTES;

    /// Creates a signer. The first key signs; all keys verify. To change the key, put the new one first, and remove the old one
    /// when all tasks that were created with it have ended.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] without a key, or if two have the same id.
    pub fn new(keys: impl IntoIterator<Item = CallbackKey>) -> Result<CallbackSigner, BuildError> {
        let mut keys = keys.into_iter();
        let Some(signing_key) = keys.next() else {
            return Err(setting("the number of callback keys", "0", "give one"));
        };
        let signer = CallbackSigner {
            signing_key,
            other_keys: keys.collect(),
        };
        for (index, key) in signer.keys().enumerate() {
            if signer
                .keys()
                .skip(index + 1)
                .any(|other| other.id == key.id)
            {
                let given = format!("`{}` twice", key.id);
                return Err(setting(
                    "the id of a callback key",
                    given,
                    "give each its own",
                ));
            }
        }
        Ok(signer)
    }

    /// Returns the URL with the id and its tag added to the query, for
    /// [`Download::callback`](crate::offline::Download::callback). The rest of the URL is unchanged, and not covered by the tag.
    /// The id is not encrypted.
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`] as for [`Download::callback`](crate::offline::Download::callback), and if the URL already has one of
    /// the signer's parameters; [`BuildError::Setting`] if the id is empty or longer than [`MAX_ID_BYTES`](Self::MAX_ID_BYTES).
    pub fn sign(&self, url: &str, id: &str) -> Result<String, BuildError> {
        let what = "callback URL";
        check_http_url(what, url)?;
        if !is_id(id) {
            let given = format!("{} bytes long", id.len());
            return Err(setting("the callback's id", given, "1 to 256 bytes"));
        }
        let (rest, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        let separator = match rest.split_once('?') {
            None => "?",
            Some((_, query)) => {
                let mut parameters = parameters(query).into_iter();
                if let Some(parameter) = parameters.find(|parameter| parameter.count > 0) {
                    let fault = UrlFault::Reserved(parameter.name);
                    return Err(BuildError::Url { what, fault });
                }
                if query.is_empty() || query.ends_with('&') {
                    ""
                } else {
                    "&"
                }
            }
        };
        let (key, tag) = (&self.signing_key.id, self.signing_key.tag(id));
        let id = utf8_percent_encode(id, RESERVED);
        Ok(format!(
            "{rest}{separator}{ID}={id}&{KEY}={key}&{TAG}={tag}{fragment}"
        ))
    }

    /// Verifies a request to a signed URL, and parses its body. The tag is checked first, in constant time.
    ///
    /// Only the decoded values of the three parameters count: neither their order nor the spelling of a character (`%7E` or `~`,
    /// `%20` or `+`) matters. A notice with an undocumented status is refused, and the refusal holds the callback; the refusal of a body that cannot
    /// be read has the [id](CallbackRefusal::id), so that its watch can be nudged all the same.
    ///
    /// # Errors
    ///
    /// [`CallbackRefusal`], for the program's own log: respond with [`CallbackRefusal::STATUS`] in any case.
    pub fn verify<B: AsRef<[u8]>>(
        &self,
        request: &Request<B>,
    ) -> Result<VerifiedCallback, CallbackRefusal> {
        let id = self.verify_head(request.method(), request.uri())?;
        let body = request.body().as_ref();
        if body.len() > Self::MAX_BODY_BYTES {
            return Err(CallbackRefusal::BodyTooLong { id });
        }
        if !may_be_json(request.headers()) {
            return Err(CallbackRefusal::ContentType { id });
        }
        let notice = match CallbackNotice::parse(body) {
            Ok(notice) => notice,
            Err(error) => return Err(CallbackRefusal::Body { id, error }),
        };
        let is_unknown = matches!(notice.outcome, CallbackOutcome::Other { .. });
        let callback = VerifiedCallback { id, notice };
        if is_unknown {
            return Err(CallbackRefusal::UnknownStatus(callback));
        }
        Ok(callback)
    }

    /// Verifies a request whose body did not arrive in full, and returns the id that its URL was signed for. The watch of that id may be
    /// [nudged](crate::offline::WatchHandle::nudge).
    ///
    /// # Errors
    ///
    /// [`CallbackRefusal`] as for [`verify`](Self::verify).
    pub fn verify_head(&self, method: &Method, uri: &Uri) -> Result<String, CallbackRefusal> {
        let id = self.verified_id(uri.query().unwrap_or(""))?;
        if method != Method::POST {
            return Err(CallbackRefusal::Method);
        }
        Ok(id)
    }

    fn verified_id(&self, query: &str) -> Result<String, CallbackRefusal> {
        let [id, key, tag] = parameters(query);
        let (id, key, tag) = (id.single()?, key.single()?, tag.single()?);
        let id = decode_form_value(id)
            .filter(|id| is_id(id))
            .ok_or(CallbackRefusal::Malformed(ID))?;
        let key = decode_form_value(key)
            .filter(|key| is_key_id(key))
            .ok_or(CallbackRefusal::Malformed(KEY))?;
        // No letter of a tag is encoded, unless a proxy did so.
        let tag = decode_tag(tag)
            .or_else(|| decode_tag(&*decode_form_value(tag)?))
            .ok_or(CallbackRefusal::Malformed(TAG))?;
        let key = self
            .keys()
            .find(|known| known.id == key)
            .ok_or(CallbackRefusal::UnknownKey)?;
        match key.mac(&id).verify_slice(&tag) {
            Ok(()) => Ok(id.into_owned()),
            Err(_) => Err(CallbackRefusal::WrongTag),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &CallbackKey> {
        [&self.signing_key].into_iter().chain(&self.other_keys)
    }
}

impl CallbackKey {
    /// Creates a key from a secret of at least 32 bytes, which must come from the system's source of randomness. The id appears in
    /// every URL that the key signs: 1 to 32 of the letters `A` to `Z` and `a` to `z`, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] if the secret is shorter or the id is invalid.
    pub fn new(id: impl Into<String>, secret: impl AsRef<[u8]>) -> Result<CallbackKey, BuildError> {
        let (id, secret) = (id.into(), secret.as_ref());
        if !is_key_id(&id) {
            // Not quoted: it may be the secret by mistake.
            let given = format!("{} bytes long, or has other characters", id.len());
            let allowed = "1 to 32 of A-Z, a-z, 0-9, `-`, `_` and `.`";
            return Err(setting("the id of a callback key", given, allowed));
        }
        let too_short = || {
            let given = format!("{} bytes long", secret.len());
            setting("the callback key", given, "give at least 32 random bytes")
        };
        if secret.len() < MIN_SECRET_BYTES {
            return Err(too_short());
        }
        // Cannot fail: HMAC accepts a key of any length.
        let mac = Hmac::new_from_slice(secret).map_err(|_| too_short())?;
        // No id of a key contains a line feed, so no other pair of ids yields the same bytes.
        let mac = mac.chain_update(format!("{CONTEXT}\n{id}\n"));
        Ok(CallbackKey { id, mac })
    }

    fn tag(&self, id: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.mac(id).finalize().into_bytes())
    }

    fn mac(&self, id: &str) -> Hmac<Sha256> {
        self.mac.clone().chain_update(id)
    }
}

/// Leaves out the secret.
impl fmt::Debug for CallbackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn setting(what: &'static str, given: impl Into<String>, allowed: &'static str) -> BuildError {
    let given = given.into();
    BuildError::Setting {
        what,
        given,
        allowed,
    }
}

fn is_id(id: &str) -> bool {
    (1..=CallbackSigner::MAX_ID_BYTES).contains(&id.len())
}

fn is_key_id(id: &str) -> bool {
    (1..=MAX_KEY_ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A parameter of the signer: how often a query has it, and the last value there, still encoded.
struct Parameter<'q> {
    name: &'static str,
    count: usize,
    value: &'q [u8],
}

impl<'q> Parameter<'q> {
    fn single(self) -> Result<&'q [u8], CallbackRefusal> {
        match self.count {
            0 => Err(CallbackRefusal::Missing(self.name)),
            1 => Ok(self.value),
            _ => Err(CallbackRefusal::Repeated(self.name)),
        }
    }
}

fn parameters(query: &str) -> [Parameter<'_>; 3] {
    const NAMES: [&str; 3] = [ID, KEY, TAG];
    let mut parameters = NAMES.map(|name| Parameter {
        name,
        count: 0,
        value: &[],
    });
    let index = |given: &[u8]| NAMES.iter().position(|name| name.as_bytes() == given);
    for pair in query.as_bytes().split(|byte| *byte == b'&') {
        let mut pair = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (pair.next().unwrap_or(&[]), pair.next().unwrap_or(&[]));
        // The name may be percent-encoded.
        if let Some(index) = index(name).or_else(|| index(&Cow::from(percent_decode(name)))) {
            parameters[index].count += 1;
            parameters[index].value = value;
        }
    }
    parameters
}

/// Decodes a form value: proxies that parse a query and write it again encode a space as `+`.
fn decode_form_value(value: &[u8]) -> Option<Cow<'_, str>> {
    if !value.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return str::from_utf8(value).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(value.len() + 1);
    for word in value.split(|byte| *byte == b'+') {
        decoded.extend(percent_decode(word));
        decoded.push(b' ');
    }
    decoded.pop();
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// Decodes base64url, in which each tag has one spelling. How long it takes depends only on what the sender sent: it is the comparison
/// that must take constant time.
fn decode_tag(tag: impl AsRef<[u8]>) -> Option<[u8; TAG_BYTES]> {
    let mut bytes = [0; TAG_BYTES];
    let length = BASE64_URL_SAFE_NO_PAD.decode_slice(tag, &mut bytes).ok()?;
    (length == TAG_BYTES).then_some(bytes)
}

/// Accepts JSON types, the defaults of HTTP clients, and no type: which one the service sends is not documented.
fn may_be_json(headers: &HeaderMap) -> bool {
    const CLIENT_DEFAULTS: [&str; 3] = [
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "text/plain",
    ];
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    if value == "application/json" {
        return true;
    }
    let value = value.to_str().unwrap_or("unreadable");
    let kind = value.split(';').next().unwrap_or("").trim();
    let ends_with = |end: &str| {
        let start = kind.len().checked_sub(end.len());
        let found = start.and_then(|start| kind.get(start..));
        found.is_some_and(|found| found.eq_ignore_ascii_case(end))
    };
    let is_default = |default: &&str| kind.eq_ignore_ascii_case(default);
    kind.is_empty()
        || ends_with("/json")
        || ends_with("+json")
        || CLIENT_DEFAULTS.iter().any(is_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_matches_another_implementation() {
        // python3: base64.urlsafe_b64encode(hmac.new(b"0123456789abcdef0123456789abcdef",
        //     "pan123-callback-v1\nk1\njob 42/影".encode(), "sha256").digest()).rstrip(b"=")
        let key = CallbackKey::new("k1", b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(
            key.tag("job 42/影"),
            "-pHkByl8bGXIlH5Fo6U2Jnp19jXfJ7mgcoSQsKCFxAM"
        );
        // The same with the key id "2026-11", the id "a", and a secret longer than a block: bytes(range(100)).
        let long: Vec<u8> = (0..100).collect();
        let key = CallbackKey::new("2026-11", long).unwrap();
        assert_eq!(key.tag("a"), "f2RD4awtoj5hpzn2dJOvaG1q27ntv8xeXVsboPgQqPM");
    }

    #[test]
    fn tag_has_one_spelling() {
        let bytes = decode_tag("A".repeat(43)).unwrap();
        assert_eq!(bytes, [0; 32]);
        // The last of 43 characters carries 4 bits; the other 2 must be zero.
        for last in ["B", "C", "D", "=", "A=", "AA", ""] {
            assert_eq!(decode_tag(format!("{}{last}", "A".repeat(42))), None);
        }
        assert!(decode_tag(format!("{}E", "A".repeat(42))).is_some());
        for other in ["+", "/", " ", "\n", "é"] {
            assert_eq!(decode_tag(format!("{other}{}", "A".repeat(42))), None);
        }
    }
}
