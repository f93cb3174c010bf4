//! Callback URLs that prove themselves: the service signs nothing, so the URL that it was given carries a tag.
//!
//! Three parameters are added to a URL: `pan123_id`, the caller's id; `pan123_key`, the id of the key; and `pan123_tag`, which is
//! HMAC-SHA256 over `pan123-callback-v1`, the key's id and the caller's id, joined by line feeds, in base64url without padding.
//! Host, path, the other parameters and the body are not covered: proxies rewrite the first three, the service writes the last.

use std::borrow::Cow;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use super::{CallbackNotice, CallbackOutcome, CallbackRefusal};
use crate::error::{BuildError, UrlFault};
use crate::wire::http_url::check_http_url;

const ID: &str = "pan123_id";
const KEY: &str = "pan123_key";
const TAG: &str = "pan123_tag";
/// Keeps a tag from meaning anything to another use of the same key.
const CONTEXT: &str = "pan123-callback-v1";
const TAG_BYTES: usize = 32;
const LEAST_SECRET: usize = 32;
const LONGEST_KEY_ID: usize = 32;

/// Makes callback URLs and tells the callbacks that come in on them from forged ones.
///
/// Even a verified callback is a nudge only: the tag says that the sender holds a URL of yours, which the service, and whoever
/// reads its logs or yours, does. What the body says is nobody's word until a watch confirms it. The URL is good for as long as its
/// key is, so a callback may come twice, late, or a hundred times: [nudge](super::WatchHandle::nudge) the watch of this id if there
/// is one still, and answer 200 in any case. A nudged watch asks once, at the pace of its session.
///
/// ```
/// use pan123_proto::offline::{CallbackKey, CallbackRefusal, CallbackSigner, Download};
///
/// // 32 random bytes, or a text made of them (`openssl rand -base64 32`), that outlives the process.
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
    signs: CallbackKey,
    verifies_too: Vec<CallbackKey>,
}

/// A secret that callback URLs are signed with, and the name that it goes by.
///
/// The secret itself is not kept, only the hash states that are made of it; they are wiped in the end, and never shown.
#[derive(Clone)]
pub struct CallbackKey {
    id: String,
    mac: Hmac<Sha256>,
}

/// A callback whose URL was signed by this program. Its notice is a hint still.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCallback {
    /// The id that the URL was signed for.
    pub id: String,
    /// What the sender says of the end of the task.
    pub notice: CallbackNotice,
}

impl CallbackSigner {
    /// The longest id, in bytes.
    pub const MAX_ID_BYTES: usize = 256;

    /// The longest body that is looked at, in bytes. A server need not read more; to one that stops there [`CallbackRefusal::BodyTooLong`]
    /// is the name of it.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;

