//! The notes beside a ledger.

use std::thread;

use pan123_ledger::{Account, PostgresNotes};

use super::account;
use super::server::{TestServer, server};

const WRITERS: usize = 4;
const EACH: usize = 25;

fn notes(server: &TestServer) -> PostgresNotes {
    server.database().notes(&account())
}

fn since(notes: &PostgresNotes, version: i64) -> Vec<(String, String)> {
    let found = notes.since(version).unwrap().into_iter();
    found.map(|note| (note.name, note.text)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|&(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

#[test]
fn programs_share_notes_of_their_account_and_no_other() {
    let Some(server) = server() else {
        return;
    };
    let (one, other) = (notes(&server), notes(&server));
    one.set("a", "1").unwrap();
    assert_eq!(other.add("a", "2").unwrap(), "1");
    assert_eq!(other.add("b", "2\u{1f3ac}\"'").unwrap(), "2\u{1f3ac}\"'");
    let all = one.since(0).unwrap();
    assert_eq!(since(&one, 0), pairs(&[("a", "1"), ("b", "2\u{1f3ac}\"'")]));
    let last = all[1].version;
    assert_eq!(one.since(last), Ok(Vec::new()));
    other.set("a", "3").unwrap();
    assert_eq!(since(&one, last), pairs(&[("a", "3")]));

    let stranger = Account::new("https://open-api.123pan.com", "another");
    let strange = server.database().notes(&stranger);
    assert_eq!(strange.since(0), Ok(Vec::new()));
    assert_eq!(strange.add("a", "mine").unwrap(), "mine");

    // Only what is old is forgotten: somebody may be about to use the rest.
    one.keep_only(vec!["b".to_owned()]).unwrap();
    assert_eq!(since(&one, 0).len(), 2);
    let admin = server.admin();
    admin.ask("UPDATE notes SET kept_at = kept_at - interval '2 days'");
    one.keep_only(vec!["b".to_owned()]).unwrap();
    assert_eq!(since(&one, 0), pairs(&[("b", "2\u{1f3ac}\"'")]));
    assert_eq!(since(&strange, 0), pairs(&[("a", "mine")]));
}

#[test]
fn who_reads_in_the_order_of_versions_misses_no_note_of_others() {
    let Some(server) = server() else {
        return;
    };
    let reader = notes(&server);
    let mut seen = 0;
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let notes = notes(&server);
            scope.spawn(move || {
                for number in 0..EACH {
                    notes.set(&format!("{writer}-{number}"), "text").unwrap();
                }
            });
        }
        let mut version = 0;
        while seen < WRITERS * EACH {
            for note in reader.since(version).unwrap() {
                assert!(note.version > version, "{note:?}");
                version = note.version;
                seen += 1;
            }
            // One that was missed never comes.
            let kept = reader.since(0).unwrap().len();
            if kept == WRITERS * EACH && reader.since(version).unwrap().is_empty() {
                break;
            }
        }
    });
    assert_eq!(seen, WRITERS * EACH);
}
