//! Signed callback URLs, and the requests that arrive at them.
#![allow(clippy::print_stdout, reason = "the counts are to be read")]

use crate::support::callbacks::{
    NEW_SECRET, NOTICE, OLD_SECRET, key, posted, rotating, said, signer, verified,
};
use crate::support::cases::config;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use pan123_proto::offline::{
    CallbackKey, CallbackOutcome, CallbackRefusal, CallbackSigner, Download,
};
use proptest::prelude::*;

const URL: &str = "https://bot.example.org/pan123?chat=7";
/// Characters of every kind: reserved ones, a blank, some that take several bytes.
const ID: &str = "job 4+2/影 %&=#";

fn signed() -> String {
    rotating().sign(URL, ID).unwrap()
}

#[test]
fn signing_appends_three_parameters() {
    // python3: hmac.new(NEW_SECRET, b"pan123-callback-v1\nnew\n" + ID, "sha256"), the tag of `src/…/signing.rs`.
    let added = "pan123_id=job%204%2B2%2F%E5%BD%B1%20%25%26%3D%23&pan123_key=new&pan123_tag=iaXen0wyHplB_jBLMBvjnlF5NVEE_5Qy8mvDGbXVgzw";
    for (url, expected) in [
        ("https://h/p", format!("https://h/p?{added}")),
        ("https://h", format!("https://h?{added}")),
        ("https://h/p?", format!("https://h/p?{added}")),
        ("http://h/?a=%2f+&b", format!("http://h/?a=%2f+&b&{added}")),
        ("https://h/p?a=1&", format!("https://h/p?a=1&{added}")),
        (
            "https://h/p?a#b?c#d",
            format!("https://h/p?a&{added}#b?c#d"),
        ),
        ("https://h/p#b?c", format!("https://h/p?{added}#b?c")),
    ] {
        assert_eq!(rotating().sign(url, ID).unwrap(), expected, "{url}");
    }
}

#[test]
fn invalid_url_cannot_be_signed() {
    for (url, says) in [
        ("magnet:?xt=1", "the callback URL has the scheme `magnet:`"),
        ("/relative", "the callback URL must start with"),
        (
            "https://h/?a&pan123_id=1",
            "already has the parameter `pan123_id`",
        ),
        (
            "https://h/?pan123%5Fkey",
            "already has the parameter `pan123_key`",
        ),
        (
            "https://h?pan123_tag=#f",
            "already has the parameter `pan123_tag`",
        ),
        (&signed(), "already has the parameter `pan123_id`"),
    ] {
        let error = rotating().sign(url, ID).unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
    }
    rotating()
        .sign("https://h/?a=pan123_id#pan123_id=1", ID)
        .unwrap();
}

#[test]
fn id_length_is_bounded() {
    let longest = "影".repeat(85) + "a";
    assert_eq!(longest.len(), CallbackSigner::MAX_ID_BYTES);
    let url = rotating().sign(URL, &longest).unwrap();
    assert_eq!(verified(&rotating(), &url).unwrap(), longest);
    for id in [String::new(), longest + "a"] {
        let error = rotating().sign(URL, &id).unwrap_err().to_string();
        let says = format!(
            "the callback's id is {} bytes long: 1 to 256 bytes",
            id.len()
        );
        assert_eq!(error, says);
    }
}

#[test]
fn weak_key_is_an_error_and_keys_are_redacted() {
    let canary = "canary-canary-canary-canary-canary-canary";
    let error = CallbackKey::new("k", &canary[..31]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the callback key is 31 bytes long: give at least 32 random bytes"
    );
    CallbackKey::new("k", &canary[..32]).unwrap();
    let swapped = CallbackKey::new(canary, "k").unwrap_err();
    let key = CallbackKey::new("name", canary).unwrap();
    let signer = CallbackSigner::new([key.clone()]).unwrap();
    for shown in [
        format!("{error} {error:?}"),
        format!("{swapped} {swapped:?}"),
        format!("{key:?} {key:#?} {signer:?} {signer:#?}"),
    ] {
        let bytes = format!("{:?}", &canary.as_bytes()[..6]);
        let inner = bytes.trim_matches(['[', ']']);
        assert!(
            !shown.contains("canary") && !shown.contains(inner),
            "{shown}"
        );
    }
    assert!(format!("{signer:?}").contains("name"));
}