    /// The first key signs, all of them verify. To change the key put the new one first and keep the old one until no task is left
    /// that was created with it.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] without a key, or if two have the same id.
    pub fn new(keys: impl IntoIterator<Item = CallbackKey>) -> Result<CallbackSigner, BuildError> {
        let mut keys = keys.into_iter();
        let Some(signs) = keys.next() else {
            return Err(setting("the number of callback keys", "0", "give one"));
        };
        let verifies_too: Vec<_> = keys.collect();
        let signer = CallbackSigner {
            signs,
            verifies_too,
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

    /// This URL with the id and its tag added to the query, for [`Download::callback`](super::Download::callback). All else in it stays
    /// as it is, and none of it is covered by the tag. The id may be read by whoever sees the URL.
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`] as for [`Download::callback`](super::Download::callback), and if a parameter of the signer's is in it already;
    /// [`BuildError::Setting`] if the id is empty or longer than [`MAX_ID_BYTES`](Self::MAX_ID_BYTES).
    pub fn sign(&self, url: &str, id: &str) -> Result<String, BuildError> {
        let what = "callback URL";
        check_http_url(what, url)?;
        if !is_id(id) {
            let given = format!("{} bytes long", id.len());
            return Err(setting("the callback's id", given, "1 to 256 bytes"));
        }
        let (rest, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        let joint = match rest.split_once('?') {
            None => "?",
            Some((_, query)) => {
                if let Some(name) = [ID, KEY, TAG].into_iter().find(|name| names(query, name)) {
                    let fault = UrlFault::Reserved(name);
                    return Err(BuildError::Url { what, fault });
                }
                if query.is_empty() || query.ends_with('&') {
                    ""
                } else {
                    "&"
                }
            }
        };
        let (key, tag) = (&self.signs.id, self.signs.tag(id));
        let id = utf8_percent_encode(id, RESERVED);
        Ok(format!(
            "{rest}{joint}{ID}={id}&{KEY}={key}&{TAG}={tag}{fragment}"
        ))
    }

    /// Reads a request that came in on a signed URL, or says why it is refused. The tag is checked first, in constant time, and
    /// nothing of the body is looked at before it was found good.
    ///
    /// Two requests are the same if the decoded values of the three parameters are: their order, and another way to write the same
    /// characters (`%7E` or `~`, `%20` or `+`), change nothing. A status number that the documentation does not know is a refusal,
    /// which brings the callback along.
    ///
    /// # Errors
    ///
    /// [`CallbackRefusal`], which is for the program's own log: the sender is answered [`CallbackRefusal::STATUS`], whatever it was.
    pub fn verify<B: AsRef<[u8]>>(
        &self,
        request: &Request<B>,
    ) -> Result<VerifiedCallback, CallbackRefusal> {
        let id = self.authentic_id(request.uri().query().unwrap_or(""))?;
        if request.method() != Method::POST {
            return Err(CallbackRefusal::Method);
        }
        let body = request.body().as_ref();
        if body.len() > Self::MAX_BODY_BYTES {
            return Err(CallbackRefusal::BodyTooLong);
        }
        if !may_hold_json(request.headers()) {
            return Err(CallbackRefusal::ContentType);
        }
        let notice = CallbackNotice::parse(body)?;
        let unknown = matches!(notice.outcome, CallbackOutcome::Other { .. });
        let callback = VerifiedCallback { id, notice };
        if unknown {
            return Err(CallbackRefusal::UnknownStatus(callback));
        }
        Ok(callback)
    }

    fn authentic_id(&self, query: &str) -> Result<String, CallbackRefusal> {
        let id = the_only(query, ID)?;
        let key = the_only(query, KEY)?;
        let tag = the_only(query, TAG)?;
        let id = decoded(id)
            .filter(|id| is_id(id))
            .ok_or(CallbackRefusal::Malformed(ID))?;
        let key = decoded(key)
            .filter(|key| is_key_id(key))
            .ok_or(CallbackRefusal::Malformed(KEY))?;
        let tag = decoded(tag)
            .and_then(|tag| tag_bytes(&tag))
            .ok_or(CallbackRefusal::Malformed(TAG))?;
        let key = self
            .keys()
            .find(|known| known.id == key)
            .ok_or(CallbackRefusal::UnknownKey)?;
        match key.mac(&id).verify_slice(&tag) {
            Ok(()) => Ok(id),
            Err(_) => Err(CallbackRefusal::WrongTag),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &CallbackKey> {
        [&self.signs].into_iter().chain(&self.verifies_too)
    }
}

impl CallbackKey {
    /// A key of at least 32 bytes, which nobody can guess: take them from the system's source of randomness. Its id stands in
    /// every URL that it signs: 1 to 32 of the letters `A` to `Z` and `a` to `z`, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] if it is shorter, or if its id is none.
    pub fn new(id: impl Into<String>, secret: impl AsRef<[u8]>) -> Result<CallbackKey, BuildError> {
        let (id, secret) = (id.into(), secret.as_ref());
        if !is_key_id(&id) {
            // Not quoted: it may be the secret, by mistake.
            let given = format!("{} bytes long, or of other characters", id.len());
            let allowed = "1 to 32 of A-Z, a-z, 0-9, `-`, `_` and `.`";
            return Err(setting("the id of a callback key", given, allowed));
        }
        let weak = || {
            let given = format!("{} bytes long", secret.len());
            setting("the callback key", given, "give at least 32 random bytes")
        };
        if secret.len() < LEAST_SECRET {
            return Err(weak());
        }
        // Never so: HMAC takes a key of any length.
        let mac = Hmac::new_from_slice(secret).map_err(|_| weak())?;
        Ok(CallbackKey { id, mac })
    }

    fn tag(&self, id: &str) -> String {
        Base64UrlUnpadded::encode_string(&self.mac(id).finalize().into_bytes())
    }

    fn mac(&self, id: &str) -> Hmac<Sha256> {
        let mac = self.mac.clone();
        // A key's id holds no line feed, so that no other pair makes the same bytes.
        mac.chain_update(CONTEXT)
            .chain_update("\n")
            .chain_update(&self.id)
            .chain_update("\n")
            .chain_update(id)
    }
}

/// Without the secret.
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

/// All but the characters that no one has a reason to write otherwise.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn is_id(id: &str) -> bool {
    (1..=CallbackSigner::MAX_ID_BYTES).contains(&id.len())
}

fn is_key_id(id: &str) -> bool {
    (1..=LONGEST_KEY_ID).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// The values of a parameter as they stand in the query; its name may be percent-encoded.
fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q str> {
    query.split('&').filter_map(move |pair| {
        let (given, value) = pair.split_once('=').unwrap_or((pair, ""));
        percent_decode_str(given).eq(name.bytes()).then_some(value)
    })
}

fn names(query: &str, name: &str) -> bool {
    values(query, name).next().is_some()
}

fn the_only<'q>(query: &'q str, name: &'static str) -> Result<&'q str, CallbackRefusal> {
    let mut values = values(query, name);
    match (values.next(), values.next()) {
        (None, _) => Err(CallbackRefusal::Missing(name)),
        (Some(value), None) => Ok(value),
        (Some(_), Some(_)) => Err(CallbackRefusal::Repeated(name)),
    }
}

/// A value as a form has it: proxies that take a query apart and put it together again write a space as `+`.
fn decoded(value: &str) -> Option<String> {
    let value = value.replace('+', " ");
    let text = percent_decode_str(&value).decode_utf8().ok();
    text.map(Cow::into_owned)
}

fn tag_bytes(tag: &str) -> Option<[u8; TAG_BYTES]> {
    let mut bytes = [0; TAG_BYTES];
    let length = Base64UrlUnpadded::decode(tag, &mut bytes).ok()?.len();
    (length == TAG_BYTES).then_some(bytes)
}

/// Nobody has said what type the service sends: those that a client puts to JSON, knowingly or by default, and none at all.
fn may_hold_json(headers: &HeaderMap) -> bool {
    const BY_DEFAULT: [&str; 3] = [
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "text/plain",
    ];
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let value = value.to_str().unwrap_or("unreadable");
    let kind = value.split(';').next().unwrap_or("").trim();
    let kind = kind.to_ascii_lowercase();
    kind.is_empty()
        || kind.ends_with("/json")
        || kind.ends_with("+json")
        || BY_DEFAULT.contains(&kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_one_that_another_program_computes() {
        // python3: base64.urlsafe_b64encode(hmac.new(b"0123456789abcdef0123456789abcdef",
        //     "pan123-callback-v1\nk1\njob 42/影".encode(), "sha256").digest()).rstrip(b"=")
        let key = CallbackKey::new("k1", b"0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(
            key.tag("job 42/影"),
            "-pHkByl8bGXIlH5Fo6U2Jnp19jXfJ7mgcoSQsKCFxAM"
        );
        // The same with the key id "2026-11", the id "a", and a key longer than a block: bytes(range(100)).
        let long: Vec<u8> = (0..100).collect();
        let key = CallbackKey::new("2026-11", long).unwrap();
        assert_eq!(key.tag("a"), "f2RD4awtoj5hpzn2dJOvaG1q27ntv8xeXVsboPgQqPM");
    }

    #[test]
    fn a_tag_has_one_spelling() {
        let bytes = tag_bytes(&"A".repeat(43)).unwrap();
        assert_eq!(bytes, [0; 32]);
        // The last of 43 characters carries 4 bits; the other 2 must be nought.
        for last in ["B", "C", "D", "=", "A=", "AA", ""] {
            assert_eq!(tag_bytes(&format!("{}{last}", "A".repeat(42))), None);
        }
        assert!(tag_bytes(&format!("{}E", "A".repeat(42))).is_some());
        for other in ["+", "/", " ", "\n", "é"] {
            assert_eq!(tag_bytes(&format!("{other}{}", "A".repeat(42))), None);
        }
    }
}
