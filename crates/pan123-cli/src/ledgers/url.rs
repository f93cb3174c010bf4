//! URLs of PostgreSQL servers, and the passwords that do not belong on a command line.

use form_urlencoded::parse;

use crate::account::Secret;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// The URL of a server, without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    pub(crate) text: String,
    pub(crate) password: Option<Secret>,
}

impl ServerUrl {
    /// Reads a URL, `postgres://…` or `postgresql://…`; none if it is something else.
    pub(crate) fn parse(text: &str) -> Option<ServerUrl> {
        let scheme = SCHEMES
            .into_iter()
            .find(|scheme| starts_with(text, scheme))?;
        let (authority, query) = split_query(text.get(scheme.len()..)?);
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, mut password) = match user.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password))),
            None => (user, None),
        };
        let mut pairs = Vec::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            match parse(pair.as_bytes()).next() {
                Some((name, value)) if name.eq_ignore_ascii_case("password") => {
                    password = Some(value.into_owned());
                }
                _ => pairs.push(pair),
            }
        }
        let at = if user.is_empty() { "" } else { "@" };
        let mark = if pairs.is_empty() { "" } else { "?" };
        Some(ServerUrl {
            text: format!("{scheme}{user}{at}{host}{mark}{}", pairs.join("&")),
            password: password.map(Secret::new),
        })
    }
}

/// Whether an argument of the command line is, or holds, how a server is reached with a password.
pub(crate) fn holds_password(argument: &str) -> bool {
    // `--option=VALUE`
    let value = match argument.split_once('=') {
        Some((option, value)) if option.starts_with('-') => value,
        _ => argument,
    };
    if starts_with(value, "postgre") && value.contains("://") {
        let rest = value.split_once("://").map_or("", |(_, rest)| rest);
        let has_password = ServerUrl::parse(value).is_some_and(|url| url.password.is_some());
        // A scheme with a slip of the keyboard is no excuse.
        return has_password
            || rest
                .split_once('@')
                .is_some_and(|(user, _)| user.contains(':'));
    }
    let settings = settings_of(value);
    let names_server = ["host", "user=", "dbname="]
        .iter()
        .any(|name| settings.contains(name));
    is_settings(value) && names_server && settings.contains("password=")
}

/// Whether it is `host=… user=…`, which PostgreSQL's own programs take as well.
pub(crate) fn is_settings(text: &str) -> bool {
    let text = settings_of(text);
    let known = [
        "host=",
        "hostaddr=",
        "port=",
        "user=",
        "dbname=",
        "password=",
    ];
    known.iter().any(|name| text.starts_with(name))
}

/// Returns the text in lower case, and without spaces: `password = …` may have some.
fn settings_of(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_whitespace());
    plain.flat_map(char::to_lowercase).collect()
}

fn starts_with(text: &str, begin: &str) -> bool {
    let head = text.get(..begin.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(begin))
}

/// A password may have any sign in it, as long as an `@` comes after it; that of a query is none of its end.
fn split_query(rest: &str) -> (&str, Option<&str>) {
    let at = rest.rfind('@').filter(|&at| rest[..at].contains(':'));
    let from = at.unwrap_or(0);
    match rest[from..].find('?') {
        Some(mark) => (&rest[..from + mark], Some(&rest[from + mark + 1..])),
        None => (rest, None),
    }
}

fn decoded(text: &str) -> String {
    let bytes = percent_encoding::percent_decode_str(text);
    bytes.decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_kept_without_its_password() {
        for (text, kept, password) in [
            ("postgres://me@db/jobs", "postgres://me@db/jobs", None),
            (
                "postgres://me:s%40cret@db:5432/jobs?sslmode=require",
                "postgres://me@db:5432/jobs?sslmode=require",
                Some("s@cret"),
            ),
            (
                "postgresql://db/jobs?password=secret&sslmode=require",
                "postgresql://db/jobs?sslmode=require",
                Some("secret"),
            ),
            (
                "postgres://me@db/jobs?pass%77ord=secret",
                "postgres://me@db/jobs",
                Some("secret"),
            ),
            (
                "POSTGRES://me:a?b/c:d@db/jobs",
                "postgres://me@db/jobs",
                Some("a?b/c:d"),
            ),
            (
                "postgres://db?password=secret&options=a@b",
                "postgres://db?options=a@b",
                Some("secret"),
            ),
            ("postgres://me:p@ss@db", "postgres://me@db", Some("p@ss")),
            (
                "postgres://[::1]:6000/jobs",
                "postgres://[::1]:6000/jobs",
                None,
            ),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            let found = url.password.as_ref().map(Secret::expose);
            assert_eq!((&*url.text, found), (kept, password), "{text}");
        }
        for text in ["films", "/var/lib/a.db", "mysql://db/x", "host=db"] {
            assert_eq!(ServerUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn arguments_with_a_password_are_noticed() {
        for argument in [
            "postgres://me:secret@db",
            "--ledger=postgresql://me:secret@db",
            "Postgres://me:secret@db",
            "postgre://me:secret@db",
            "--ledger=postgres://me@db?password=secret",
            "host=db password=secret",
            "password = secret host=db",
        ] {
            assert!(holds_password(argument), "{argument}");
        }
        for argument in [
            "postgres://me@db:5432/jobs",
            "--ledger=postgres://db:5432",
            "https://me:x@source.example/a?password=x",
            "--name=password=x",
            "--ledger",
            "films",
        ] {
            assert!(!holds_password(argument), "{argument}");
        }
    }
}