#[test]
fn key_ids_are_checked() {
    for id in ["", "a b", "a&b", "a\n", "é", &"k".repeat(33)] {
        let error = CallbackKey::new(id, NEW_SECRET).unwrap_err().to_string();
        assert!(error.starts_with("the id of a callback key is"), "{error}");
    }
    let longest = "aZ09-_.".repeat(5);
    CallbackKey::new(&longest[..32], NEW_SECRET).unwrap();
    let none = CallbackSigner::new([]).unwrap_err().to_string();
    assert_eq!(none, "the number of callback keys is 0: give one");
    let keys = ["a", "b", "b"].map(|id| key(id, NEW_SECRET));
    let error = CallbackSigner::new(keys).unwrap_err().to_string();
    assert_eq!(
        error,
        "the id of a callback key is `b` twice: give each its own"
    );
}

#[test]
fn key_rotation_accepts_both_keys() {
    let before = signer("old", OLD_SECRET).sign(URL, "1").unwrap();
    let during = rotating().sign(URL, "2").unwrap();
    let after = signer("new", NEW_SECRET);
    assert_eq!(verified(&rotating(), &before).unwrap(), "1");
    assert_eq!(verified(&rotating(), &during).unwrap(), "2");
    assert_eq!(verified(&after, &during).unwrap(), "2");
    let gone = verified(&after, &before).unwrap_err();
    assert!(matches!(gone, CallbackRefusal::UnknownKey), "{gone}");
    // Its name alone is not the key.
    let renamed = before.replace("key=old", "key=new");
    let refused = verified(&rotating(), &renamed).unwrap_err();
    assert!(matches!(refused, CallbackRefusal::WrongTag), "{refused}");
    let other = verified(&signer("old", NEW_SECRET), &before).unwrap_err();
    assert!(matches!(other, CallbackRefusal::WrongTag), "{other}");
}

#[test]
fn verified_callback_has_its_id_and_notice() {
    let callback = rotating().verify(&posted(&signed()).unwrap()).unwrap();
    assert_eq!(callback.id, ID);
    let outcome = callback.notice.outcome;
    assert!(
        matches!(outcome, CallbackOutcome::Succeeded { file: Some(id), .. } if id.get() == 100),
        "{outcome:?}"
    );
}

#[test]
fn order_and_encoding_of_parameters_do_not_matter() {
    let url = signed();
    let (front, query) = url.split_once('?').unwrap();
    let parts: Vec<_> = query.split('&').collect();
    let [chat, id, key, tag] = parts[..] else {
        panic!("{query}")
    };
    for query in [
        format!("{tag}&{key}&{chat}&{id}"),
        format!("&&{id}&{key}&&{tag}&"),
        format!("{id}&{key}&{tag}").replace("%20", "+"),
        format!("{id}&{key}&{tag}").replace("%E5", "%e5"),
        format!("{id}&{key}&{tag}").replace("new", "%6E%65%77"),
        format!("{id}&{key}&{tag}").replace("pan123_", "pan123%5f"),
    ] {
        let again = format!("{front}?{query}");
        assert_eq!(verified(&rotating(), &again).unwrap(), ID, "{query}");
    }
    let elsewhere = format!("http://127.0.0.1:80/other/path?{id}&{key}&{tag}");
    assert_eq!(verified(&rotating(), &elsewhere).unwrap(), ID);
    // A request as a server has it: without scheme and host.
    assert_eq!(verified(&rotating(), &format!("/?{query}")).unwrap(), ID);
}

#[test]
fn each_refusal_of_a_url_is_named() {
    let refusal = |url: &str| verified(&rotating(), url).unwrap_err().to_string();
    assert_eq!(refusal(URL), "the URL has no parameter `pan123_id`");
    assert_eq!(refusal("/"), "the URL has no parameter `pan123_id`");
    let url = signed();
    let at = url.find("&pan123_tag").unwrap();
    let without = refusal(&url[..at]);
    assert_eq!(without, "the URL has no parameter `pan123_tag`");
    for (parameter, name) in [("id=a", "id"), ("key", "key"), ("tag=", "tag")] {
        let says = format!("the URL has the parameter `pan123_{name}` more than once");
        assert_eq!(refusal(&format!("{url}&pan123_{parameter}")), says);
    }
    let malformed = |name| format!("the parameter `pan123_{name}` of the URL is malformed");
    let long = "a".repeat(257);
    for id in ["", "%ff", "%ED%A0%80", &long] {
        let url = format!(
            "/?pan123_id={id}{}",
            &url[url.find("&pan123_key").unwrap()..]
        );
        assert_eq!(refusal(&url), malformed("id"), "{id}");
    }
    assert_eq!(refusal(&url.replace("=new", "=")), malformed("key"));
    assert_eq!(refusal(&url.replace("=new", "=n%0Aew")), malformed("key"));
    assert_eq!(refusal(&format!("{url}A")), malformed("tag"));
    assert_eq!(
        refusal(&format!("{}&pan123_tag=", &url[..at])),
        malformed("tag")
    );
    assert_eq!(
        refusal(&url.replace("=new", "=newer")),
        "the URL names an unknown key"
    );
    assert_eq!(
        refusal(&url.replace("job", "Job")),
        "the tag of the URL does not match its id"
    );
}

