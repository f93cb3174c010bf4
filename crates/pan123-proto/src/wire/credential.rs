//! Checks of credentials, which people copy from pages, chats and files.

use crate::error::{BuildError, CredentialFault};
use crate::text::{is_blank, is_invisible};

/// Accepts what may be a client id, a secret, a token or a code: which characters the service issues is not documented.
pub(crate) fn check_credential(what: &'static str, given: &str) -> Result<(), BuildError> {
    match fault(given) {
        Some(fault) => Err(BuildError::Credential { what, fault }),
        None => Ok(()),
    }
}

fn fault(given: &str) -> Option<CredentialFault> {
    let trimmed = given.trim_matches(is_blank);
    if trimmed.is_empty() {
        Some(CredentialFault::Empty)
    } else if has_bearer_prefix(trimmed) {
        // Before the white space after it: without that, the word would look like part of the token.
        Some(CredentialFault::Bearer)
    } else if has_more_than_a_value(trimmed) {
        Some(CredentialFault::Labeled)
    } else if given.trim() != given {
        Some(CredentialFault::Whitespace)
    } else if let Some((at, character)) = find_hidden(given) {
        Some(CredentialFault::Invisible(character, at))
    } else if given.starts_with(is_quote) || given.ends_with(is_quote) {
        Some(CredentialFault::Quoted)
    } else if is_placeholder(given) {
        Some(CredentialFault::Placeholder)
    } else {
        None
    }
}

/// Nothing that a reader does not see belongs into a credential, but for a space between two words.
fn find_hidden(given: &str) -> Option<(usize, char)> {
    let is_hidden = |c: char| is_invisible(c) || is_blank(c) && !c.is_whitespace();
    given.chars().enumerate().find(|&(_, c)| is_hidden(c))
}

fn is_quote(character: char) -> bool {
    "\"'`´“”„‟‘’‚‛«»‹›「」『』＂＇".contains(character)
}

/// Whether this character stands between a name and its value.
fn is_between(character: char) -> bool {
    is_blank(character) || is_quote(character) || matches!(character, ':' | '：' | '=')
}

/// Whether this is the value of a header, or the header itself.
fn has_bearer_prefix(given: &str) -> bool {
    let given = given.to_ascii_lowercase();
    let value = given
        .rsplit_once("authorization")
        .map_or(&*given, |(_, value)| value);
    let rest = value.trim_start_matches(is_between).strip_prefix("bearer");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(is_between))
}

/// Whether this is `client_id=…`, a JSON object or a URL.
fn has_more_than_a_value(given: &str) -> bool {
    let given = given.to_ascii_lowercase();
    let is_object = given.starts_with('{') && !given.starts_with("{{");
    let is_url = given.starts_with("https://") || given.starts_with("http://");
    let name = given.split_once([':', '：', '=']).map(|(name, _)| name);
    is_object || is_url || name.is_some_and(is_name_of_credential)
}

/// Whether this is a name such as `client_id`, `"accessToken"` or `export PAN123_CLIENT_SECRET`, in lower case.
fn is_name_of_credential(name: &str) -> bool {
    let is_mark = |c: char| is_blank(c) || is_quote(c) || matches!(c, '_' | '-');
    let name: String = name.chars().filter(|&c| !is_mark(c)).collect();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let endings = ["clientid", "clientsecret", "accesstoken", "refreshtoken"];
    let words = ["token", "code", "secret"];
    is_plain && (words.contains(&&*name) || endings.iter().any(|end| name.ends_with(end)))
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
            ("bearer\tcanary", CredentialFault::Bearer),
            ("Bearer\u{a0}canary", CredentialFault::Bearer),
            ("BEARER\u{3000} canary", CredentialFault::Bearer),
            ("bEARER\u{200b}canary", CredentialFault::Bearer),
            ("Bearer\r\ncanary", CredentialFault::Bearer),
            (" Bearer canary\n", CredentialFault::Bearer),
            ("\u{feff}Bearer canary", CredentialFault::Bearer),
            ("\"Bearer canary\"", CredentialFault::Bearer),
            ("Bearer:canary", CredentialFault::Bearer),
            ("authorization:bearer canary", CredentialFault::Bearer),
            ("AUTHORIZATION\tBEARER\tcanary", CredentialFault::Bearer),
            ("-H 'Authorization: Bearer canary'", CredentialFault::Bearer),
            ("client_id=canary", CredentialFault::Labeled),
            ("clientSecret: canary", CredentialFault::Labeled),
            ("\"accessToken\": \"canary\",", CredentialFault::Labeled),
            (
                "export PAN123_CLIENT_SECRET=canary\n",
                CredentialFault::Labeled,
            ),
            ("code=canary", CredentialFault::Labeled),
            ("{\"clientID\":\"canary\"}", CredentialFault::Labeled),
            ("https://canary/?code=canary", CredentialFault::Labeled),
            ("can\u{2800}ary", CredentialFault::Invisible('\u{2800}', 3)),
            ("canary\u{3164}", CredentialFault::Invisible('\u{3164}', 6)),
            (
                "canary\u{e0100}",
                CredentialFault::Invisible('\u{e0100}', 6),
            ),
            ("can\tary", CredentialFault::Invisible('\t', 3)),
            ("${CLIENT_ID:-canary}", CredentialFault::Placeholder),
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
            "a=b:c",
            "decode=1",
            "c2VjcmV0=",
            "页 1",
        ] {
            assert_eq!(fault(given), None, "{given}");
        }
    }
}
