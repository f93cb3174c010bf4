//! The file in which PostgreSQL's own programs look for passwords: `host:port:database:user:password`, one a line.

use std::iter::Peekable;
use std::str::Chars;

/// What a line is looked for by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Returns the password of the first line that fits.
pub(super) fn find(text: &str, login: Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, &port, login.database, login.user];
    text.lines().find_map(|line| password_in(line, wanted))
}

fn password_in(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line.chars().peekable();
    for wanted in wanted {
        let field = field(&mut rest);
        // The colon after it.
        rest.next()?;
        if field != Field::Any && field != Field::Text(wanted.to_owned()) {
            return None;
        }
    }
    match field(&mut rest) {
        Field::Any => Some("*".to_owned()),
        Field::Text(password) => Some(password),
    }
}

#[derive(PartialEq, Eq)]
enum Field {
    /// A star alone.
    Any,
    Text(String),
}

/// Reads up to the next colon. A backslash takes the meaning of what follows it.
fn field(rest: &mut Peekable<Chars<'_>>) -> Field {
    let mut text = String::new();
    let mut has_escape = false;
    while let Some(mut c) = rest.next_if(|&c| c != ':') {
        if c == '\\'
            && let Some(escaped) = rest.next()
        {
            has_escape = true;
            c = escaped;
        }
        text.push(c);
    }
    if text == "*" && !has_escape {
        Field::Any
    } else {
        Field::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# db:5432:jobs:me:commented out\n\
            other:5432:jobs:me:1\n\
            db:5433:jobs:me:2\n\
            db:5432:jobs:you:3\n\
            db:5432:jobs:me\n\
            db:5432:jo\\:bs:me:4\r\n\
            \\*:5432:jobs:me:5\n\
            db:*:jobs:me:p\\:a\\\\ss\n\
            *:*:*:*:*\n";
        let found = |host, port, database, user| {
            let login = Login {
                host,
                port,
                database,
                user,
            };
            find(text, login).unwrap()
        };
        assert_eq!(found("other", 5432, "jobs", "me"), "1");
        assert_eq!(found("db", 5433, "jobs", "me"), "2");
        assert_eq!(found("db", 5432, "jobs", "you"), "3");
        assert_eq!(found("db", 5432, "jo:bs", "me"), "4");
        assert_eq!(found("*", 5432, "jobs", "me"), "5");
        assert_eq!(found("db", 5432, "jobs", "me"), r"p:a\ss");
        assert_eq!(found("db", 5432, "else", "me"), "*");
        let login = Login {
            host: "db",
            port: 1,
            database: "a",
            user: "b",
        };
        assert_eq!(find("db:2:a:b:c\n", login), None);
        assert_eq!(find("", login), None);
    }
}
