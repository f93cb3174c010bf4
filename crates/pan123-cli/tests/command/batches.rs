//! `batch`: lists, and the ledgers of lists.

use std::process::Stdio;

use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD};
use pan123_mock::{
    BrokenWire, CLIENT_ID, CLIENT_SECRET, CannedResponse, Fault, MockPan123, TaskEnd, TaskScript,
};
use serde_json::Value;

use crate::support::{Ended, LIMIT, User};

const URLS: [&str; 3] = [
    "https://a.example/1.mkv",
    "https://a.example/2.mkv",
    "https://a.example/3.mkv",
];

fn list() -> String {
    URLS.join("\n")
}

/// Returns the name of the ledger that a batch has printed.
pub(crate) fn ledger_of(ended: &Ended) -> String {
    let (_, rest) = ended.stderr.split_once("ledger ").expect("a ledger");
    rest.lines().next().unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_each_created_once(mock: &MockPan123) {
    for url in URLS {
        mock.assert_created_once(url);
    }
}

#[test]
fn a_list_is_downloaded_once_each_and_the_same_list_again_not_at_all() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write(
        "list.txt",
        "\u{feff}# films\r\nhttps://a.example/1.mkv\r\n\r\n https://a.example/2.mkv\t电影 二.mkv\t/videos/二 \r\nhttps://a.example/3.mkv\r\n  out=drei.mkv\r\n{\"url\": \"https://a.example/4.mkv\", \"key\": \"row 4\"}\r\nhttps://a.example/1.mkv\r\n",
    );
    let ended = user.run(&["batch", "list.txt"]).exits(0);
    let total = "4 succeeded, 0 failed, 0 unconfirmed, 0 running, 0 waiting\n";
    assert!(ended.stdout.ends_with(total), "{ended:#?}");
    for name in ["1.mkv", "电影 二.mkv", "drei.mkv", "row 4"] {
        assert!(
            ended.stdout.contains(&format!("succeeded {name}\n")),
            "{ended:#?}"
        );
    }
    let named = mock.service(|service| {
        let mut tasks = service.tasks().iter();
        let task = tasks.find(|task| task.url() == URLS[1]).expect("a task");
        (
            task.file_name() == Some("电影 二.mkv"),
            task.dir_id().is_some(),
        )
    });
    assert_eq!(named, (true, true));

    let again = user.run(&["batch", "list.txt", "--json"]).exits(0).object();
    assert_eq!(
        (&again["succeeded"], &again["exit"]),
        (&4.into(), &0.into())
    );
    assert_each_created_once(&mock);

    // A list that has grown brings what is new.
    user.write(
        "list.txt",
        "https://a.example/1.mkv\nhttps://a.example/5.mkv",
    );
    let ended = user.run(&["batch", "list.txt"]).exits(0);
    assert!(
        ended.stderr.contains("2 downloads, 1 of them new"),
        "{ended:#?}"
    );
    mock.assert_requests(OFFLINE_DOWNLOAD, 5);
}

#[test]
fn lists_come_through_pipes_and_folders_by_option() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    let folder = ["batch", "-", "--to", "/inbox"];
    let ended = user.run_with_input(&folder, &list()).exits(0);
    assert_eq!(ledger_of(&ended), "stdin");
    let in_folder = mock.service(|service| {
        let mut tasks = service.tasks().iter();
        tasks.all(|task| task.dir_id().is_some())
    });
    assert!(in_folder);
    user.run_with_input(&folder, &list()).exits(0);
    #[cfg(unix)]
    {
        let ended = user.run_with_input(&["batch", "/dev/stdin", "--to", "/inbox"], &list());
        assert_eq!(ledger_of(&ended.exits(0)), "stdin");
    }
    assert_each_created_once(&mock);

    let path = user.config().with_file_name("kept apart.db");
    let path = path.to_str().unwrap();
    let ended = user
        .run_with_input(&["batch", "-", "--ledger", path], URLS[0])
        .exits(0);
    assert_eq!(ledger_of(&ended), format!("'{path}'"));
    mock.assert_created(URLS[0], 2);
    user.run(&["batch", "show", path]).exits(0);
}

