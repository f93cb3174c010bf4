//! Who may reach what: by the host that a request names, and by the page that sent it.
//!
//! A page of another site reaches this service if its own name is made to resolve to this machine, so only known names are
//! answered. An address cannot be made so.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};

/// Schemes of browser extensions, whose origin no page can have.
const EXTENSIONS: [&str; 3] = [
    "chrome-extension://",
    "moz-extension://",
    "safari-web-extension://",
];

#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    /// Names that are answered besides `localhost` and addresses.
    pub(super) hosts: Vec<String>,
    /// Origins whose pages may call, or `*`.
    pub(super) origins: Vec<String>,
    /// Where callbacks arrive.
    pub(super) public: Option<PublicUrl>,
}

/// The URL at which the service of the drive reaches this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicUrl {
    /// Host and port as a request names them.
    authority: String,
    /// The path of callbacks.
    path: String,
    /// The URL of callbacks, before it is signed.
    pub(super) url: String,
}

/// What a request may reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The path of callbacks.
    Callback,
    /// Everything but that path. A page of this origin may read the answer.
    Open {
        allow_origin: Option<String>,
    },
    /// Nothing, for this reason.
    Refused(&'static str),
    NotFound,
}

impl PublicUrl {
    /// Reads an `http` or `https` URL without a query.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &str) -> Result<PublicUrl, String> {
        const ALLOWED: &str = "write it as https://HOST or https://HOST/PATH, without a query";
        let uri: Uri = text.parse().map_err(|_| ALLOWED.to_owned())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(ALLOWED.to_owned());
        };
        let is_plain = matches!(scheme, "http" | "https") && uri.query().is_none();
        if !is_plain || authority.as_str().contains('@') || text.contains('#') {
            return Err(ALLOWED.to_owned());
        }
        let path = format!("{}/pan123-callback", uri.path().trim_end_matches('/'));
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.as_str().to_ascii_lowercase();
        Ok(PublicUrl {
            authority: host.strip_suffix(default_port).unwrap_or(&host).to_owned(),
            url: format!("{scheme}://{authority}{path}"),
            path,
        })
    }

    fn is_host(&self, authority: &str) -> bool {
        let given = authority.to_ascii_lowercase();
        let given = [":443", ":80"]
            .iter()
            .find_map(|port| given.strip_suffix(port))
            .unwrap_or(&given);
        given == self.authority
    }
}

impl Gate {
    /// Decides what a request reaches.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Admission {
        let Some(authority) = authority(uri, headers) else {
            return Admission::Refused("the request has no Host");
        };
        let is_callback = |public: &PublicUrl| uri.path() == public.path;
        if let Some(public) = &self.public {
            if is_callback(public) {
                return Admission::Callback;
            }
            if public.is_host(authority) {
                return Admission::NotFound;
            }
        }
        if !self.is_known(authority) {
            return Admission::Refused("this Host is not answered: name it with --allow-host");
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Admission::Open { allow_origin: None };
        };
        let Ok(origin) = origin.to_str() else {
            return Admission::Refused("the Origin cannot be read");
        };
        if is_same(origin, authority) || self.may_call(origin) {
            let allow_origin = Some(origin.to_owned());
            return Admission::Open { allow_origin };
        }
        Admission::Refused("pages of this Origin may not call: allow it with --allow-origin")
    }

    fn is_known(&self, authority: &str) -> bool {
        let host = host_of(authority);
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok()
            || self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(host))
    }

    fn may_call(&self, origin: &str) -> bool {
        EXTENSIONS.iter().any(|scheme| origin.starts_with(scheme))
            || self.origins.iter().any(|allowed| {
                allowed == "*" || allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)
            })
    }
}

/// Returns the host and port that a request names, if it names one.
fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok()?,
        _ => return None,
    };
    match uri.authority() {
        // The two must not disagree.
        Some(authority) if authority.as_str() != host => None,
        _ => Some(host),
    }
}

