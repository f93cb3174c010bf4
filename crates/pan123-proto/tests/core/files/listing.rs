//! Listings: pages, cursors, failures, and changes between pages.

use crate::support::drive::{FIRST, FakeDrive};
use crate::support::{Reply, World, at, fixed, hand, path, secs};
use pan123_proto::file::{Entry, ListFiles, Listing};
use pan123_proto::{EntryId, Error, ErrorKind, Input, Machine, Parent, RetryPolicy, Session};
use serde_json::{Value, json};

fn entry(id: u64, trashed: bool) -> Value {
    json!({"fileId": id, "filename": format!("f{id}"), "type": 0, "parentFileId": 0, "trashed": u8::from(trashed)})
}

fn page(last: i64, entries: &[Value]) -> Reply {
    Reply::data(json!({"lastFileId": last, "fileList": entries}))
}

/// A server that returns one page after the other, and then the last one forever.
fn pages(pages: Vec<(i64, Vec<Value>)>) -> World {
    World::new(move |view, _| {
        assert!(view.earlier.len() < 100, "it asks for ever");
        let number = view.count(path::LIST).min(pages.len() - 1);
        let (last, entries) = &pages[number];
        page(*last, entries)
    })
}

fn root() -> ListFiles {
    ListFiles::of(Parent::Root)
}

fn once(session: &Session) -> Listing {
    session.list(root())
}

fn no_retries() -> Session {
    let builder = Session::builder().access_token("fixed-token");
    builder.retry(RetryPolicy::none()).build().unwrap()
}

/// The ids of all entries, and the error at the end if there is one.
fn read(world: &mut World, listing: Listing) -> (Vec<u64>, Option<Error>) {
    let outcome = world.follow(listing);
    world.run();
    let mut ids = Vec::new();
    let mut end = None;
    for (_, item) in outcome.all() {
        match item {
            Some(Ok(Entry { id, .. })) => ids.push(id.get()),
            Some(Err(error)) => end = Some(error),
            None => {}
        }
    }
    (ids, end)
}

fn queries(world: &World) -> Vec<String> {
    let sent = world.sent_to(path::LIST);
    sent.iter().filter_map(|sent| sent.query.clone()).collect()
}

#[test]
fn empty_folder_takes_one_request() {
    for last in [-1, 0] {
        let mut world = pages(vec![(last, Vec::new())]);
        let (ids, error) = read(&mut world, once(&fixed()));
        assert!(ids.is_empty() && error.is_none(), "{ids:?} {error:?}");
        assert_eq!(queries(&world), ["parentFileId=0&limit=100"]);
    }
}

#[test]
fn empty_page_in_the_middle_is_not_the_end() {
    let mut world = pages(vec![
        (5, Vec::new()),
        (9, vec![entry(7, false)]),
        (-1, vec![entry(10, false)]),
    ]);
    assert_eq!(read(&mut world, once(&fixed())).0, [7, 10]);
}

