//! The command on a terminal.

use std::fs::File;

use pan123_mock::{MockPan123, Service, Task, TaskScript};

use crate::pseudo_terminal::{COLUMNS, Terminal};
use crate::support::{LIMIT, User};

/// The lines that were written, without what moves the cursor. Bars fill their lines.
fn lines(written: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        let line = lines.last().expect("a line");
        let width = console::measure_text_width(line);
        match character {
            '\u{1b}' => {
                let _ = characters.find(char::is_ascii_alphabetic);
                continue;
            }
            '\r' | '\n' => {
                lines.push(String::new());
                continue;
            }
            _ if width >= usize::from(COLUMNS) => lines.push(String::new()),
            _ => {}
        }
        lines.last_mut().expect("a line").push(character);
    }
    lines
}

#[test]
fn each_download_has_a_bar_and_all_have_one() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    let name = "很长的电影名字-第一季第二集-导演剪辑版-最终版本.mkv";
    user.write(
        "list.txt",
        &format!("https://a.example/1.mkv\nhttps://a.example/2.mkv\t{name}\n"),
    );
    let (code, written) = Terminal::start(&user, &["batch", "list.txt"]).end();
    assert_eq!(code, Some(0), "{written}");
    let lines = lines(&written);
    let has = |parts: &[&str]| {
        let fits = |line: &&String| parts.iter().all(|part| line.contains(part));
        assert!(
            lines.iter().any(|line| fits(&line)),
            "{parts:?} in {lines:#?}"
        );
    };
    has(&["1.mkv", "[", "50.0% running"]);
    // In the middle of the wide name, characters are left out.
    has(&["很长的", "…", "版本.mkv", "[", "50.0% running"]);
    has(&["total", "[", "0/2", "running"]);
    has(&["succeeded 1.mkv"]);
    has(&[&format!("succeeded {name}")]);
    has(&["2 succeeded, 0 failed"]);
    // No bar goes on in the next line.
    let bars = lines.iter().filter(|line| line.contains("% running"));
    for bar in bars {
        assert!(bar.contains('['), "{bar:?} in {lines:#?}");
    }
    assert!(!written.contains("created "), "a bar tells it: {written}");
    mock.assert_created_once("https://a.example/1.mkv");
}

#[test]
fn a_file_gets_all_results_while_the_terminal_has_bars() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", "https://a.example/1.mkv\n");
    let path = user.write("out.txt", "");
    let file = File::create(&path).unwrap();
    let terminal = Terminal::start_with_output(&user, &["batch", "list.txt"], file);
    let (code, written) = terminal.end();
    assert_eq!(code, Some(0), "{written}");
    assert!(written.contains("50.0% running"), "{written}");
    let task = crate::downloads::tasks(&mock)[0];
    let total = "1 succeeded, 0 failed, 0 unconfirmed, 0 running, 0 waiting";
    let expected = format!("created {task} 1.mkv\nsucceeded 1.mkv\n{total}\n");
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn programs_and_the_quiet_get_no_bars_on_a_terminal() {
    let mock = MockPan123::start_blocking();
    let user = User::of(&mock);
    for (at, option) in ["--json", "--quiet"].into_iter().enumerate() {
        let url = format!("https://a.example/{at}.mkv");
        let (code, written) = Terminal::start(&user, &["download", &url, "--wait", option]).end();
        assert_eq!(code, Some(0), "{written}");
        assert!(
            !written.contains('\u{1b}') && written.contains("succeeded"),
            "{written}"
        );
        assert_eq!(
            written.contains("progress"),
            option == "--json",
            "{written}"
        );
    }
    let user = user.set("NO_COLOR", "1");
    let (code, written) = Terminal::start(&user, &["status", "0"]).end();
    assert_eq!(code, Some(2));
    assert!(!written.contains('\u{1b}'), "{written}");
}

#[test]
fn ctrl_c_on_a_terminal_clears_the_bars_and_says_how_to_go_on() {
    let mock = MockPan123::builder()
        .default_script(TaskScript::never_ends())
        .start_blocking();
    let user = User::of(&mock);
    user.write("list.txt", "https://a.example/1.mkv\n");
    let terminal = Terminal::start(&user, &["batch", "list.txt"]);
    let polled = |service: &Service| {
        let polls = service.tasks().first().map(Task::polls);
        (polls > Some(0)).then_some(())
    };
    mock.wait_for(LIMIT, polled).expect("a poll");
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&terminal.child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let (code, written) = terminal.end();
    assert_eq!(code, Some(130), "{written}");
    let lines = lines(&written);
    let end: Vec<_> = lines
        .iter()
        .rev()
        .take_while(|line| !line.contains('['))
        .collect();
    assert!(
        end.iter()
            .any(|line| line.contains("pan123 batch resume list-")),
        "{lines:#?}"
    );
}
