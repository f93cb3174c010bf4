//! JSON lines: their fields and states are the same in every version.

use pan123_proto::ledger::{Item, ItemState, LineError, export_line, read_line};

/// The lines of a minimal item in each state, and of the state that it is read in.
const STATES: [(ItemState, &str, ItemState); 9] = [
    (ItemState::Queued, "queued", ItemState::Queued),
    (ItemState::Paused, "paused", ItemState::Paused),
    (ItemState::Claimed, "claimed", ItemState::Queued),
    (ItemState::Intended, "intended", ItemState::Unconfirmed),
    (ItemState::Running, "running", ItemState::Running),
    (
        ItemState::Unconfirmed,
        "unconfirmed",
        ItemState::Unconfirmed,
    ),
    (ItemState::Succeeded, "succeeded", ItemState::Succeeded),
    (ItemState::Failed, "failed", ItemState::Failed),
    (ItemState::Dropped, "dropped", ItemState::Dropped),
];

fn line(fields: &str) -> String {
    format!(r#"{{"key":"a","download":{{"url":"https://example.com/a"}}{fields}}}"#)
}

fn read(fields: &str) -> Item {
    read_line(&line(fields)).unwrap()
}

#[test]
fn each_state_has_its_name() {
    assert_eq!(STATES.map(|(state, ..)| state), ItemState::ALL);
    for (state, name, becomes) in STATES {
        let text = line(&format!(r#","state":"{name}","task":7"#));
        let read = read_line(&text).unwrap();
        assert_eq!(read.state, becomes, "{name}");
        let mut item = read;
        item.state = state;
        item.reason = None;
        assert_eq!(export_line(&item), text);
        assert_eq!(ItemState::from_name(name), Some(state));
    }
}

#[test]
fn fields_that_are_not_known_or_not_there_do_not_matter() {
    let item = read("");
    assert_eq!((item.state, item.attempts), (ItemState::Queued, 0));
    assert_eq!(read(r#","added":{"later":[1]}"#), item);
}

#[test]
fn a_bad_line_is_told_by_its_field_and_not_quoted() {
    let bad = [
        (r#","state":"SECRET""#, "`state`"),
        (r#","state":"running""#, "`task`"),
        (r#","attempts":"SECRET""#, "`attempts`"),
        (r#","attempts":-1"#, "`attempts`"),
        (r#","failures":4294967296"#, "`failures`"),
        (r#","task":{"SECRET":1}"#, "`task`"),
        (r#","task":0"#, "`task`"),
        (r#","otherTasks":["SECRET"]"#, "`otherTasks`"),
        (r#","file":["SECRET"]"#, "`file`"),
        (r#","reason":["SECRET"]"#, "`reason`"),
        (r#","intendedAt":"SECRET""#, "`intendedAt`"),
        (r#","notBefore":1.5"#, "`notBefore`"),
        (r#","hidden":"SECRET""#, "`hidden`"),
        (r#","attempts":"SECRET","attempts":1"#, "twice"),
        (r#","reason":"SECRET"#, "JSON"),
    ];
    let bad = bad.map(|(fields, named)| (line(fields), named));
    let whole = [
        (
            r#"{"download":{"url":"https://example.com/SECRET"}}"#,
            "`key`",
        ),
        (
            r#"{"key":"","download":{"url":"https://example.com/"}}"#,
            "`key`",
        ),
        (r#"{"key":"SECRET"}"#, "`download`"),
        (r#"{"key":"a","download":"https://SECRET"}"#, "`download`"),
        (
            r#"{"key":"a","download":{"url":"ftp://SECRET"}}"#,
            "`download`",
        ),
        (r#"["SECRET"]"#, "JSON"),
        (r#""SECRET""#, "JSON"),
        ("SECRET", "JSON"),
    ];
    let whole = whole.map(|(text, named)| (text.to_owned(), named));
    for (text, named) in bad.into_iter().chain(whole) {
        let error = read_line(&text).expect_err(&text);
        assert!(matches!(error, LineError::Item(_)), "{text}");
        let error = error.to_string();
        assert!(error.contains(named), "{text}: {error}");
        assert!(!error.contains("SECRET"), "{text}: {error}");
    }
}