#[test]
fn each_refusal_of_a_request_is_named() {
    let with = |change: &dyn Fn(&mut http::Request<Vec<u8>>)| {
        let mut request = posted(&signed()).unwrap();
        change(&mut request);
        rotating().verify(&request)
    };
    for method in [Method::GET, Method::PUT, Method::HEAD, Method::OPTIONS] {
        let refusal = with(&|request| *request.method_mut() = method.clone()).unwrap_err();
        assert!(matches!(refusal, CallbackRefusal::Method), "{refusal}");
        assert_eq!(refusal.id(), None);
    }
    // Blanks after the JSON text are allowed, up to the limit.
    let padded = |length| {
        let mut body = NOTICE.as_bytes().to_vec();
        body.resize(length, b' ');
        with(&|request| *request.body_mut() = body.clone())
    };
    padded(CallbackSigner::MAX_BODY_BYTES).unwrap();
    let refusal = padded(CallbackSigner::MAX_BODY_BYTES + 1).unwrap_err();
    assert!(
        matches!(refusal, CallbackRefusal::BodyTooLong { .. }),
        "{refusal}"
    );
    assert_eq!(refusal.id(), Some(ID));
    assert_eq!(refusal.to_string(), "the body is longer than 65536 bytes");

    let deep = "[".repeat(10_000);
    for body in [
        "",
        "status=0&fileID=100",
        "{}",
        "[0]",
        "\u{feff}{",
        "[\"http://a/\",0]",
        &deep,
    ] {
        let refusal = with(&|request| *request.body_mut() = body.into()).unwrap_err();
        assert!(matches!(refusal, CallbackRefusal::Body { .. }), "{refusal}");
        assert_eq!(refusal.id(), Some(ID));
    }
    let unknown = br#"{"status":2,"failReason":"paused"}"#;
    let refusal = with(&|request| *request.body_mut() = unknown.into()).unwrap_err();
    assert_eq!(refusal.id(), Some(ID));
    let CallbackRefusal::UnknownStatus(callback) = refusal else {
        panic!("{refusal}")
    };
    assert_eq!(callback.id, ID);
    assert!(matches!(
        callback.notice.outcome,
        CallbackOutcome::Other { status: 2, .. }
    ));
}

