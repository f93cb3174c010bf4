//! `login`, `logout`, `whoami`.

use std::fs;
use std::io::Write;
use std::path::Path;

use pan123_mock::path::{ACCESS_TOKEN, USER_INFO};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Fault, MockPan123};
use serde_json::Value;

use crate::support::{Ended, User};

pub(crate) fn two_lines() -> String {
    format!("{CLIENT_ID}\n{CLIENT_SECRET}\n")
}

fn log_in(user: &User) -> Ended {
    user.run_with_input(&["login", "--stdin"], &two_lines())
        .exits(0)
}

#[test]
fn login_from_each_source_is_used_by_the_commands_that_follow() {
    let mock = MockPan123::start_blocking();
    let json = format!(r#"{{"client_id":"{CLIENT_ID}","client_secret":"{CLIENT_SECRET}"}}"#);
    let crlf = format!("\u{feff}{CLIENT_ID}\r\n {CLIENT_SECRET} \r\n\r\n");
    for input in [two_lines(), json, crlf] {
        let user = User::at(&mock);
        user.write("credentials.txt", &input);
        user.run_with_input(&["login", "--stdin"], &input).exits(0);
        user.run(&["whoami"]).exits(0);
        user.run(&["logout"]).exits(0);
        user.run(&["whoami"]).exits(3);
        user.run(&["login", "--file", "credentials.txt"]).exits(0);
        user.run(&["whoami"]).exits(0);
    }

    let user = User::of(&mock);
    user.run(&["login"]).exits(0);
    let user = user
        .set("PAN123_CLIENT_ID", "")
        .set("PAN123_CLIENT_SECRET", "");
    let account = user.run(&["whoami", "--json"]).exits(0).object();
    assert_eq!(account["credentials"], "login");
}

#[test]
fn login_keeps_the_service_and_the_token() {
    let mock = MockPan123::start_blocking();
    let user = User::new();
    let login = ["login", "--stdin", "--base-url", &mock.base_url(), "--json"];
    let object = user.run_with_input(&login, &two_lines()).exits(0).object();
    assert_eq!(object["type"], "login");

    let account = user.run(&["whoami", "--json"]).exits(0).object();
    assert_eq!(account["base_url"], *mock.base_url());
    assert_eq!(account["uid"], object["uid"]);
    user.run(&["whoami"]).exits(0);
    mock.assert_tokens_issued(1);
}

#[test]
fn commands_with_credentials_of_the_environment_share_one_token() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    for _ in 0..3 {
        let account = user.run(&["whoami", "--json"]).exits(0).object();
        assert_eq!(account["credentials"], "environment");
    }
    mock.assert_tokens_issued(1);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_does_not_count_as_unset() {
    use std::os::unix::ffi::OsStringExt;

    let mock = MockPan123::start_blocking();
    for (name, exit) in [
        ("PAN123_ACCESS_TOKEN", 3),
        ("PAN123_CLIENT_SECRET", 3),
        ("PAN123_BASE_URL", 2),
    ] {
        let damaged = std::ffi::OsString::from_vec(b"a\xff".to_vec());
        let user = User::of(&mock).set(name, damaged);
        user.run(&["whoami"]).exits(exit);
    }
}

#[test]
fn access_token_of_the_environment_needs_no_login() {
    let mock = MockPan123::start_blocking();
    let token = mock.oauth_pair().access_token;
    let user = User::of(&mock).set("PAN123_ACCESS_TOKEN", &token);
    let account = user.run(&["whoami", "--json"]).exits(0).object();
    assert_eq!(account["credentials"], "access_token");
    mock.assert_requests(ACCESS_TOKEN, 0);

    let user = User::at(&mock).set("PAN123_ACCESS_TOKEN", "a.rejected.token-of-some-length");
    let ended = user.run(&["whoami"]).exits(3);
    assert!(!ended.stderr.contains("rejected.token"), "{ended:#?}");
}

#[test]
fn half_of_the_credentials_in_the_environment_is_an_error() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock).set("PAN123_CLIENT_SECRET", "");
    let ended = user.run(&["whoami"]).exits(3);
    assert!(ended.stderr.contains("PAN123_CLIENT_SECRET"), "{ended:#?}");
    mock.assert_requests(USER_INFO, 0);
}

#[test]
fn rejected_credentials_exit_3_and_are_not_stored() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    let wrong = format!("{CLIENT_ID}\ncanary-0123456789-canary\n");
    let ended = user.run_with_input(&["login", "--stdin"], &wrong).exits(3);
    assert!(!format!("{ended:?}").contains("canary"), "{ended:#?}");
    assert!(!user.config().join("credentials.json").exists());

    // A login that was proved stays, and so does its token, which must not prove a wrong secret.
    log_in(&user);
    user.run_with_input(&["login", "--stdin"], &wrong).exits(3);
    user.run(&["whoami"]).exits(0);
    mock.assert_tokens_issued(1);
}

#[test]
fn login_is_not_stored_while_the_service_is_down() {
    let mock = MockPan123::start_blocking();
    mock.fault(Fault::bad_gateway().on(USER_INFO).always());
    let user = User::at(&mock);
    user.run_with_input(&["login", "--stdin"], &two_lines())
        .exits(5);
    assert!(!user.config().join("credentials.json").exists());
}

