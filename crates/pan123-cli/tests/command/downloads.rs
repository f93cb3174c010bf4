//! `download`, `status`, `wait`.

use pan123_mock::path::{OFFLINE_DOWNLOAD, OFFLINE_PROGRESS};
use pan123_mock::{CannedResponse, Fault, MockPan123, Task, TaskScript};
use serde_json::Value;

use crate::support::User;

const URL: &str = "https://example.com/film.mkv";

/// The ids of the tasks that the mock has, in their order.
pub(crate) fn tasks(mock: &MockPan123) -> Vec<u64> {
    mock.service(|service| service.tasks().iter().map(Task::id).collect())
}

#[test]
fn download_prints_its_task_and_ends_when_it_is_created() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let ended = user.run(&["download", URL]).exits(0);
    let task = tasks(&mock)[0];
    assert_eq!(ended.stdout, format!("created {task} film.mkv\n"));

    // The same again is the same order.
    let object = user.run(&["download", URL, "--json"]).exits(0).object();
    assert_eq!(
        (&object["change"], &object["task"]),
        (&"created".into(), &task.into())
    );
    mock.assert_created_once(URL);
}

#[test]
fn download_waits_for_the_end_and_is_not_repeated_unless_asked() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    let ended = user.run(&["download", URL, "--wait"]).exits(0);
    let task = tasks(&mock)[0];
    let expected = format!("created {task} film.mkv\nsucceeded {task} film.mkv\n");
    assert_eq!(ended.stdout, expected);

    let again = user.run(&["download", URL, "--wait"]).exits(0);
    assert_eq!(again.stdout, format!("succeeded {task} film.mkv\n"));
    assert!(again.stderr.contains("--again"), "{again:#?}");
    mock.assert_created_once(URL);

    user.run(&["download", URL, "--wait", "--again"]).exits(0);
    mock.assert_created(URL, 2);
    // What counts now is the second order.
    let ended = user.run(&["download", URL]).exits(0);
    let second = tasks(&mock)[1];
    assert_eq!(ended.stdout, format!("succeeded {second} film.mkv\n"));
    mock.assert_created(URL, 2);
}

#[test]
fn an_order_under_way_is_not_ordered_again() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    for _ in 0..3 {
        user.run(&["download", URL, "--again"]).exits(0);
    }
    mock.assert_created_once(URL);
}

#[test]
fn name_folder_and_callback_go_to_the_service() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let callback = "https://bot.example.org/hook";
    let to = |folder: &str| {
        let arguments = [
            "download",
            URL,
            "--name",
            "电影.mkv",
            "--to",
            folder,
            "--callback-url",
            callback,
        ];
        user.run(&arguments).exits(0)
    };
    let ended = to("/videos/2026");
    assert!(ended.stdout.ends_with(" 电影.mkv\n"), "{ended:#?}");
    let dir = mock.service(|service| {
        let task = &service.tasks()[0];
        assert_eq!(task.file_name(), Some("电影.mkv"));
        assert_eq!(task.callback_url(), Some(callback));
        task.dir_id().expect("a folder")
    });
    let folder = mock.service(|service| {
        let folder = service
            .files()
            .find(|file| Some(file.id()) == u64::try_from(dir).ok());
        folder.map(|folder| folder.name().to_owned())
    });
    assert_eq!(folder.as_deref(), Some("2026"));

    to(&dir.to_string());
    let second = mock.service(|service| service.tasks()[1].dir_id());
    assert_eq!(second, Some(dir));
}

#[test]
fn what_is_wrong_with_the_command_line_sends_nothing() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    for (arguments, text) in [
        (&["download", "magnet:?xt=urn:btih:0"][..], "magnet links"),
        (&["download", URL, "ftp://a/b"], "URL 2: FTP links"),
        (&["download", "thunder://QUE="], "thunder link"),
        (
            &["download", URL, "https://b.example/", "--name", "a"],
            "--name is for one URL",
        ),
        (&["download", URL, "--name", "a/b"], "--name: "),
        (&["download", URL, "--to", "/"], "--to: "),
        (
            &["download", URL, "--callback-url", "bot"],
            "--callback-url: ",
        ),
        (&["status", "0"], "not a valid task id"),
        (&["wait", "1", "--timeout", "1d"], "`15m`"),
    ] {
        let ended = user.run(arguments).exits(2);
        assert!(ended.stderr.contains(text), "{ended:#?}");
    }
    assert!(mock.requests().is_empty());
}