#[test]
fn content_type_that_cannot_be_json_is_refused() {
    let typed = |kind: Option<HeaderValue>| {
        let mut request = posted(&signed()).unwrap();
        request.headers_mut().remove(CONTENT_TYPE);
        if let Some(kind) = kind {
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        rotating().verify(&request)
    };
    typed(None).unwrap();
    for kind in [
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "text/json;",
        "application/problem+json",
        "text/plain;charset=GBK",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
    ] {
        typed(Some(HeaderValue::from_static(kind))).expect(kind);
    }
    for kind in [
        &b"text/html"[..],
        b"multipart/form-data; boundary=json",
        b"application/xml",
        b"image/png",
        b"json",
        b"\xff/json",
    ] {
        let refusal = typed(HeaderValue::from_bytes(kind).ok()).unwrap_err();
        assert!(
            matches!(refusal, CallbackRefusal::ContentType { .. }),
            "{refusal}"
        );
        assert_eq!(refusal.id(), Some(ID));
    }
}

#[test]
fn tag_is_checked_before_anything_else() {
    let mut request = posted(&signed().replace("job", "Job")).unwrap();
    *request.method_mut() = Method::GET;
    *request.body_mut() = vec![b'x'; CallbackSigner::MAX_BODY_BYTES + 1];
    let html = HeaderValue::from_static("text/html");
    request.headers_mut().insert(CONTENT_TYPE, html);
    let refusal = rotating().verify(&request).unwrap_err();
    assert!(matches!(refusal, CallbackRefusal::WrongTag), "{refusal}");
    assert_eq!(refusal.id(), None);
}

#[test]
fn parameters_of_two_signed_urls_cannot_be_mixed() {
    let parameters = |key: &CallbackSigner, id| {
        let url = key.sign("https://h/", id).unwrap();
        let (_, query) = url.split_once('?').unwrap();
        query.split('&').map(str::to_owned).collect::<Vec<_>>()
    };
    let one = parameters(&signer("new", NEW_SECRET), "1");
    for other in [
        parameters(&signer("new", NEW_SECRET), "2"),
        parameters(&signer("old", OLD_SECRET), "1"),
        parameters(&signer("new", OLD_SECRET), "1"),
    ] {
        for mix in 1..7_u8 {
            let pick = |at: usize| {
                if mix >> at & 1 == 0 {
                    &one[at]
                } else {
                    &other[at]
                }
            };
            let query = [0, 1, 2].map(|at| pick(at).as_str()).join("&");
            let is_signed = query == one.join("&") || query == other.join("&");
            let accepted = verified(&rotating(), &format!("/?{query}")).is_ok();
            assert!(!accepted || is_signed, "{query}");
        }
    }
}

/// Replaces, inserts and removes every byte: the URL is refused unless it decodes to the same.
#[test]
fn no_byte_of_the_signed_part_can_be_changed() {
    let signer = rotating();
    let url = signed();
    let good = said(&url);
    let start = url.find("pan123_id").unwrap();
    let (mut refused, mut same, mut no_uri) = (0, 0, 0);
    let mut judge = |url: &[u8]| {
        let Ok(url) = std::str::from_utf8(url) else {
            return;
        };
        let Some(request) = posted(url) else {
            no_uri += 1;
            return;
        };
        let accepted = signer.verify(&request).is_ok();
        assert_eq!(accepted, said(url) == good, "{url}");
        *if accepted { &mut same } else { &mut refused } += 1;
    };
    for at in start..=url.len() {
        judge(&url.as_bytes()[..at]);
        for byte in 0..128 {
            let (before, after) = url.as_bytes().split_at(at);
            judge(&[before, &[byte], after].concat());
            if let [_, after @ ..] = after {
                judge(&[before, &[byte], after].concat());
                judge(&[before, after].concat());
            }
        }
    }
    println!("{refused} refused, {same} the same, {no_uri} no URI");
    assert!(refused > 10_000 && same > 100, "{refused} {same}");
}

/// URLs of a user.
fn any_url() -> impl Strategy<Value = (String, String)> {
    let parts = (
        "(http|https|HTTPS)://([a-z0-9-]{1,4}[.]){0,2}[a-z](:[1-9][0-9]{0,3})?",
        "(/[A-Za-z0-9._~!$&'()*+,;=:@%-]{0,12}){0,3}",
        proptest::option::of("[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,40}"),
        proptest::option::of("[A-Za-z0-9?&=/#]{0,12}"),
    );
    parts.prop_map(|(host, path, query, fragment)| {
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let fragment = fragment.map_or(String::new(), |fragment| format!("#{fragment}"));
        (format!("{host}{path}{query}"), fragment)
    })
}

fn any_id() -> impl Strategy<Value = String> {
    let characters = prop_oneof![any::<char>(), proptest::char::range('\0', '\u{7f}')];
    let texts = prop::collection::vec(characters, 1..64);
    texts.prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn any_id_round_trips_through_any_url((url, fragment) in any_url(), id in any_id()) {
        let given = format!("{url}{fragment}");
        let signed = rotating().sign(&given, &id).unwrap();
        prop_assert!(signed.starts_with(&url) && signed.ends_with(&fragment), "{}", signed);
        Download::new("https://example.com/a").unwrap().callback(&signed).unwrap();
        prop_assert_eq!(verified(&rotating(), &signed).unwrap(), &*id);
        // An independent reader finds the same id.
        prop_assert_eq!(&said(&signed)[0], &[id.into_bytes()]);
    }

    #[test]
    fn unsigned_query_is_refused(query in "[!-~]{0,60}", known in "(pan123_(id|key|tag)=[!-~]{0,8}&){0,4}") {
        let url = format!("/?{known}{query}");
        if let Some(request) = posted(&url) {
            prop_assert!(rotating().verify(&request).is_err());
        }
    }
}
