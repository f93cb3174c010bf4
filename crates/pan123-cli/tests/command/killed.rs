//! A command that is killed at the worst moment: a task is created, and its answer is withheld.

use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_mock::{Fault, MockPan123, Service, Task, TaskEnd, TaskScript};

use crate::batches::ledger_of;
use crate::downloads::tasks;
use crate::support::{LIMIT, User};

const FILES: usize = 6;

fn url(number: usize) -> String {
    format!("https://a.example/{number}.bin")
}

fn list() -> String {
    (0..FILES).map(|number| url(number) + "\n").collect()
}

/// Waits until the service has so many tasks.
fn wait_for_tasks(mock: &MockPan123, count: usize) {
    let created = |service: &Service| (service.tasks().len() >= count).then_some(());
    mock.wait_for(LIMIT, created).expect("tasks");
}

#[test]
fn a_batch_that_is_killed_in_the_middle_of_a_create_gets_each_file_once() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", &list());
    let mut killed = user.start(&["batch", "list.txt"]);
    killed.wait_for_output("created ");
    mock.fault(Fault::late().on(OFFLINE_DOWNLOAD).times(1));
    let before = mock.service(|service| service.tasks().len());
    wait_for_tasks(&mock, before + 1);
    killed.child.kill().unwrap();
    let lost = mock.service(|service| {
        let task = &service.tasks()[before];
        (task.id(), task.url().to_owned())
    });
    drop(killed);
    mock.clear_faults();

    let ended = user.run(&["batch", "list.txt"]).exits(4);
    let name = ledger_of(&ended);
    let missing = (FILES - 1).to_string();
    let report = format!("{missing} succeeded, 0 failed, 1 unconfirmed, 0 running, 0 waiting\n");
    assert!(ended.stdout.ends_with(&report), "{ended:#?}");
    let (task, lost_url) = lost;
    let file = lost_url.rsplit_once('/').unwrap().1;
    assert!(
        ended.stdout.contains(&format!("unconfirmed {file}")),
        "{ended:#?}"
    );

    let shown = user
        .run(&["batch", "show", &name, "--json"])
        .exits(0)
        .objects();
    let key = shown[0]["key"].as_str().unwrap();
    let was = task.to_string();
    user.run(&["batch", "settle", &name, key, "--was", &was])
        .exits(0);
    let ended = user.run(&["batch", "resume", &name]).exits(0);
    assert!(
        ended.stdout.contains(&format!("{FILES} succeeded")),
        "{ended:#?}"
    );
    for number in 0..FILES {
        mock.assert_created_once(&url(number));
    }
}

#[test]
fn a_download_that_is_killed_is_never_ordered_twice() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let url = url(1);
    mock.fault(Fault::late().on(OFFLINE_DOWNLOAD).times(1));
    let mut killed = user.start(&["download", &url]);
    wait_for_tasks(&mock, 1);
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();

    let ended = user.run(&["download", &url]).exits(4);
    assert!(ended.stdout.starts_with("unconfirmed 1.bin"), "{ended:#?}");
    mock.assert_created_once(&url);

    // It has become a file, whose path somebody knows.
    let task = tasks(&mock)[0];
    mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    let digits = ended.stdout.rsplit_once('[').unwrap().1;
    let digits = digits.trim_end().trim_end_matches(']');
    let settle =
        |found: &str| user.run(&["batch", "settle", "downloads", digits, "--found", found]);
    settle("/来自:离线下载/other.bin").exits(1);
    settle("/来自:离线下载/1.bin").exits(0);
    let ended = user.run(&["download", &url]).exits(0);
    assert_eq!(ended.stdout, "succeeded 1.bin\n");
    mock.assert_created_once(&url);
}

#[test]
fn a_task_id_that_was_printed_is_not_lost_with_the_command() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let url = url(1);
    let mut killed = user.start(&["download", &url, "--wait"]);
    let line = killed.wait_for_output("created ");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();

    let task = tasks(&mock)[0];
    assert_eq!(line, format!("created {task} 1.bin\n"));
    let shown = user.run(&["batch", "show", "--json"]).exits(0).objects();
    assert_eq!(shown[0]["task"], task);

    let mut waiting = user.start(&["wait", &task.to_string()]);
    waiting.wait_for_note("progress");
    waiting.child.kill().unwrap();
    waiting.child.wait().unwrap();
    mock.end_task(task, TaskEnd::Succeeded { size: 1 });
    user.run(&["wait", &task.to_string()]).exits(0);
    user.run(&["download", &url, "--wait"]).exits(0);
    mock.assert_created_once(&url);
}

#[test]
fn two_commands_with_the_same_order_at_once_order_it_once() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", &list());
    let both = [(); 2].map(|()| user.start(&["batch", "list.txt"]));
    for running in both {
        running.end().exits(0);
    }
    for number in 0..FILES {
        mock.assert_created_once(&url(number));
    }

    let url = "https://b.example/film.mkv";
    let both = [(); 2].map(|()| user.start(&["download", url, "--wait"]));
    for running in both {
        let ended = running.end().exits(0);
        assert!(ended.stdout.contains("succeeded "), "{ended:#?}");
    }
    mock.assert_created_once(url);
}

#[test]
fn a_command_hears_of_its_order_that_another_one_follows() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    let (endless, mine) = (url(1), url(2));
    let mut other = user.start(&["download", &endless, &mine, "--wait"]);
    other.wait_for_output("created ");
    other.wait_for_output("created ");
    let mut waiting = user.start(&["download", &mine, "--wait"]);
    waiting.wait_for_output("created ");
    let task = mock.service(|service| {
        let mut tasks = service.tasks().iter();
        tasks.find(|task| task.url() == mine).map(Task::id)
    });
    mock.end_task(task.unwrap(), TaskEnd::Succeeded { size: 1 });
    let ended = waiting.end().exits(0);
    assert!(ended.stdout.contains("succeeded "), "{ended:#?}");
    other.wait_for_output("succeeded ");
    mock.assert_created_once(&mine);
}