#[test]
fn failed_download_exits_1_and_stays_failed() {
    let mock = MockPan123::start_blocking();
    mock.respond_next(OFFLINE_DOWNLOAD, CannedResponse::envelope(1, "源站404"));
    let user = User::of(&mock);
    let ended = user.run(&["download", URL]).exits(1);
    assert!(ended.stdout.contains("源站404"), "{ended:#?}");
    let ended = user.run(&["download", URL]).exits(1);
    assert!(ended.stderr.contains("--again"), "{ended:#?}");
    mock.assert_requests(OFFLINE_DOWNLOAD, 1);
    user.run(&["download", URL, "--again"]).exits(0);
    mock.assert_created_once(URL);
}

#[test]
fn bad_credentials_exit_3_and_the_order_goes_on_with_good_ones() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock).set("PAN123_CLIENT_SECRET", "wrong-secret");
    for wait in [&[][..], &["--wait"]] {
        let arguments = [&["download", URL][..], wait].concat();
        let ended = user.run(&arguments).exits(3);
        assert!(!format!("{ended:?}").contains("wrong-secret"), "{ended:#?}");
    }
    mock.assert_created(URL, 0);
    let user = user.set("PAN123_CLIENT_SECRET", pan123_mock::CLIENT_SECRET);
    user.run(&["batch", "resume"]).exits(0);
    mock.assert_created_once(URL);
}

#[test]
fn service_that_is_down_exits_5_and_loses_nothing() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    mock.fault(
        Fault::bad_gateway()
            .on(pan123_mock::path::ACCESS_TOKEN)
            .always(),
    );
    let ended = user.run(&["download", URL, "--json"]).exits(5);
    let last = ended.objects().pop().unwrap();
    assert_eq!((&last["type"], &last["exit"]), (&"error".into(), &5.into()));
    mock.clear_faults();
    let ended = user.run(&["download", URL]).exits(0);
    assert!(ended.stdout.starts_with("created "), "{ended:#?}");
    mock.assert_created_once(URL);
}

#[test]
fn response_that_is_lost_exits_4_and_is_settled_by_its_task() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    mock.fault(Fault::empty_body().on(OFFLINE_DOWNLOAD).times(1));
    let ended = user.run(&["download", URL, "--wait"]).exits(4);
    assert!(
        ended.stdout.starts_with("unconfirmed film.mkv: "),
        "{ended:#?}"
    );
    let digits = ended
        .stdout
        .rsplit_once('[')
        .unwrap()
        .1
        .trim_end()
        .trim_end_matches(']');
    let shown = user.run(&["batch", "show"]).exits(0);
    assert!(shown.stderr.contains("--send-again"), "{shown:#?}");
    assert!(shown.stdout.contains(digits), "{shown:#?}");

    // Not sent again, whatever is asked.
    for again in [&[][..], &["--again"]] {
        user.run(&[&["download", URL][..], again].concat()).exits(4);
    }
    mock.assert_requests(OFFLINE_DOWNLOAD, 1);
    let early = user.run(&["batch", "settle", "downloads", digits, "--send-again"]);
    assert!(early.exits(1).stderr.contains("on its way"));
    user.run(&["batch", "settle", "downloads", "nothing", "--drop"])
        .exits(1);
    user.run(&["batch", "settle", "downloads", digits]).exits(2);

    let other = "https://example.com/other.bin";
    user.run(&["download", other]).exits(0);
    let task = tasks(&mock)[0].to_string();
    let settled = user.run(&[
        "batch",
        "settle",
        "downloads",
        digits,
        "--was",
        &task,
        "--json",
    ]);
    assert_eq!(settled.exits(0).object()["name"], "film.mkv");
    user.run(&["download", URL, "--wait"]).exits(0);
    mock.assert_created(URL, 0);
    mock.assert_created_once(other);
}

