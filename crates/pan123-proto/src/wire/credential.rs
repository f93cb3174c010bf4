//! Checks of credentials, which people copy from pages, chats and files.

use crate::error::{BuildError, CredentialFault};
use crate::text::{find_invisible, is_blank};

/// Accepts what may be a client id, a secret, a token or a code: which characters the service issues is not documented.
pub(crate) fn check_credential(what: &'static str, given: &str) -> Result<(), BuildError> {
    match fault(given) {
        Some(fault) => Err(BuildError::Credential { what, fault }),
        None => Ok(()),
    }
}

fn fault(given: &str) -> Option<CredentialFault> {
    let trimmed = given.trim();
    if given.chars().all(is_blank) {
        Some(CredentialFault::Empty)
    } else if trimmed != given {
        Some(CredentialFault::Whitespace)
    } else if let Some((at, character)) = find_invisible(given) {
        Some(CredentialFault::Invisible(character, at))
    } else if given.starts_with(is_quote) || given.ends_with(is_quote) {
        Some(CredentialFault::Quoted)
    } else if has_bearer_prefix(given) {
        Some(CredentialFault::Bearer)
    } else if is_placeholder(given) {
        Some(CredentialFault::Placeholder)
    } else {
        None
    }
}

fn is_quote(character: char) -> bool {
    "\"'`´“”„‟‘’‚‛«»‹›「」『』＂＇".contains(character)
}

/// Whether this is the value of a header, or the header itself.
fn has_bearer_prefix(given: &str) -> bool {
    let given = given.to_ascii_lowercase();
    let value = given.strip_prefix("authorization").map_or(&*given, |rest| {
        rest.trim_start_matches(|c: char| c == ':' || c.is_whitespace())
    });
    let rest = value.strip_prefix("bearer");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':', '\u{a0}', '\u{3000}']))
}

/// Whether this is a placeholder as a whole: `$NAME`, `${NAME}`, `$(command)`, `%NAME%`, `{{ name }}` or `<name>`.
fn is_placeholder(given: &str) -> bool {
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let between = |start: &str, end: &str| {
        let rest = given.strip_prefix(start);
        rest.and_then(|rest| rest.strip_suffix(end))
    };
    given.strip_prefix('$').is_some_and(is_name)
        || between("%", "%").is_some_and(is_name)
        || [
            ("${", "}"),
            ("$(", ")"),
            ("{{", "}}"),
            ("<", ">"),
            ("＜", "＞"),
        ]
        .into_iter()
        .any(|(start, end)| between(start, end).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pasted_with_a_credential_is_refused() {
        for (given, expected) in [
            ("", CredentialFault::Empty),
            (" \n\u{3000}", CredentialFault::Empty),
            ("\u{feff}", CredentialFault::Empty),
            ("canary\n", CredentialFault::Whitespace),
            ("\tcanary", CredentialFault::Whitespace),
            ("canary\u{a0}", CredentialFault::Whitespace),
            ("\u{feff}canary", CredentialFault::Invisible('\u{feff}', 0)),
            ("can\u{200b}ary", CredentialFault::Invisible('\u{200b}', 3)),
            ("can\r\nary", CredentialFault::Invisible('\r', 3)),
            ("\"canary\"", CredentialFault::Quoted),
            ("'canary'", CredentialFault::Quoted),
            ("“canary”", CredentialFault::Quoted),
            ("「canary」", CredentialFault::Quoted),
            ("canary\"", CredentialFault::Quoted),
            ("Bearer canary", CredentialFault::Bearer),
            ("bearer  canary", CredentialFault::Bearer),
            ("Authorization: Bearer canary", CredentialFault::Bearer),
            ("Bearer", CredentialFault::Bearer),
            ("$CANARY_SECRET", CredentialFault::Placeholder),
            ("${CANARY:-x}", CredentialFault::Placeholder),
            ("$(cat canary)", CredentialFault::Placeholder),
            ("%CANARY%", CredentialFault::Placeholder),
            ("{{ canary }}", CredentialFault::Placeholder),
            ("<your canary>", CredentialFault::Placeholder),
            ("<>", CredentialFault::Placeholder),
        ] {
            assert_eq!(fault(given), Some(expected), "{given:?}");
            let error = check_credential("client secret", given).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.to_lowercase().contains("canary"), "{text}");
            assert!(
                error.to_string().starts_with("the client secret "),
                "{error}"
            );
        }
    }

    #[test]
    fn what_a_service_may_issue_is_accepted() {
        for given in [
            "0123456789abcdef0123456789abcdef",
            "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.a-b_c",
            "client id",
            "s/cret+=",
            "p$w%rd",
            "$",
            "$1a",
            "%41%",
            "a<b>",
            "bearers",
            "页 1",
        ] {
            assert_eq!(fault(given), None, "{given}");
        }
    }
}