#[test]
fn bad_lines_are_listed_and_nothing_is_sent_unless_they_are_skipped() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write(
        "list.txt",
        &format!(
            "{}\nmagnet:?xt=urn:btih:secret\n{}\nsecret.example/x\n",
            URLS[0], URLS[1]
        ),
    );
    let ended = user.run(&["batch", "list.txt"]).exits(2);
    for line in [
        "line 2: magnet links",
        "line 4: ",
        "bad lines: 2",
        "--skip-bad",
    ] {
        assert!(ended.stderr.contains(line), "{ended:#?}");
    }
    assert!(!ended.stderr.contains("secret"), "{ended:#?}");
    let objects = user
        .run(&["batch", "list.txt", "--json"])
        .exits(2)
        .objects();
    let lines: Vec<_> = objects
        .iter()
        .map(|object| object["line"].clone())
        .collect();
    assert_eq!(lines, [2.into(), 4.into(), Value::Null]);
    assert!(mock.requests().is_empty());

    let chinese = user.set("LC_ALL", "zh_CN.UTF-8");
    let ended = chinese.run(&["batch", "list.txt", "--skip-bad"]).exits(0);
    assert!(
        ended.stderr.contains("第 2 行：不支持 magnet 链接"),
        "{ended:#?}"
    );
    assert!(ended.stdout.contains("成功 2，"), "{ended:#?}");
    mock.assert_requests(OFFLINE_DOWNLOAD, 2);
}

#[test]
fn what_is_no_list_is_told_and_nothing_is_sent() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    std::fs::write(
        user.write("gbk.txt", ""),
        b"https://a.example/1\t\xb5\xe7\xd3\xb0.mp4",
    )
    .unwrap();
    std::fs::write(user.write("utf16.txt", ""), b"\xff\xfeh\0t\0t\0p\0").unwrap();
    user.write("empty.txt", "\n# nothing\n\n");
    user.write("film.torrent", "d8:announce3:abce");
    for (list, text) in [
        ("gbk.txt", "GB18030"),
        ("utf16.txt", "UTF-16"),
        ("empty.txt", "the list has no downloads"),
        ("film.torrent", "torrent file"),
        ("missing.txt", "cannot be read"),
        (".", "cannot be read"),
    ] {
        for skip in [&[][..], &["--skip-bad"]] {
            let arguments = [&["batch", list][..], skip].concat();
            let ended = user.run(&arguments).exits(2);
            assert!(ended.stderr.contains(text), "{ended:#?}");
        }
    }
    let ended = user.run(&["batch", "-"]).exits(2);
    assert!(ended.stderr.contains("no downloads"), "{ended:#?}");
    let ended = user.run(&["batch", "--skip-bad"]).exits(2);
    assert!(ended.stderr.contains("FILE|-"), "{ended:#?}");
    assert!(mock.requests().is_empty());
}

#[test]
fn mixed_ends_exit_with_the_worst() {
    let mock = MockPan123::start_blocking();
    mock.respond_next(OFFLINE_DOWNLOAD, CannedResponse::envelope(1, "源站404"));
    let user = User::of(&mock);
    user.write("list.txt", &list());
    let ended = user.run(&["batch", "list.txt"]).exits(1);
    assert!(ended.stdout.contains("源站404"), "{ended:#?}");
    assert!(ended.stdout.contains("2 succeeded, 1 failed"), "{ended:#?}");
    let name = ledger_of(&ended);

    user.write("list.txt", &format!("{}\nhttps://a.example/4.mkv", list()));
    mock.fault(Fault::empty_body().on(OFFLINE_DOWNLOAD).times(1));
    let ended = user.run(&["batch", "list.txt", "--json"]).exits(4);
    let report = ended.objects().pop().unwrap();
    let counts = ["succeeded", "failed", "unconfirmed", "exit"].map(|key| report[key].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(1), Some(4)]);
    assert_eq!(report["name"], *name);

    let shown = user
        .run(&["batch", "show", &name, "--json"])
        .exits(0)
        .objects();
    let changes: Vec<_> = shown.iter().map(|it| it["change"].as_str()).collect();
    assert_eq!(changes, [Some("failed"), Some("unconfirmed"), None]);
    let digits = shown[1]["key"]
        .as_str()
        .unwrap()
        .rsplit_once('~')
        .unwrap()
        .1;
    for _ in 0..2 {
        user.run(&["batch", "settle", &name, digits, "--drop"])
            .exits(0);
    }
    let other = ["batch", "settle", &name, digits, "--send-again"];
    let ended = user.run(&other).exits(1);
    assert!(ended.stderr.contains("it is dropped"), "{ended:#?}");
    let ended = user.run(&["batch", "resume", &name]).exits(1);
    assert!(ended.stdout.contains(", 1 given up"), "{ended:#?}");
    mock.assert_requests(OFFLINE_DOWNLOAD, 4);
}

#[test]
fn credentials_that_are_rejected_end_a_batch_with_3_and_lose_nothing() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock).set("PAN123_CLIENT_SECRET", "wrong-secret");
    user.write("list.txt", &list());
    let ended = user.run(&["batch", "list.txt", "--json"]).exits(3);
    let last = ended.objects().pop().unwrap();
    assert_eq!((&last["type"], &last["exit"]), (&"error".into(), &3.into()));
    assert!(!format!("{ended:?}").contains("wrong-secret"), "{ended:#?}");
    let user = user.set("PAN123_CLIENT_SECRET", CLIENT_SECRET);
    user.run(&["batch", "list.txt"]).exits(0);
    assert_each_created_once(&mock);
}

