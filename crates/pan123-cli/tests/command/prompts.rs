//! What is asked at a terminal.

use pan123_mock::path::TRASH;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};

use crate::files::Drive;
use crate::pseudo_terminal::Terminal;
use crate::support::User;

#[test]
fn login_asks_for_the_secret_without_echo() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    let mut terminal = Terminal::start_session(&user, &["login"]);
    terminal.wait_for("client id: ");
    terminal.type_in(&format!("{CLIENT_ID}\n"));
    terminal.wait_for("client secret: ");
    terminal.wait_for_silence();
    terminal.type_in(&format!("{CLIENT_SECRET}\n"));
    let (code, written) = terminal.end();
    assert_eq!(code, Some(0), "{written}");
    assert!(written.contains(CLIENT_ID), "{written}");
    assert!(!written.contains(CLIENT_SECRET), "{written}");
    user.run(&["whoami"]).exits(0);
}

#[test]
fn ctrl_c_at_the_secret_exits_130() {
    let user = User::new();
    let mut terminal = Terminal::start_session(&user, &["login"]);
    terminal.wait_for("client id: ");
    terminal.type_in("some id\n");
    terminal.wait_for("client secret: ");
    terminal.wait_for_silence();
    terminal.type_in("canary\u{3}");
    let (code, written) = terminal.end();
    assert_eq!(code, Some(130), "{written}");
    assert!(!written.contains("canary"), "{written}");
    assert!(!user.config().exists());
}

#[test]
fn rm_asks_and_only_yes_is_yes() {
    let drive = Drive::new();
    drive.file(0, "电影", 1);
    let file = drive.file(0, "b", 1);
    for (answer, exit, trashed) in [("n", 1, 0), ("", 1, 0), ("maybe", 1, 0), ("Y", 0, 1)] {
        let mut terminal = Terminal::start(&drive.user, &["rm", "电影", "b"]);
        terminal.wait_for("move 2 files and folders (电影, b) to the trash? [y/N] ");
        terminal.type_in(&format!("{answer}\n"));
        let (code, written) = terminal.end();
        assert_eq!(code, Some(exit), "{answer}: {written}");
        drive.mock.assert_requests(TRASH, trashed);
    }
    assert!(drive.is_trashed(file));
    // A program is not asked.
    let (code, written) = Terminal::start(&drive.user, &["rm", "b", "--json"]).end();
    assert_eq!(code, Some(2), "{written}");
}

#[test]
fn ctrl_c_at_a_question_changes_nothing() {
    let drive = Drive::new();
    drive.file(0, "f", 1);
    let mut terminal = Terminal::start_session(&drive.user, &["rm", "f"]);
    terminal.wait_for("move f to the trash?");
    terminal.type_in("\u{3}");
    let (code, written) = terminal.end();
    assert_eq!(code, Some(130), "{written}");
    drive.mock.assert_requests(TRASH, 0);
}

#[test]
fn colors_are_for_terminals_that_want_them() {
    let user = User::new();
    for (user, colored) in [
        (User::new(), true),
        (User::new().set("NO_COLOR", "1"), false),
    ] {
        let (code, written) = Terminal::start(&user, &["whoami"]).end();
        assert_eq!(code, Some(3));
        assert_eq!(written.contains("\u{1b}["), colored, "{written:?}");
        assert!(written.contains("error:"), "{written:?}");
    }
    assert!(!user.run(&["whoami"]).stderr.contains('\u{1b}'));
}
