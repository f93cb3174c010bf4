//! Both builders reject plain HTTP to another machine unless it is allowed.

use pan123_proto::{BuildError, UrlFault};

use crate::logs::secrets::canaries::GIVEN;

#[test]
fn both_builders_reject_plain_http_to_another_machine() {
    const ANOTHER_HOST: &str = "http://192.0.2.1";
    macro_rules! fault {
        ($client:ty, $allowed:expr) => {{
            let builder = <$client>::builder()
                .access_token(GIVEN)
                .base_url(ANOTHER_HOST);
            let builder = builder.allow_credentials_over_plain_http($allowed);
            match builder.build() {
                Ok(_) => None,
                Err(BuildError::Url { fault, .. }) => Some(fault),
                Err(other) => panic!("{other}"),
            }
        }};
    }
    assert_eq!(
        fault!(pan123_async::Client, false),
        Some(UrlFault::PlainHttp)
    );
    assert_eq!(
        fault!(pan123_blocking::Client, false),
        Some(UrlFault::PlainHttp)
    );
    assert_eq!(fault!(pan123_async::Client, true), None);
    assert_eq!(fault!(pan123_blocking::Client, true), None);
}