#[test]
fn many_bad_lines_are_counted_and_options_that_mean_nothing_are_named() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    let bad = "magnet:?xt=urn:btih:0\n".repeat(150);
    user.write("list.txt", &format!("{}\n  split=5\n{bad}", URLS[0]));
    let ended = user.run(&["batch", "list.txt"]).exits(2);
    assert!(ended.stderr.contains("nothing here: split\n"), "{ended:#?}");
    assert!(ended.stderr.contains("and 50 more\n"), "{ended:#?}");
    assert_eq!(ended.stderr.matches("magnet links").count(), 100);
    assert!(mock.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_batch_waits_for_a_service_that_is_down_and_goes_on_when_it_comes() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let user = User::new()
        .set("PAN123_BASE_URL", format!("http://{port}"))
        .set("PAN123_CLIENT_ID", CLIENT_ID)
        .set("PAN123_CLIENT_SECRET", CLIENT_SECRET);
    user.write("list.txt", &list());
    let mut running = user.start(&["batch", "list.txt"]);
    running.wait_for_note("nothing is sent for");
    let mock = user.start(&["mock", "--listen", &port.to_string()]);
    running.end().exits(0);
    mock.signal("TERM");
    let log = mock.end().stderr;
    assert_eq!(
        log.matches("POST /api/v1/offline/download ").count(),
        URLS.len(),
        "{log}"
    );
}

#[test]
fn a_batch_goes_on_when_the_service_comes_back() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", &list());
    mock.fault(Fault::bad_gateway().on(ACCESS_TOKEN).always());
    let mut running = user.start(&["batch", "list.txt"]);
    running.wait_for_note("nothing is sent for");
    mock.clear_faults();
    let ended = running.end().exits(0);
    assert!(
        ended
            .stdout
            .ends_with("3 succeeded, 0 failed, 0 unconfirmed, 0 running, 0 waiting\n")
    );
    assert_each_created_once(&mock);
}

#[test]
fn a_reset_before_the_request_is_read_is_sent_again_and_one_after_it_is_not() {
    let mock = MockPan123::start_blocking();
    let wire = BrokenWire::to(&mock);
    let user = User::of(&mock).set("PAN123_BASE_URL", wire.base_url());
    user.write("list.txt", &list());
    mock.fault(Fault::response_lost().on(OFFLINE_DOWNLOAD).times(1));
    let ended = user.run(&["batch", "list.txt"]).exits(4);
    assert!(
        ended
            .stdout
            .contains("2 succeeded, 0 failed, 1 unconfirmed"),
        "{ended:#?}"
    );
    assert_each_created_once(&mock);
}

#[test]
fn an_export_is_imported_elsewhere_and_resumed_there() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let ended = user.run(&["download", URLS[0], URLS[1]]).exits(0);
    assert_eq!(ended.stdout.lines().count(), 2);
    let export = user.run(&["batch", "export"]).exits(0).stdout;
    assert_eq!(export.lines().count(), 3);
    let exported = user.run(&["batch", "export", "downloads", "out.jsonl", "--json"]);
    assert_eq!(exported.exits(0).object()["count"], 2);
    user.run(&["batch", "export", "downloads", "out.jsonl"])
        .exits(1);

    let other = User::of(&mock);
    let imported = other.run_with_input(&["batch", "import", "moved", "-", "--json"], &export);
    let imported = imported.exits(0).object();
    assert_eq!(
        (&imported["added"], &imported["bad"]),
        (&2.into(), &0.into())
    );
    let bad = other.run_with_input(&["batch", "import", "moved", "-"], "no export");
    assert!(bad.exits(2).stderr.contains("first line"));
    for task in crate::downloads::tasks(&mock) {
        mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    }
    other.run(&["batch", "resume", "moved"]).exits(0);
    mock.assert_requests(OFFLINE_DOWNLOAD, 2);
}