#[test]
fn credentials_on_the_command_line_are_refused_and_not_repeated() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    for arguments in [
        &["login", CLIENT_ID, "canary-secret"][..],
        &["login", "--client-secret", "canary-secret"],
        &["login", "--client-secret=canary-secret"],
        &["login", "--stdin", "canary-secret"],
        &["--json", "login", "canary-secret"],
    ] {
        let ended = user.run(arguments).exits(2);
        let shown = format!("{ended:?}");
        assert!(shown.contains("--stdin, --file FILE"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    mock.assert_requests(ACCESS_TOKEN, 0);
}

#[test]
fn input_that_holds_no_credentials_is_refused_and_not_repeated() {
    let user = User::new();
    for input in [
        "",
        "canary-0123456789\n",
        "a\nb\ncanary-0123456789\n",
        r#"{"client_id":"canary-0123456789"}"#,
        r#"{"client_id":"canary-0123456789","#,
    ] {
        let ended = user.run_with_input(&["login", "--stdin"], input).exits(2);
        assert!(ended.stderr.contains("client_secret"), "{ended:#?}");
        assert!(!ended.stderr.contains("canary"), "{ended:#?}");
    }
    let ended = user.run(&["login", "--file", "missing.txt"]).exits(2);
    assert!(ended.stderr.contains("missing.txt"), "{ended:#?}");
    // There is no terminal to ask at.
    let ended = user.run(&["login"]).exits(2);
    assert!(ended.stderr.contains("--stdin"), "{ended:#?}");
}

#[test]
fn secret_with_its_quotes_exits_3() {
    let user = User::new();
    let input = "id\n\"canary-secret\"\n";
    let ended = user.run_with_input(&["login", "--stdin"], input).exits(3);
    assert!(!ended.stderr.contains("canary"), "{ended:#?}");
}

#[test]
fn logout_removes_credentials_and_token() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    log_in(&user);
    assert!(holds(&user.config(), "mock-client-id"));
    let object = user.run(&["logout", "--json"]).exits(0).object();
    assert_eq!(object["removed"], true);
    for text in [CLIENT_ID, CLIENT_SECRET, "access_token", "eyJ"] {
        assert!(!holds(&user.config(), text), "{text}");
    }
    let object = user.run(&["logout", "--json"]).exits(0).object();
    assert_eq!(object["removed"], false);
}

/// Whether a file of the folder contains this text.
pub(crate) fn holds(folder: &Path, text: &str) -> bool {
    let files = fs::read_dir(folder).expect("a folder");
    files
        .map(|file| fs::read_to_string(file.expect("an entry").path()).expect("a file"))
        .any(|content| content.contains(text))
}

#[test]
fn damaged_credentials_are_an_error_that_login_and_logout_mend() {
    let mock = MockPan123::start_blocking();
    let user = User::at(&mock);
    log_in(&user);
    let path = user.config().join("credentials.json");
    fs::write(&path, r#"{"client_secret":"canary"#).unwrap();
    let ended = user.run(&["whoami"]).exits(3);
    assert!(ended.stderr.contains("is damaged"), "{ended:#?}");
    assert!(!ended.stderr.contains("canary"), "{ended:#?}");
    log_in(&user);
    user.run(&["whoami"]).exits(0);
    fs::write(&path, "").unwrap();
    user.run(&["logout"]).exits(0);
    assert!(!path.exists());
    assert!(!holds(&user.config(), "eyJ"));
}

#[cfg(unix)]
mod modes {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o7777
    }

    #[test]
    fn only_the_owner_can_read_what_is_kept() {
        let mock = MockPan123::start_blocking();
        let user = User::at(&mock);
        log_in(&user);
        let ledger = user.run(&["whoami", "--json"]).exits(0).object();
        let ledger = ledger["ledger"].as_str().map(Path::new);
        assert_eq!(ledger.and_then(Path::parent), Some(&*user.state()));
        for folder in [user.config(), user.state()] {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for file in fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }

    #[test]
    fn credentials_that_others_can_read_are_refused() {
        let mock = MockPan123::start_blocking();
        let user = User::at(&mock);
        log_in(&user);
        let path = user.config().join("credentials.json");
        for open in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let ended = user.run(&["whoami"]).exits(3);
            assert!(ended.stderr.contains("chmod 600"), "{ended:#?}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        user.run(&["whoami"]).exits(0);
    }
}

#[test]
fn whoami_tells_the_account_and_where_its_files_are() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    let text = user.run(&["whoami"]).exits(0).stdout;
    let account: Value = user.run(&["whoami", "--json"]).exits(0).object();
    for key in ["nickname", "base_url", "config", "ledger"] {
        assert!(
            text.contains(account[key].as_str().unwrap()),
            "{key}: {text}"
        );
    }
    let chinese = user.set("LANG", "zh_CN.UTF-8");
    assert!(chinese.run(&["whoami"]).exits(0).stdout.contains("空间："));
}

#[cfg(target_os = "linux")]
#[test]
fn folders_are_the_platforms_unless_they_are_set() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock)
        .set("PAN123_CONFIG_DIR", "")
        .set("PAN123_STATE_DIR", "");
    let account = user.run(&["whoami", "--json"]).exits(0).object();
    let home = user.config().with_file_name("");
    let place = |key: &str| Path::new(account[key].as_str().unwrap()).to_owned();
    assert_eq!(place("config"), home.join(".config/pan123"));
    let ledger = place("ledger");
    assert_eq!(ledger.parent(), Some(&*home.join(".local/state/pan123")));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_login_that_waits_for_its_input() {
    let user = User::new();
    let mut running = user.start(&["login", "--stdin"]);
    // More than fits into a pipe: once it is written, the command reads.
    let stdin = running.child.stdin.as_mut().unwrap();
    stdin.write_all(&vec![b' '; 1 << 20]).unwrap();
    running.signal("INT");
    running.wait_for_note("press Ctrl-C again");
    running.end().exits(130);
}
