//! Requests of a forger's, made at random and made from good ones: none is let in, and each reason to refuse one is met.
#![allow(clippy::print_stdout, reason = "the counts are to be read")]

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use crate::support::callbacks::{NEW_SECRET, OLD_SECRET, posted, rotating, said, signer};
use fastrand::Rng;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use pan123_proto::offline::{CallbackRefusal, CallbackSigner};

const FORGERIES: usize = 100_000;
const SEED: u64 = 20_261_122;
/// Each reason must be met this often, or the forger did not get deep enough.
const OFTEN: usize = 100;

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// What a forger puts into a URL, besides letters.
const PIECES: [&str; 16] = [
    "&",
    "=",
    "%",
    "+",
    "%00",
    "%26",
    "%3D",
    "?",
    "/",
    "~",
    "%2",
    ";",
    "%E5%BD%B1",
    "&&",
    ".",
    "%ff",
];

/// What the forger works with: all that ever left the program, but none of its secrets.
struct Forger {
    rng: Rng,
    /// URLs that the program signed.
    good: Vec<String>,
    /// Signers with secrets of the forger's own, under the program's key ids and others.
    own: Vec<CallbackSigner>,
}

#[test]
fn no_forged_request_is_let_in() {
    let program = rotating();
    let mut forger = Forger::new();
    let signed: HashSet<_> = forger.good.iter().map(|url| said(url)).collect();
    let (mut refused, mut again) = (0, 0);
    let mut counts = BTreeMap::<&str, usize>::new();
    while refused < FORGERIES {
        let Some((request, sound)) = forger.request() else {
            continue;
        };
        let url = request.uri().to_string();
        let verdict = program.verify(&request);
        if sound && signed.contains(&said(&url)) {
            // The same URL, perhaps in another spelling: a replay and no forgery.
            assert!(verdict.is_ok(), "seed {SEED}, {url}: {verdict:?}");
            again += 1;
            continue;
        }
        let refusal = match verdict {
            Ok(callback) => panic!("seed {SEED}: {url} was let in as {callback:?}"),
            Err(refusal) => refusal,
        };
        *counts.entry(reason(&refusal)).or_default() += 1;
        refused += 1;
    }
    println!("{refused} forged requests, none let in; {again} replays besides");
    for (reason, count) in &counts {
        println!("{count:>7} {reason}");
    }
    assert_eq!(counts.len(), 10, "seed {SEED}: {counts:?}");
    assert!(
        counts.values().all(|&count| count >= OFTEN) && again >= OFTEN,
        "seed {SEED}: {counts:?} {again}"
    );
}

fn reason(refusal: &CallbackRefusal) -> &'static str {
    match refusal {
        CallbackRefusal::Missing(_) => "a parameter is missing",
        CallbackRefusal::Repeated(_) => "a parameter is repeated",
        CallbackRefusal::Malformed(_) => "a parameter is malformed",
        CallbackRefusal::UnknownKey => "unknown key",
        CallbackRefusal::WrongTag => "wrong tag",
        CallbackRefusal::Method => "good URL, wrong method",
        CallbackRefusal::BodyTooLong => "good URL, body too long",
        CallbackRefusal::ContentType => "good URL, wrong content type",
        CallbackRefusal::Body(_) => "good URL, no notice",
        CallbackRefusal::UnknownStatus(_) => "good URL, unknown status",
        other => panic!("a reason without a name: {other}"),
    }
}

impl Forger {
    fn new() -> Forger {
        let old = signer("old", OLD_SECRET);
        let ids = (1..20).map(|number| format!("job {number}+影~"));
        let signed = |id: String| {
            let url = format!("https://bot.example.org/cb?chat={}", id.len());
            let both = [rotating().sign(&url, &id), old.sign(&url, &id)];
            both.map(Result::unwrap)
        };
        let secrets = [
            &[0; 32][..],
            &NEW_SECRET[1..],
            b"guessed guessed guessed guessed guessed",
        ];
        let own = ["new", "old", "third"].into_iter().zip(secrets);
        Forger {
            rng: Rng::with_seed(SEED),
            good: ids.flat_map(signed).collect(),
            own: own.map(|(id, secret)| signer(id, secret)).collect(),
        }
    }

    /// A request, and whether all but its URL is as the service would have it. None if the URL is no URI.
    fn request(&mut self) -> Option<(Request<Vec<u8>>, bool)> {
        let url = match self.rng.u8(..10) {
            0 => self.invented(),
            1 => self.signed_by_the_forger(),
            2 => self.good(),
            3 => self.spelt_otherwise(),
            _ => {
                let mut url = self.good();
                for _ in 0..self.rng.u8(1..=3) {
                    url = self.mutated(&url);
                }
                url
            }
        };
        let mut request = posted(&url)?;
        let sound = self.rng.u8(..4) > 0;
        if !sound {
            self.spoil(&mut request);
        }
        Some((request, sound))
    }

    fn good(&mut self) -> String {
        self.rng.choice(&self.good).unwrap().clone()
    }