#[test]
fn a_ledger_that_is_none_is_refused_and_not_created() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.run(&["download", URLS[0]]).exits(0);
    for command in ["show", "resume", "export"] {
        let ended = user.run(&["batch", command, "nothing"]).exits(2);
        assert!(ended.stderr.contains("there are: downloads"), "{ended:#?}");
    }
    user.run(&["batch", "show", "./nothing.db"]).exits(2);
    user.run(&["batch", "show", "no thing"]).exits(2);
    let files = std::fs::read_dir(user.state()).unwrap().count();
    assert_eq!(files, 1);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_batch_and_says_how_to_go_on() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", &list());
    let mut running = user.start(&["batch", "list.txt"]);
    for _ in URLS {
        running.wait_for_output("created ");
    }
    running.signal("INT");
    let ended = running.end().exits(130);
    assert!(ended.stdout.contains("3 running, 0 waiting"), "{ended:#?}");
    let resume = format!("pan123 batch resume {}", ledger_of(&ended));
    assert!(ended.stderr.contains(&resume), "{ended:#?}");

    for task in crate::downloads::tasks(&mock) {
        mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    }
    let arguments: Vec<&str> = resume.split(' ').skip(1).collect();
    let ended = user.run(&arguments).exits(0);
    assert!(ended.stdout.contains("3 succeeded"), "{ended:#?}");
    assert_each_created_once(&mock);
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_the_wait_for_a_list_from_a_named_pipe() {
    const SIGINT: u64 = 1 << 1;
    let user = User::of(&MockPan123::start_blocking());
    let pipe = user.config().with_file_name("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let running = user.start(&["batch", pipe.to_str().unwrap()]);
    let status = format!("/proc/{}/status", running.child.id());
    let is_caught = || {
        let status = std::fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|it| it.strip_prefix("SigCgt:\t"));
        u64::from_str_radix(caught.unwrap(), 16).unwrap() & SIGINT != 0
    };
    let until = std::time::Instant::now() + LIMIT;
    while !is_caught() {
        assert!(std::time::Instant::now() < until);
        std::thread::yield_now();
    }
    running.signal("INT");
    running.end().exits(130);
}

#[cfg(unix)]
#[test]
fn the_second_ctrl_c_ends_a_batch_at_once_and_nothing_is_sent_twice() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", URLS[0]);
    mock.fault(Fault::late().on(OFFLINE_DOWNLOAD).times(1));
    let mut running = user.start(&["batch", "list.txt"]);
    let created = |service: &pan123_mock::Service| (!service.tasks().is_empty()).then_some(());
    mock.wait_for(LIMIT, created).expect("a create");
    running.signal("INT");
    running.wait_for_note("press Ctrl-C again");
    running.signal("INT");
    running.end().exits(130);
    let ended = user.run(&["batch", "list.txt"]).exits(4);
    assert!(ended.stdout.contains("1 unconfirmed"), "{ended:#?}");
    mock.assert_created_once(URLS[0]);
}

#[test]
fn closed_output_stops_a_batch_quietly_and_loses_nothing() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", &list());
    for format in [&["batch", "list.txt"][..], &["batch", "list.txt", "--json"]] {
        let mut child = user
            .command(format)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{stderr}");
        assert!(
            !stderr.contains("error") && !stderr.contains("panicked"),
            "{stderr}"
        );
    }
    user.run(&["batch", "list.txt"]).exits(0);
    assert_each_created_once(&mock);
}

#[test]
fn what_was_given_up_exits_6_and_may_still_succeed() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    user.run(&["download", URLS[0]]).exits(0);
    let export = user.run(&["batch", "export"]).exits(0).stdout;
    let given_up = export.replace(
        r#""state":"running""#,
        r#""state":"failed","reason":"given up: it stood still""#,
    );
    let failed =
        r#"{"key":"b","download":{"url":"https://a.example/b"},"state":"failed","reason":"404"}"#;

    let other = User::of(&mock);
    let import = |ledger: &str, lines: &str| {
        let import = ["batch", "import", ledger, "-"];
        other.run_with_input(&import, lines).exits(0);
    };
    import("downloads", &given_up);
    let ended = other.run(&["download", URLS[0]]).exits(6);
    assert!(ended.stdout.starts_with("timed out "), "{ended:#?}");
    assert!(ended.stdout.contains("it stood still"), "{ended:#?}");

    import("mixed", &format!("{given_up}{failed}\n"));
    let resumed = other.run(&["batch", "resume", "mixed", "--json"]).exits(6);
    assert_eq!(resumed.object()["failed"], 2);
    // What failed is sent, and what was given up is followed.
    mock.end_task(
        crate::downloads::tasks(&mock)[0],
        TaskEnd::Succeeded { size: 1 },
    );
    mock.tasks_succeed_after(1);
    let ended = other
        .run(&["batch", "resume", "mixed", "--retry-failed"])
        .exits(0);
    assert!(ended.stdout.contains("2 succeeded, 0 failed"), "{ended:#?}");
    assert!(ended.stderr.contains("2 taken up again"), "{ended:#?}");
    mock.assert_created_once(URLS[0]);
    mock.assert_created_once("https://a.example/b");

    let header = export.lines().next().unwrap();
    import("failed", &format!("{header}\n{failed}\n"));
    other.run(&["batch", "resume", "failed"]).exits(1);
    mock.assert_requests(OFFLINE_DOWNLOAD, 2);
}