/// Returns the host without its port and without the brackets of an address.
fn host_of(authority: &str) -> &str {
    if let Ok(address) = authority.parse::<SocketAddr>() {
        let port = address.port().to_string();
        let host = &authority[..authority.len() - port.len() - 1];
        return host.trim_matches(['[', ']']);
    }
    let host = authority
        .rsplit_once(':')
        .filter(|(host, port)| !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()));
    host.map_or(authority, |(host, _)| host)
        .trim_matches(['[', ']'])
}

/// Whether a page came from the host that it calls.
fn is_same(origin: &str, authority: &str) -> bool {
    let host = origin
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    host.is_some_and(|(_, host)| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(gate: &Gate, path: &str, host: &str, origin: &str) -> Admission {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        gate.admit(&path.parse().unwrap(), &headers)
    }

    #[test]
    fn only_known_hosts_are_answered() {
        let gate = Gate {
            hosts: vec!["nas.local".to_owned()],
            ..Gate::default()
        };
        for (host, known) in [
            ("localhost", true),
            ("LOCALHOST:6800", true),
            ("127.0.0.1:6800", true),
            ("[::1]:6800", true),
            ("[::1]", true),
            ("192.168.1.2:6800", true),
            ("nas.local:6800", true),
            ("nas.local", true),
            ("evil.example:6800", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:6800:80", false),
            ("", false),
        ] {
            let admission = admit(&gate, "/jsonrpc", host, "");
            let is_open = admission == Admission::Open { allow_origin: None };
            assert_eq!(is_open, known, "{host}: {admission:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "localhost".parse().unwrap());
        twice.append(header::HOST, "evil.example".parse().unwrap());
        let admission = gate.admit(&"/jsonrpc".parse().unwrap(), &twice);
        assert!(matches!(admission, Admission::Refused(_)));
    }

    #[test]
    fn pages_of_other_sites_call_only_if_they_are_allowed() {
        let gate = Gate {
            origins: vec!["https://ui.example".to_owned(), "null".to_owned()],
            ..Gate::default()
        };
        let host = "127.0.0.1:6800";
        for (origin, allowed) in [
            ("http://127.0.0.1:6800", true),
            ("https://ui.example", true),
            ("null", true),
            ("chrome-extension://abc", true),
            ("http://127.0.0.1:6801", false),
            ("http://localhost:6800", false),
            ("https://evil.example", false),
            ("https://chrome-extension://", false),
        ] {
            let admission = admit(&gate, "/jsonrpc", host, origin);
            let expected = Admission::Open {
                allow_origin: Some(origin.to_owned()),
            };
            assert_eq!(admission == expected, allowed, "{origin}: {admission:?}");
        }
        let any = Gate {
            origins: vec!["*".to_owned()],
            ..Gate::default()
        };
        assert!(matches!(
            admit(&any, "/", host, "https://a.example"),
            Admission::Open { .. }
        ));
    }

    #[test]
    fn public_host_has_nothing_but_the_path_of_callbacks() {
        let gate = Gate {
            public: Some(PublicUrl::parse("https://Bot.example.org/pan/").unwrap()),
            hosts: vec!["bot.example.org".to_owned()],
            ..Gate::default()
        };
        for host in ["bot.example.org", "BOT.example.org:443"] {
            let callback = admit(&gate, "/pan/pan123-callback?x=1", host, "");
            assert_eq!(callback, Admission::Callback);
            for path in [
                "/jsonrpc",
                "/",
                "/healthz",
                "/pan/pan123-callback/",
                "/pan/pan123-callbackx",
                "//jsonrpc",
            ] {
                assert_eq!(admit(&gate, path, host, ""), Admission::NotFound, "{path}");
            }
        }
        assert!(matches!(
            admit(&gate, "/jsonrpc", "127.0.0.1:6800", ""),
            Admission::Open { .. }
        ));
    }

    #[test]
    fn a_public_url_has_a_host_and_no_query() {
        let url = PublicUrl::parse("https://h.example:8443/x/").unwrap();
        assert_eq!(url.url, "https://h.example:8443/x/pan123-callback");
        for text in [
            "h.example",
            "/x",
            "ftp://h",
            "https://h/?a=1",
            "https://h/#a",
            "https://u:p@h/",
            "",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }
}
