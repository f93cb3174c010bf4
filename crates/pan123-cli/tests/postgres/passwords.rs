//! The password of the server: where it comes from, and where it never is.

use pan123_mock::MockPan123;

use super::{Database, set_mode, write_private};
use crate::support::User;

const CANARY: &str = "canary4711";

#[test]
fn a_password_on_the_command_line_is_refused_and_not_shown() {
    let user = User::new();
    let with_user = format!("postgres://me:{CANARY}@127.0.0.1:9/jobs");
    let in_query =
        format!("--ledger=postgresql://127.0.0.1:9/jobs?sslmode=disable&password={CANARY}");
    let settings = format!("host=127.0.0.1 password={CANARY}");
    for arguments in [
        &["batch", "list.txt", "--ledger", &with_user][..],
        &["batch", "list.txt", &in_query],
        &["batch", "list.txt", "--ledger", &settings],
        &["batch", "show", &with_user],
        &["batch", "confirm-server", &with_user, "more"],
        &["batch", &with_user],
        &["serve", "--ledger", &with_user],
        &["serve", &in_query, "--no-such-option"],
        &["serve", "--ledger", &with_user, "--json"],
    ] {
        let ended = user.run(arguments).exits(2);
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(shown.contains("--ledger-password-file"), "{shown}");
        assert!(shown.contains("change it"), "{shown}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[test]
fn what_is_no_url_of_a_server_is_not_shown_either() {
    let user = User::new();
    for (name, text) in [
        (format!("mysql://127.0.0.1/{CANARY}"), "PostgreSQL"),
        (
            format!("postgres://127.0.0.1:{CANARY}/jobs"),
            "not understood",
        ),
        (format!("host=127.0.0.1 user={CANARY}"), "PostgreSQL"),
    ] {
        let ended = user.run(&["batch", "show", &name]).exits(2);
        assert!(ended.stderr.contains(text), "{ended:#?}");
        assert!(!ended.stderr.contains(CANARY), "{ended:#?}");
    }
    for option in ["--spill", "--ledger-root-cert", "--ledger-password-file"] {
        let ended = user.run(&["batch", "show", "films", option, "x"]).exits(2);
        assert!(ended.stderr.contains("postgres://"), "{ended:#?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_passwords_that_others_can_read_is_refused() {
    let mock = MockPan123::start_blocking();
    let url = "postgres://me@127.0.0.1:9/jobs";
    let files = || {
        let user = User::of(&mock);
        let file = user.write("passwords", &format!("*:*:*:*:{CANARY}\n"));
        let pgpass = user.write(".pgpass", &format!("*:*:*:*:{CANARY}\n"));
        set_mode(&file, 0o640);
        set_mode(&pgpass, 0o604);
        (user, file)
    };
    let (user, file) = files();
    let file_text = file.to_str().unwrap();
    let option = ["batch", "show", url, "--ledger-password-file", file_text];
    let mut ended = vec![user.run(&option), user.run(&["batch", "show", url])];
    let (user, file) = files();
    ended.push(user.set("PGPASSFILE", file).run(&["batch", "show", url]));
    for ended in ended {
        let ended = ended.exits(3);
        assert!(ended.stderr.contains("chmod 600"), "{ended:#?}");
        assert!(!ended.stderr.contains(CANARY), "{ended:#?}");
    }
    mock.assert_tokens_issued(0);
}

#[test]
fn the_password_comes_from_each_of_its_places() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = MockPan123::start_blocking();
    let (url, password) = (database.url(), database.password());
    let show = ["batch", "show", &url];
    let user = || User::of(&mock);
    user().set("PGPASSWORD", password).run(&show).exits(0);
    let named = user().set("PAN123_LEDGER", database.url_with_password());
    named.run(&["batch", "show"]).exits(0);
    named.run(&show).exits(0);

    let escaped = password.replace('a', "\\a");
    let lines = format!("# passwords\nother:*:*:*:wrong\n127.0.0.1:*:*:pan123:{escaped}\n");
    let at_home = user();
    write_private(&at_home.write(".pgpass", ""), &lines);
    at_home.run(&show).exits(0);
    let elsewhere = user();
    let file = write_private(&elsewhere.write("passwords", ""), &lines);
    elsewhere.set("PGPASSFILE", file).run(&show).exits(0);
    let alone = user();
    let file = write_private(&alone.write("password", ""), &format!("{password}\n"));
    let file = file.to_str().unwrap();
    alone
        .run(&["batch", "show", &url, "--ledger-password-file", file])
        .exits(0);

    let ended = user().run(&show).exits(1);
    assert!(
        ended.stderr.contains("--ledger-password-file"),
        "{ended:#?}"
    );
    let ended = user().set("PGPASSWORD", CANARY).run(&show).exits(1);
    assert!(ended.stderr.contains("check the user"), "{ended:#?}");
    assert!(!ended.stderr.contains(CANARY), "{ended:#?}");
}
