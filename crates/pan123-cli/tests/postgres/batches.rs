//! `batch` on several machines.

use pan123_mock::{MockPan123, TaskScript};

use super::Database;

const FILES: usize = 10;

fn url(number: usize) -> String {
    format!("https://a.example/{number}.bin")
}

#[test]
fn two_machines_share_a_list_and_one_that_is_killed_leaves_its_part_to_the_other() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = MockPan123::builder()
        .default_script(TaskScript::succeeds_after(2))
        .start_blocking();
    let list: String = (0..FILES).map(|number| url(number) + "\n").collect();
    let server = database.url();
    let batch = ["batch", "list.txt", "--ledger", &server, "--json"];
    let users = [(); 2].map(|()| database.user(&mock));
    let mut machines = users.each_ref().map(|user| {
        user.write("list.txt", &list);
        user.start(&batch)
    });
    for machine in &mut machines {
        machine.wait_for_output("\"created\"");
    }
    let [mut killed, other] = machines;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    database.end_leases();
    let ended = other.end();

    let report = ended.objects().pop().unwrap();
    let of = |state: &str| usize::try_from(report[state].as_u64().unwrap()).unwrap();
    // One may have been on its way.
    assert!(of("unconfirmed") <= 1, "{report}");
    assert_eq!(of("succeeded") + of("unconfirmed"), FILES, "{report}");
    let created: Vec<_> = mock.service(|service| {
        let tasks = service.tasks().iter();
        tasks.map(|task| task.url().to_owned()).collect()
    });
    for number in 0..FILES {
        let count = created.iter().filter(|it| **it == url(number)).count();
        assert!(count <= 1, "{number}: {count}");
    }
    assert!(created.len() >= of("succeeded"), "{report}");
    mock.assert_tokens_issued(1);

    // What another machine sees and takes away.
    let third = database.user(&mock).set("PAN123_LEDGER", &server);
    let report = third
        .run(&["batch", "show", "--json"])
        .exits(0)
        .objects()
        .pop();
    assert_eq!(report.unwrap()["succeeded"], of("succeeded"));
    third
        .run(&["batch", "export", &server, "export.jsonl"])
        .exits(0);
    let imported = third
        .run(&["batch", "import", "copy", "export.jsonl"])
        .exits(0);
    assert!(
        imported.stdout.contains(&format!("{FILES} imported")),
        "{imported:#?}"
    );
    mock.assert_tokens_issued(1);
}