#[test]
fn status_tells_where_tasks_stand_and_the_worst_counts() {
    let mock = MockPan123::builder()
        .script_for("https://a.example/1", TaskScript::steps([(37.5, 3)]))
        .script_for("https://a.example/2", TaskScript::fails_after(1, "源站404"))
        .start_blocking();
    let user = User::of(&mock);
    user.run(&["download", "https://a.example/1", "https://a.example/2"])
        .exits(0);
    let ids: Vec<String> = tasks(&mock).iter().map(u64::to_string).collect();
    let at = |url: &str| {
        let tasks =
            mock.service(|service| service.tasks().iter().position(|task| task.url() == url));
        ids[tasks.unwrap()].clone()
    };
    let (first, second) = (at("https://a.example/1"), at("https://a.example/2"));
    let ended = user.run(&["status", &first, &first]).exits(0);
    assert_eq!(ended.stdout, format!("progress {first} 37.5% retrying\n"));
    let chinese = user.set("LANG", "zh_CN.UTF-8");
    let ended = chinese.run(&["status", &first, &second]).exits(1);
    assert!(ended.stdout.contains("37.5% 重试中"), "{ended:#?}");
    assert!(
        ended.stdout.contains(&format!("失败 {second}")),
        "{ended:#?}"
    );

    mock.fault(Fault::unauthorized().on(OFFLINE_PROGRESS).always());
    let ended = chinese.run(&["status", &first, "--json"]).exits(3);
    assert_eq!(ended.object()["change"], "rejected");
}

#[test]
fn wait_survives_failed_polls_and_ends_with_the_worst() {
    let mock = MockPan123::builder()
        .script_for("https://a.example/2", TaskScript::fails_after(1, "源站404"))
        .start_blocking();
    let user = User::of(&mock);
    user.run(&["download", "https://a.example/1"]).exits(0);
    let first = tasks(&mock)[0].to_string();
    let refused = CannedResponse::envelope(1, "系统繁忙");
    mock.respond_next(OFFLINE_PROGRESS, refused);
    let ended = user.run(&["wait", &first, "--json"]).exits(0);
    let changes: Vec<Value> = ended
        .objects()
        .iter()
        .map(|it| it["change"].clone())
        .collect();
    assert_eq!(changes[0], "poll_failed");
    assert_eq!(changes.last().unwrap(), "succeeded");

    user.run(&["download", "https://a.example/2"]).exits(0);
    let second = tasks(&mock)[1].to_string();
    let ended = user.run(&["wait", &first, &second]).exits(1);
    assert!(
        ended.stdout.contains(&format!("succeeded {first}\n")),
        "{ended:#?}"
    );
    assert!(
        ended.stdout.contains(&format!("failed {second}: ")),
        "{ended:#?}"
    );
}

#[test]
fn wait_times_out_with_6() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    user.run(&["download", URL]).exits(0);
    let task = tasks(&mock)[0].to_string();
    let ended = user.run(&["wait", &task, "--timeout", "0.1"]).exits(6);
    assert!(
        ended.stdout.starts_with(&format!("timed out {task}")),
        "{ended:#?}"
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_what_waits_and_the_order_stays() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let mut running = user.start(&["download", URL, "--wait"]);
    running.wait_for_note("progress");
    running.signal("TERM");
    let ended = running.end().exits(130);
    assert!(ended.stderr.contains("the same command"), "{ended:#?}");

    let task = tasks(&mock)[0].to_string();
    let mut running = user.start(&["wait", &task, "--json"]);
    running.wait_for_output("progress");
    running.signal("INT");
    let last = running.end().exits(130).objects().pop().unwrap();
    assert_eq!(
        (&last["type"], &last["exit"]),
        (&"error".into(), &130.into())
    );
    mock.assert_created_once(URL);
}
