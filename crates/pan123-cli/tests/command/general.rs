//! What holds for every command.

use std::process::Command;

use pan123_mock::path::USER_INFO;
use pan123_mock::{CLIENT_SECRET, Fault, MockPan123, Service};

use crate::support::{LIMIT, Running, User};

#[test]
fn wrong_command_line_exits_2_and_says_what_is_allowed() {
    let user = User::new();
    for (arguments, text) in [
        (&["frobnicate"][..], "unrecognized subcommand"),
        (&["whoami", "--frobnicate"], "unexpected argument"),
        (&["completions", "tcsh"], "possible values"),
        (&[], "Usage: pan123"),
    ] {
        let ended = user.run(arguments).exits(2);
        assert!(ended.stderr.contains(text), "{ended:#?}");
        assert_eq!(ended.stdout, "");

        let arguments = [arguments, &["--json"]].concat();
        let ended = user.run(&arguments).exits(2);
        let object = ended.object();
        assert_eq!(
            (&object["type"], &object["exit"]),
            (&"error".into(), &2.into())
        );
        assert!(
            object["message"].as_str().unwrap().contains(text),
            "{object}"
        );
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn without_credentials_every_command_exits_3_and_names_the_login() {
    let ended = User::new().run(&["whoami"]).exits(3);
    assert!(ended.stderr.contains("pan123 login"), "{ended:#?}");
    let chinese = User::new().set("LC_ALL", "zh_CN.UTF-8");
    let ended = chinese.run(&["whoami"]).exits(3);
    assert!(ended.stderr.contains("没有凭据"), "{ended:#?}");
    let object = chinese.run(&["whoami", "--json"]).exits(3).object();
    assert_eq!(object["exit"], 3);
}

#[test]
fn service_that_is_down_exits_5() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    drop(mock);
    let ended = user.run(&["whoami"]).exits(5);
    assert!(ended.stderr.contains("could not be reached"), "{ended:#?}");

    let mock = MockPan123::start_blocking();
    mock.fault(Fault::bad_gateway().on(USER_INFO).always());
    let object = User::of(&mock).run(&["whoami", "--json"]).exits(5).object();
    assert_eq!(object["exit"], 5);
}

#[test]
fn closed_output_ends_a_command_quietly() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    for arguments in [
        &["whoami"][..],
        &["whoami", "--json"],
        &["man"],
        &["completions", "bash"],
    ] {
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let ended = user.command(arguments).stdout(closed).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(
            (ended.status.code(), &*stderr),
            (Some(1), ""),
            "{arguments:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_an_error_and_no_panic() {
    let user = User::new();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let ended = user
        .command(&["man"])
        .stdout(full.unwrap())
        .output()
        .unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(stderr.contains("error: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn verbose_shows_requests_and_no_secret() {
    let mock = MockPan123::start_blocking();
    let ended = User::of(&mock).run(&["-v", "whoami"]).exits(0);
    assert!(ended.stderr.contains("/api/v1/user/info"), "{ended:#?}");
    assert!(ended.stderr.contains("/api/v1/access_token"), "{ended:#?}");
    assert!(!ended.stdout.contains("/api/"), "{ended:#?}");
    let token = std::fs::read_dir(User::of(&mock).config());
    assert!(token.is_err(), "each user has a folder of its own");
    for secret in [CLIENT_SECRET, "eyJ", "Bearer"] {
        assert!(!format!("{ended:?}").contains(secret), "{ended:#?}");
    }
    let quiet = User::of(&mock).run(&["whoami"]).exits(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn each_shell_has_completions_and_each_command_a_manual_page() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ended = user.run(&["completions", shell]).exits(0);
        assert!(ended.stdout.contains("whoami"), "{shell}");
    }
    let page = user.run(&["man"]).exits(0).stdout;
    assert!(page.contains(".TH pan123 1"), "{page}");
    assert!(page.contains("130  stopped by"), "{page}");

    user.write("file", "");
    let ended = user.run(&["man", "--dir", "file"]).exits(1);
    assert!(
        ended.stderr.contains("file cannot be written"),
        "{ended:#?}"
    );
    user.run(&["man", "--dir", "."]).exits(0);
    for name in ["pan123.1", "pan123-ls.1", "pan123-trash-restore.1"] {
        let page = std::fs::read_to_string(user.config().with_file_name(name)).unwrap();
        assert!(page.contains("Examples:"), "{name}");
    }
}

#[test]
fn mock_is_a_part_of_the_command() {
    let user = User::new();
    let help = user.run(&["mock", "--help"]).exits(0).stdout;
    assert!(help.contains("Usage: pan123 mock"), "{help}");
    let mut running = Running::start(Command::new(env!("CARGO_BIN_EXE_pan123")).args([
        "mock",
        "--listen",
        "127.0.0.1:0",
    ]));
    running.wait_for_output("http://127.0.0.1:");
}

#[cfg(unix)]
#[test]
fn ctrl_c_exits_130_and_says_how_to_go_on() {
    let mock = MockPan123::start_blocking();
    mock.fault(Fault::hang().on(USER_INFO).always());
    let user = User::of(&mock);
    for (arguments, signal) in [
        (&["whoami"][..], "INT"),
        (&["whoami"], "TERM"),
        (&["whoami", "--json"], "INT"),
    ] {
        mock.service(Service::clear_requests);
        let mut running = user.start(arguments);
        let sent = |service: &Service| {
            let mut requests = service.requests().iter();
            requests
                .any(|request| request.path() == USER_INFO)
                .then_some(())
        };
        mock.wait_for(LIMIT, sent).expect("a request");
        running.signal(signal);
        let is_json = arguments.contains(&"--json");
        if !is_json {
            running.wait_for_note("press Ctrl-C again");
        }
        let ended = running.end().exits(130);
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(shown.contains("run the same command again"), "{shown}");
        if is_json {
            assert_eq!(ended.object()["exit"], 130);
            assert_eq!(ended.stderr, "");
        }
    }
}
