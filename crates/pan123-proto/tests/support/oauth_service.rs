//! The service as an OAuth app sees it: each refresh token works once and revokes the access token before it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Uri};
use pan123_proto::{Account, ClockSkew, OAuth, Pacing, Session, SessionBuilder, StoredToken};
use serde_json::json;

use super::server::{LATENCY, ServerView, http_date, token_in};
use super::wire::percent_decoded;
use super::{Disk, Reply, START, World, path};

pub(crate) const SERVICE: &str = "https://open-api.123pan.com";
pub(crate) const REDIRECT: &str = "https://app.example/callback";
/// How long an access token lives.
pub(crate) const LIFE: Duration = Duration::from_secs(7200);

pub(crate) fn app() -> OAuth {
    OAuth::new("client-id", "client-secret")
}

pub(crate) fn of(app: OAuth) -> SessionBuilder {
    let builder = Session::builder().oauth(app).pacing(Pacing::off());
    builder.persist_token(true)
}

/// A process that acts for the app's user.
pub(crate) fn process() -> Session {
    of(app()).build().expect("good settings")
}

/// The pair with this number, whose access token lives this long from the start.
pub(crate) fn pair(number: u32, life: Duration) -> StoredToken {
    let end = SystemTime::UNIX_EPOCH + START + life;
    let account = Account::new(SERVICE, "client-id");
    let skew = ClockSkew::Ahead(Duration::ZERO);
    StoredToken::new(account, format!("access-{number}"), Some(end), skew)
        .with_refresh_token(format!("refresh-{number}"))
}

/// What happens to a request for a pair.
pub(crate) enum Fault {
    /// It does not arrive.
    LostBefore,
    /// Its response does not arrive.
    LostAfter,
    /// The service responds with this, and does nothing.
    Instead(Reply),
}

/// Clones are the same service.
#[derive(Clone)]
pub(crate) struct Service(Rc<RefCell<Inner>>);

struct Inner {
    issued: u32,
    /// The numbers of the pairs whose access token and whose refresh token are valid.
    access: u32,
    refresh: u32,
    code: Option<&'static str>,
    /// How often it rejected a refresh token or a code.
    refused: u32,
    faults: VecDeque<Fault>,
    latency: Duration,
}

impl Service {
    /// A service that has issued a pair with this number; 0 is none.
    pub(crate) fn after(number: u32) -> Service {
        Service(Rc::new(RefCell::new(Inner {
            issued: number,
            access: number,
            refresh: number,
            code: Some("code-1"),
            refused: 0,
            faults: VecDeque::new(),
            latency: LATENCY,
        })))
    }

    /// Sets the latency of requests for a pair.
    pub(crate) fn slow(self, latency: Duration) -> Service {
        self.0.borrow_mut().latency = latency;
        self
    }

    /// Sets what happens to the next requests for a pair.
    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.0.borrow_mut().faults.extend(faults);
    }

    /// Clears the faults.
    pub(crate) fn clear_faults(&self) {
        self.0.borrow_mut().faults.clear();
    }

    /// Revokes the access token.
    pub(crate) fn end_access(&self) {
        self.0.borrow_mut().access = 0;
    }

    /// Makes `code-1` valid once more.
    pub(crate) fn offer_code(&self) {
        self.0.borrow_mut().code = Some("code-1");
    }

    pub(crate) fn refused(&self) -> u32 {
        self.0.borrow().refused
    }

    /// Issues a pair to another program, and returns its number.
    pub(crate) fn rotate(&self) -> u32 {
        self.0.borrow_mut().issue()
    }

    pub(crate) fn world(&self, disk: &Disk) -> World {
        let service = self.clone();
        World::new(move |view, request| service.serve(view, request)).hooks(disk.clone())
    }

    pub(crate) fn serve(&self, view: &ServerView<'_>, request: &Request<Bytes>) -> Reply {
        let inner = &mut *self.0.borrow_mut();
        match request.uri().path() {
            path::OAUTH => {
                let reply = inner.befall(request.uri()).after(inner.latency);
                reply.header("date", &http_date(view.wall()))
            }
            path::USER_INFO => match token_in(request.headers()) {
                token if token == format!("access-{}", inner.access) => {
                    Reply::data(json!({"uid": 7}))
                }
                _ => Reply::code(401, "token is expired"),
            },
            _ => Reply::http(404, "no such path"),
        }
    }
}

impl Inner {
    fn befall(&mut self, uri: &Uri) -> Reply {
        match self.faults.pop_front() {
            None => self.grant(uri),
            Some(Fault::LostBefore) => Reply::cut(),
            Some(Fault::LostAfter) => {
                self.grant(uri);
                Reply::cut()
            }
            Some(Fault::Instead(reply)) => reply,
        }
    }

    fn grant(&mut self, uri: &Uri) -> Reply {
        let refresh = format!("refresh-{}", self.refresh);
        let granted = match parameter(uri, "grant_type").as_deref() {
            Some("refresh_token") => parameter(uri, "refresh_token") == Some(refresh),
            Some("authorization_code") => {
                let code = self
                    .code
                    .take_if(|code| parameter(uri, "code").as_deref() == Some(code));
                code.is_some() && parameter(uri, "redirect_uri").as_deref() == Some(REDIRECT)
            }
            _ => false,
        };
        if !granted {
            self.refused += 1;
            let refusal = json!({"error": "invalid_grant", "error_description": "已失效"});
            return Reply::http(400, &refusal.to_string());
        }
        let number = self.issue();
        let pair = json!({
            "access_token": format!("access-{number}"),
            "expires_in": LIFE.as_secs(),
            "refresh_token": format!("refresh-{number}"),
            "scope": "user:base,file:all:read,file:all:write",
            "token_type": "Bearer",
        });
        Reply::http(200, &pair.to_string())
    }

    fn issue(&mut self) -> u32 {
        self.issued += 1;
        self.access = self.issued;
        self.refresh = self.issued;
        self.issued
    }
}

/// A parameter of a query, decoded.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let found = pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name);
    String::from_utf8(percent_decoded(found?.1.as_bytes())).ok()
}

/// The refresh tokens and codes that were sent for a pair.
pub(crate) fn asked_with(world: &World) -> Vec<String> {
    let of = |query: &str| {
        let uri: Uri = format!("/?{query}").parse().expect("a query");
        parameter(&uri, "refresh_token").or_else(|| parameter(&uri, "code"))
    };
    let sent = world.sent_to(path::OAUTH);
    sent.iter()
        .filter_map(|sent| of(sent.query.as_deref()?))
        .collect()
}

/// The access tokens of calls.
pub(crate) fn used(world: &World) -> Vec<String> {
    let sent = world.sent_to(path::USER_INFO);
    sent.iter().map(|sent| sent.token().to_owned()).collect()
}
