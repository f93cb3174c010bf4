//! Export and import.

use pan123_ledger::{export, export_file, import};
use pan123_proto::Account;
use pan123_proto::ledger::{
    Item, ItemState, LedgerAnswer, LedgerOp, ListItems, export_line, header_line,
};

use super::{account, counts, intend_one, item, open, run};

#[test]
fn export_and_import_move_every_item() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = open(&folder.path().join("first.db"));
    let added: Vec<_> = (0..1234).map(item).collect();
    run(&mut *first, 0, vec![LedgerOp::Add(added)]);
    intend_one(&mut *first, 1);
    let mut text = Vec::new();
    let count = export(&mut *first, &account(), &mut text).expect("it writes");
    assert_eq!(count, 1234);
    text.extend(b"{\"key\":\"bad\"}\n\nnot json\n");
    let mut second = open(&folder.path().join("second.db"));
    let imported = import(&mut *second, &account(), &text[..]).expect("it reads");
    assert_eq!((imported.added, imported.known), (1234, 0));
    let bad: Vec<_> = imported.bad_lines.iter().map(|(line, _)| *line).collect();
    assert_eq!(bad, [1236, 1238]);
    let counts = counts(&mut *second);
    assert_eq!(counts.of(ItemState::Unconfirmed), 1, "{counts:?}");
    assert_eq!(counts.of(ItemState::Queued), 1233);
    let again = import(&mut *second, &account(), &text[..]).expect("it reads");
    assert_eq!((again.added, again.known), (0, 1234));
    let other = Account::new("https://open-api.123pan.com", "somebody-else");
    let error = import(&mut *second, &other, &text[..]).unwrap_err();
    assert!(error.to_string().contains("client-id"), "{error}");
}

#[test]
fn bad_lines_are_told_by_their_number_and_the_others_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&folder.path().join("downloads.db"));
    let mut text = Vec::from("\u{feff}");
    let mut first = open(&folder.path().join("first.db"));
    run(
        &mut *first,
        0,
        vec![LedgerOp::Add(vec![item(1), item(2), item(3)])],
    );
    export(&mut *first, &account(), &mut text).expect("it writes");
    let mut lines: Vec<_> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let long = [b"{\"key\":\"", vec![b'a'; 3 << 20].as_slice(), b"\"}\n"].concat();
    let with_crlf = [lines[2].trim_ascii_end(), b"\r\n"].concat();
    lines[2] = &with_crlf;
    lines.insert(2, &long);
    let not_utf8 = b"{\"key\":\"\xff\",\"download\":{\"url\":\"https://example.com/9\"}}\n";
    lines.insert(2, not_utf8);
    let last = lines.len() - 1;
    lines[last] = lines[last].trim_ascii_end();
    let imported = import(&mut *ledger, &account(), &lines.concat()[..]).expect("it reads");
    assert_eq!(imported.added, 3, "{imported:?}");
    let bad: Vec<_> = imported.bad_lines.iter().map(|(line, _)| *line).collect();
    assert_eq!((imported.bad, bad), (2, vec![3, 4]));

    for other in ["", "\n", "{}\n", "not an export\n{}\n"] {
        let error = import(&mut *ledger, &account(), other.as_bytes()).expect_err("no head");
        assert!(error.to_string().contains("not the head"), "{error}");
    }
    let many = [lines[0], &b"no item\n".repeat(1001)].concat();
    let imported = import(&mut *ledger, &account(), &many[..]).expect("it reads");
    assert_eq!((imported.bad, imported.bad_lines.len()), (1001, 1000));
}

#[test]
fn exported_file_is_for_its_owner_only_and_replaces_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&folder.path().join("downloads.db"));
    run(&mut *ledger, 0, vec![LedgerOp::Add(vec![item(1)])]);
    let path = folder.path().join("downloads.jsonl");
    let count = export_file(&mut *ledger, &account(), &path).expect("it writes");
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!((count, text.lines().count()), (1, 2));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("it").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let error = export_file(&mut *ledger, &account(), &path).expect_err("it is there");
    assert!(error.to_string().contains("downloads.jsonl"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), text);
}

#[test]
fn each_field_of_an_item_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ledger = open(&folder.path().join("downloads.db"));
    let full = r#"{"key":"a key, 键","download":{"url":"https://example.com/a?b=1#c","fileName":"a.bin","dirID":7,"callBackUrl":"https://bot.example.org/?a=1"},"state":"failed","attempts":3,"failures":2,"task":18446744073709551615,"otherTasks":[5,6],"file":9,"reason":"it \"failed\", 失败","intendedAt":1750000000000,"notBefore":1750000001000,"hidden":true}"#;
    let plain = export_line(&Item::new(item(1).key, item(1).download));
    let mut text = header_line(&account());
    text = [&text, full, &plain].join("\n") + "\n";
    let imported = import(&mut *ledger, &account(), text.as_bytes()).expect("it reads");
    assert_eq!((imported.added, imported.bad), (2, 0), "{imported:?}");
    let mut exported = Vec::new();
    export(&mut *ledger, &account(), &mut exported).expect("it writes");
    let exported = String::from_utf8(exported).expect("text");
    assert_eq!(exported, text);

    let download = item(2).download;
    let edit = LedgerOp::Edit(item(1).key, Box::new(download.clone()));
    assert_eq!(run(&mut *ledger, 0, vec![edit]), [LedgerAnswer::Done]);
    let list = LedgerOp::List(ListItems::first(10));
    match &run(&mut *ledger, 0, vec![list])[..] {
        [LedgerAnswer::Page(page)] => assert_eq!(page[0].1.download, download),
        other => panic!("{other:?}"),
    }
}