#[test]
fn page_cursor_that_repeats_is_an_error() {
    let mut world = pages(vec![(7, vec![entry(7, false)])]);
    let (ids, error) = read(&mut world, once(&fixed()));
    assert_eq!(ids, [7], "nothing is handed out twice");
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::PaginationLoop);
    assert!(error.to_string().contains("the cursor 7"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(world.sent().len(), 2, "the second answer showed it");
}

#[test]
fn page_cursor_that_repeats_the_first_is_an_error() {
    let cursor = EntryId::new(7).unwrap();
    let mut world = pages(vec![(7, vec![entry(8, false)])]);
    let (ids, error) = read(&mut world, fixed().list(root().after(cursor)));
    assert!(ids.is_empty());
    assert_eq!(error.unwrap().kind(), ErrorKind::PaginationLoop);
    assert_eq!(queries(&world), ["parentFileId=0&limit=100&lastFileId=7"]);
}

#[test]
fn next_page_is_requested_when_this_one_is_used_up() {
    let mut listing = fixed().list(root());
    let now = at(secs(0));
    hand::transmit(listing.resume(now, Input::Wake));
    let data = json!({"lastFileId": 2, "fileList": [entry(1, false), entry(2, false)]});
    let first = hand::ready(listing.resume(now, hand::data(data)));
    assert_eq!(first.unwrap().unwrap().id.get(), 1);
    assert_eq!(listing.cursor(), None, "the first page is being handed out");
    let second = hand::ready(listing.resume(now, Input::Wake));
    assert_eq!(second.unwrap().unwrap().id.get(), 2);
    hand::wait(listing.resume(now, Input::Wake));
    assert_eq!(listing.cursor().map(EntryId::get), Some(2));
}

#[test]
fn failed_page_can_be_retried_without_loss() {
    let session = no_retries();
    let mut listing = session.list(root());
    let mut time = secs(0);
    let mut next = |listing: &mut Listing, answer: Input| {
        time += secs(1);
        hand::transmit(listing.resume(at(time), Input::Wake));
        listing.resume(at(time), answer)
    };
    let data = |last: i64, id: u64| {
        hand::data(json!({"lastFileId": last, "fileList": [entry(id, false)]}))
    };
    let first = hand::ready(next(&mut listing, data(1, 1)));
    assert_eq!(first.unwrap().unwrap().id.get(), 1);
    let failed = hand::ready(next(&mut listing, hand::answer(502, "bad gateway")));
    failed.unwrap().unwrap_err();
    for _ in 0..3 {
        assert!(hand::ready(listing.resume(at(secs(9)), Input::Wake)).is_none());
    }
    let cursor = listing.cursor().unwrap();
    assert_eq!(cursor.get(), 1);

    listing.retry();
    let step = listing.resume(at(secs(10)), Input::Wake);
    let query = hand::transmit(step)
        .request
        .uri()
        .query()
        .map(str::to_owned);
    assert_eq!(
        query.as_deref(),
        Some("parentFileId=0&limit=100&lastFileId=1")
    );
    let second = hand::ready(listing.resume(at(secs(10)), data(-1, 2)));
    assert_eq!(second.unwrap().unwrap().id.get(), 2);
    assert!(hand::ready(listing.resume(at(secs(10)), Input::Wake)).is_none());
    listing.retry();
    let end = hand::ready(listing.resume(at(secs(10)), Input::Wake));
    assert!(end.is_none(), "a whole list is not begun again");

    let mut later = session.list(root().after(cursor));
    let step = later.resume(at(secs(20)), Input::Wake);
    let again = hand::transmit(step)
        .request
        .uri()
        .query()
        .map(str::to_owned);
    assert_eq!(again, query, "another listing goes on at the same page");
}

#[test]
fn changes_between_pages_neither_repeat_nor_lose_entries() {
    let drive = FakeDrive::default();
    for number in 0..6 {
        drive.file(0, &format!("f{number}"));
    }
    let served = drive.clone();
    let mut world = World::new(move |view, request| {
        // Before the second page one entry of the first goes, one of the second goes, and a new one comes.
        if view.count(path::LIST) == 1 {
            drive.remove(FIRST);
            drive.remove(FIRST + 3);
            drive.trash(FIRST + 4);
            drive.file(0, "new");
        }
        served.serve(view, request)
    });
    let listing = fixed().list(root().page_size(2).unwrap());
    let (ids, error) = read(&mut world, listing);
    assert!(error.is_none());
    assert_eq!(ids, [0, 1, 2, 5, 6].map(|number| FIRST + number));
}

#[test]
fn listing_stopped_within_a_page_is_incomplete() {
    let listing = fixed().list(root());
    let handle = listing.handle();
    let mut listing = listing;
    let now = at(secs(0));
    hand::transmit(listing.resume(now, Input::Wake));
    let data = json!({"lastFileId": -1, "fileList": [entry(1, false), entry(2, false)]});
    hand::ready(listing.resume(now, hand::data(data)))
        .unwrap()
        .unwrap();
    handle.stop();
    let item = hand::ready(listing.resume(now, Input::Wake));
    assert_eq!(item.unwrap().unwrap_err().kind(), ErrorKind::Stopped);
    assert!(hand::ready(listing.resume(now, Input::Wake)).is_none());
    assert_eq!(
        listing.cursor(),
        None,
        "another one begins with this page again"
    );
}

#[test]
fn retry_does_not_disturb_a_running_listing() {
    let cursor = EntryId::new(7).unwrap();
    let mut listing = fixed().list(root().after(cursor));
    assert_eq!(listing.cursor(), Some(cursor));
    hand::transmit(listing.resume(at(secs(0)), Input::Wake));
    listing.retry();
    let data = json!({"lastFileId": -1, "fileList": [entry(8, false)]});
    let first = hand::ready(listing.resume(at(secs(0)), hand::data(data)));
    assert_eq!(first.unwrap().unwrap().id.get(), 8);
}

#[test]
fn stopped_listing_is_an_error() {
    let listing = fixed().list(root());
    let handle = listing.handle();
    handle.stop();
    let mut world = pages(vec![(-1, Vec::new())]);
    let (ids, error) = read(&mut world, listing);
    assert!(ids.is_empty());
    assert_eq!(error.unwrap().kind(), ErrorKind::Stopped);
    assert!(world.sent().is_empty());
}

/// Each item by its id, or by its kind and the id of the row.
fn items(world: &mut World, listing: Listing) -> Vec<String> {
    let outcome = world.follow(listing);
    world.run();
    let items = outcome.all().into_iter().filter_map(|(_, item)| item);
    items
        .map(|item| match item {
            Ok(entry) => entry.id.to_string(),
            Err(Error::UnreadableRow(row)) => format!("odd {:?}", row.id().map(EntryId::get)),
            Err(error) => format!("{:?}", error.kind()),
        })
        .collect()
}

#[test]
fn row_that_cannot_be_read_is_an_item_in_its_place() {
    let odd = json!({"fileId": 3, "filename": "f", "type": null});
    let mut world = pages(vec![
        (
            4,
            vec![json!(null), entry(2, false), odd.clone(), entry(4, false)],
        ),
        (5, vec![json!({"fileId": 5, "type": 0})]),
        (9, vec![entry(6, true), entry(7, false), json!([])]),
        (-1, vec![json!("x")]),
    ]);
    let expected = [
        "odd None",
        "2",
        "odd Some(3)",
        "4",
        "odd Some(5)",
        "7",
        "odd None",
        "odd None",
    ];
    assert_eq!(items(&mut world, once(&fixed())), expected);
    assert_eq!(world.sent().len(), 4);

    let trashed = json!({"fileId": 8, "trashed": 1});
    let mut world = pages(vec![(-1, vec![trashed, odd])]);
    assert_eq!(items(&mut world, once(&fixed())), ["odd Some(3)"]);
    let with_trashed = once(&fixed()).with_trashed(true);
    assert_eq!(
        items(&mut world, with_trashed),
        ["odd Some(8)", "odd Some(3)"]
    );
}

#[test]
fn odd_row_at_the_end_of_a_page_without_a_cursor_loses_no_other() {
    let mut world = World::new(|view, _| {
        let rows = match view.count(path::LIST) {
            0 => json!([entry(2, false), null]),
            1 => json!(["x", entry(3, false), {"type": 0}]),
            _ => json!([]),
        };
        Reply::data(json!({"lastFileId": null, "fileList": rows}))
    });
    let expected = ["2", "odd None", "odd None", "3", "odd None"];
    assert_eq!(items(&mut world, once(&fixed())), expected);
    let cursors = queries(&world);
    assert!(cursors[1].contains("lastFileId=2") && cursors[2].contains("lastFileId=3"));
}

#[test]
fn unimportant_fields_never_make_a_row_odd() {
    let row = |key: &str, value: Value| {
        let mut row = entry(7, false);
        row[key] = value;
        row
    };
    for key in [
        "parentFileId",
        "trashed",
        "size",
        "etag",
        "category",
        "status",
        "createAt",
        "updateAt",
        "x",
    ] {
        for value in [
            json!(null),
            json!(-1),
            json!("x"),
            json!([]),
            json!({}),
            json!(1.5),
        ] {
            // A text is true.
            let is_trash =
                key == "trashed" && matches!(&value, Value::Number(_) | Value::String(_));
            let shown = value.to_string();
            let mut world = pages(vec![(-1, vec![row(key, value)])]);
            let listing = once(&fixed()).with_trashed(is_trash);
            assert_eq!(items(&mut world, listing), ["7"], "{key}: {shown}");
        }
    }
}

#[test]
fn end_is_a_page_without_a_next_one() {
    let data = |cursor: Option<Value>, rows: &[Value]| {
        let mut data = json!({ "fileList": rows });
        if let Some(cursor) = cursor {
            data["lastFileId"] = cursor;
        }
        Reply::data(data)
    };
    for cursor in [
        None,
        Some(json!(null)),
        Some(json!("")),
        Some(json!(-1)),
        Some(json!("-1")),
        Some(json!(0)),
        Some(json!("0")),
    ] {
        let last = cursor.clone();
        let mut world = World::new(move |view, _| match view.count(path::LIST) {
            0 => data(Some(json!(5)), &[entry(5, false)]),
            _ => data(last.clone(), &[]),
        });
        assert_eq!(items(&mut world, once(&fixed())), ["5"], "{cursor:?}");
        assert_eq!(world.sent().len(), 2, "{cursor:?}");
    }
    // Rows without a cursor are no end: the service is asked what comes after them.
    for cursor in [None, Some(json!(null)), Some(json!(""))] {
        let mut world = World::new(move |view, _| match view.count(path::LIST) {
            0 => data(cursor.clone(), &[entry(4, false), entry(5, false)]),
            1 => data(cursor.clone(), &[entry(6, false)]),
            _ => data(cursor.clone(), &[]),
        });
        assert_eq!(items(&mut world, once(&fixed())), ["4", "5", "6"]);
        let after = |id| format!("parentFileId=0&limit=100&lastFileId={id}");
        assert_eq!(queries(&world)[1..], [after(5), after(6)]);

        let mut same = World::new(move |_, _| data(None, &[entry(5, false)]));
        assert_eq!(items(&mut same, once(&fixed())), ["5", "PaginationLoop"]);
    }
    let mut lost = World::new(move |_, _| data(None, &[json!(null)]));
    assert_eq!(items(&mut lost, no_retries().list(root())), ["Decode"]);
}

#[test]
fn odd_row_does_not_end_a_listing_and_is_not_retried() {
    let mut listing = no_retries().list(root());
    let now = at(secs(0));
    let item = |listing: &mut Listing| hand::ready(listing.resume(now, Input::Wake));
    hand::transmit(listing.resume(now, Input::Wake));
    let data = json!({"lastFileId": 3, "fileList": [{}, entry(2, false), {"fileId": 3}]});
    let odd = hand::ready(listing.resume(now, hand::data(data)));
    assert_eq!(odd.unwrap().unwrap_err().kind(), ErrorKind::UnreadableRow);
    listing.retry();
    assert_eq!(item(&mut listing).unwrap().unwrap().id.get(), 2);
    assert_eq!(listing.cursor(), None);
    let odd = item(&mut listing).unwrap().unwrap_err();
    assert!(!odd.is_retryable());
    assert!(odd.to_string().contains("its id is 3"), "{odd}");

    let time = secs(1);
    hand::transmit(listing.resume(at(time), Input::Wake));
    let failed = hand::ready(listing.resume(at(time), hand::answer(502, "bad gateway")));
    failed.unwrap().unwrap_err();
    listing.retry();
    hand::transmit(listing.resume(at(secs(2)), Input::Wake));
    assert_eq!(listing.cursor().map(EntryId::get), Some(3));
    let data = json!({"lastFileId": -1, "fileList": [null, entry(4, false)]});
    let odd = hand::ready(listing.resume(at(secs(2)), hand::data(data)));
    assert_eq!(odd.unwrap().unwrap_err().kind(), ErrorKind::UnreadableRow);
    let handle = listing.handle();
    handle.stop();
    assert_eq!(
        item(&mut listing).unwrap().unwrap_err().kind(),
        ErrorKind::Stopped
    );
}
