//! Endpoints defined by a user or called directly.

use std::time::Duration;

use crate::support::{Reply, World, at, fixed, hand, secs};
use pan123_proto::access_token::IssueToken;
use pan123_proto::{BuildError, Endpoint, Error, Idempotency, Input, Machine, RateClass, http};

macro_rules! endpoint {
    ($name:ident, $method:ident, $path:literal) => {
        struct $name;

        impl Endpoint for $name {
            const METHOD: http::Method = http::Method::$method;
            const PATH: &'static str = $path;
            const RATE: RateClass = RateClass::new($path, Duration::ZERO);
            const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
            type Response = ();
        }
    };
}

endpoint!(NoSlash, GET, ".example.org/x");
endpoint!(User, GET, "@example.org/x");
endpoint!(WithQuery, GET, "/x?a=1");
endpoint!(WithFragment, GET, "/x#a");
endpoint!(EmptyPost, POST, "/api/v1/x");
endpoint!(EmptyGet, GET, "/api/v1/x");

/// Such a path would extend the host name, and the token would be sent there.
#[test]
fn path_cannot_send_the_token_to_another_host() {
    fn refused(endpoint: &impl Endpoint) {
        let error = fixed().call(endpoint).unwrap_err();
        assert!(matches!(error, BuildError::Setting { .. }), "{error}");
        assert!(error.to_string().contains("must start with `/`"), "{error}");
    }
    refused(&NoSlash);
    refused(&User);
    refused(&WithQuery);
    refused(&WithFragment);
}

#[test]
fn empty_post_has_content_length_zero() {
    fn length(endpoint: &impl Endpoint<Response = ()>) -> Option<http::HeaderValue> {
        let mut call = fixed().call(endpoint).unwrap();
        let transmit = hand::transmit(call.resume(at(secs(0)), Input::Wake));
        transmit.request.headers().get("content-length").cloned()
    }
    assert_eq!(length(&EmptyPost).unwrap(), "0");
    assert_eq!(length(&EmptyGet), None);
}

/// Each lost response may be a token that pushes another one out.
#[test]
fn explicit_token_request_is_sent_at_most_twice() {
    let mut world = World::new(|_, _| Reply::cut());
    let call = fixed().call(&IssueToken::new("id", "secret")).unwrap();
    let asked = world.start(call);
    world.run();
    let Error::RetriesExhausted { attempts, .. } = asked.get().unwrap_err() else {
        panic!("it was asked for once more");
    };
    assert_eq!((attempts, world.sent().len()), (2, 2));
}