    fn letters(&mut self, most: usize) -> String {
        let length = self.rng.usize(0..=most);
        let letter = || char::from(*self.rng.choice(ALPHABET).unwrap());
        std::iter::repeat_with(letter).take(length).collect()
    }

    fn invented(&mut self) -> String {
        let id = self.letters(12);
        let key = if self.rng.bool() {
            self.rng.choice(["new", "old", "third", ""]).unwrap().into()
        } else {
            self.letters(6)
        };
        let mut tag = self.letters(46) + "AAAA";
        if self.rng.bool() {
            tag = "A".repeat(42) + self.rng.choice(["A", "E", "Q", "4", "8"]).unwrap();
        }
        format!("/cb?pan123_id={id}&pan123_key={key}&pan123_tag={tag}")
    }

    fn signed_by_the_forger(&mut self) -> String {
        let id = format!("job {}+影~", self.rng.u8(..));
        let own = self.rng.choice(&self.own).unwrap();
        own.sign("https://bot.example.org/cb", &id).unwrap()
    }

    /// A good one, written as proxies may write it: blanks as `+`, other digits, some letters behind the id percent-encoded.
    fn spelt_otherwise(&mut self) -> String {
        let url = self.good().replace("%20", "+").replace("%E5", "%e5");
        let (front, rest) = url.split_once("&pan123_key").unwrap();
        let mut spelt = format!("{front}&pan123_key");
        for character in rest.chars() {
            if character.is_ascii_alphanumeric() && self.rng.u8(..8) == 0 {
                write!(spelt, "%{:02X}", u32::from(character)).unwrap();
            } else {
                spelt.push(character);
            }
        }
        spelt
    }

    fn mutated(&mut self, url: &str) -> String {
        let start = url.find('?').map_or(0, |at| at + 1);
        let at = self.rng.usize(start..=url.len());
        let to = self.rng.usize(at..=url.len());
        let (front, query) = url.split_at(start);
        let mut pairs: Vec<_> = query.split('&').map(str::to_owned).collect();
        let other = self.good();
        let theirs: Vec<_> = other.split(['?', '&']).skip(1).collect();
        let (one, two) = (self.rng.usize(..pairs.len()), self.rng.usize(..pairs.len()));
        match self.rng.u8(..13) {
            // One character is another: flipped bit, other case, any letter.
            0 => return change_at(url, at, |byte| byte ^ (1 << self.rng.u8(..7))),
            1 => return change_at(url, at, |byte| byte ^ 0x20),
            2 => {
                let letter = *self.rng.choice(ALPHABET).unwrap();
                return change_at(url, at, |_| letter);
            }
            // A part is cut off, cut out, doubled, put in.
            3 => return url[..at].to_owned(),
            4 => return format!("{}{}", &url[..at], &url[to..]),
            5 => return format!("{}{}", &url[..to], &url[at..]),
            6 => return format!("{}{}{}", &url[..at], self.letters(8), &url[at..]),
            7 => {
                let piece = self.rng.choice(PIECES).unwrap();
                return format!("{}{piece}{}", &url[..at], &url[at..]);
            }
            // Parameters change their places, come twice, go, or come from another good URL.
            8 => pairs.swap(one, two),
            9 => pairs.insert(one, pairs[two].clone()),
            10 => drop(pairs.remove(one)),
            11 => pairs.push(self.rng.choice(&theirs).unwrap().to_string()),
            _ => {
                let theirs = *self.rng.choice(&theirs).unwrap();
                let name = |pair: &str| pair.split('=').next().map(str::to_owned);
                for pair in &mut pairs {
                    if name(pair) == name(theirs) {
                        theirs.clone_into(pair);
                    }
                }
            }
        }
        format!("{front}{}", pairs.join("&"))
    }

    /// Makes of a request of the service's one that it never sends.
    fn spoil(&mut self, request: &mut Request<Vec<u8>>) {
        match self.rng.u8(..5) {
            0 => {
                let others = [Method::GET, Method::PUT, Method::DELETE, Method::HEAD];
                *request.method_mut() = self.rng.choice(others).unwrap();
            }
            1 => {
                let others = ["text/html", "multipart/form-data", "application/xml", "*/*"];
                let kind = HeaderValue::from_static(self.rng.choice(others).unwrap());
                request.headers_mut().insert(CONTENT_TYPE, kind);
            }
            2 => {
                let body = request.body_mut();
                let end = body.iter().rposition(|&byte| byte == b'}').unwrap();
                body.truncate(self.rng.usize(..end));
            }
            3 => {
                let more = self.rng.usize(1..100);
                let length = CallbackSigner::LONGEST_BODY + more;
                request.body_mut().resize(length, b' ');
            }
            _ => {
                let status = self.rng.u32(2..);
                *request.body_mut() = format!(r#"{{"status":{status}}}"#).into();
            }
        }
    }
}

/// As it was where that would be no text.
fn change_at(url: &str, at: usize, change: impl FnOnce(u8) -> u8) -> String {
    let mut bytes = url.as_bytes().to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte = change(*byte);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| url.to_owned())
}
