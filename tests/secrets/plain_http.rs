//! Both builders keep credentials off plain http, and let themselves be told otherwise.

use pan123_proto::{BuildError, UrlFault};

use crate::canaries::GIVEN;

#[test]
fn both_builders_refuse_plain_http_to_another_machine() {
    const ELSEWHERE: &str = "http://192.0.2.1";
    macro_rules! fault {
        ($client:ty, $allowed:expr) => {{
            let builder = <$client>::builder().access_token(GIVEN).base_url(ELSEWHERE);
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
