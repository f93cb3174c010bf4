//! How lists end, and the effect on clients that expect another end.

use pan123_mock::{ListEnd, Service};

use crate::mock::lists::ids;
use crate::mock::world::{World, world};

/// Follows the cursor for this many pages and returns the ids and `lastFileId` of each.
fn pages(world: &mut World, token: &str, query: &str, pages: usize) -> Vec<(Vec<u64>, i64)> {
    let mut last = String::new();
    let pages = (0..pages).map(|_| {
        let page = world.list(token, &format!("{query}{last}"));
        let id = page["data"]["lastFileId"].as_i64().expect("an id");
        last = format!("&lastFileId={id}");
        (ids(&page), id)
    });
    pages.collect()
}

fn signed(id: u64) -> i64 {
    id.try_into().expect("it is small")
}

#[test]
fn files_are_added_and_trashed_in_bulk() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "folder");
    let files = world.service.add_files(world.now, folder, 250);
    assert!(files.len() == 250 && files.is_sorted());
    let of = |id: u64| (world.file(id).name().to_owned(), world.file(id).size());
    assert_eq!(of(files[0]), ("1.bin".to_owned(), 1));
    assert_eq!(of(files[249]), ("250.bin".to_owned(), 250));
    world.service.trash_files(world.now, &[files[0], 1]);
    let trashed = world
        .service
        .files()
        .filter(|file| file.is_trashed())
        .count();
    assert_eq!(trashed, 1);

    let query = format!("parentFileId={folder}&limit=100");
    let pages = pages(&mut world, &token, &query, 3);
    let all = pages.iter().flat_map(|(ids, _)| ids.clone());
    assert_eq!(all.collect::<Vec<_>>(), files, "trashed files are listed");
    let more = world.service.add_files(world.now, folder, 2);
    assert_eq!(world.file(more[0]).name(), "1.bin", "its name was free");
    assert_eq!(world.file(more[1]).name(), "2(1).bin");
    assert!(world.service.add_files(world.now, folder, 0).is_empty());
}

#[test]
fn full_page_with_nothing_after_it_is_the_last() {
    for (end, last) in [(ListEnd::MinusOne, -1), (ListEnd::Zero, 0)] {
        let mut world = World::new(Service::builder().list_end(end).service());
        let token = world.token();
        let files = world.service.add_files(world.now, 0, 6);
        let received = pages(&mut world, &token, "parentFileId=0&limit=3", 2);
        assert_eq!(received[0], (files[..3].to_vec(), signed(files[2])));
        assert_eq!(received[1], (files[3..].to_vec(), last));
        let query = "parentFileId=0&limit=6&searchData=bin";
        assert_eq!(pages(&mut world, &token, query, 1), [(files, last)]);
        let empty = pages(&mut world, &token, "parentFileId=1&limit=6", 1);
        assert_eq!(empty, [(Vec::new(), last)]);
    }
}

#[test]
fn sending_the_end_marker_back_restarts_the_list() {
    for end in [ListEnd::MinusOne, ListEnd::Zero] {
        let mut world = world();
        world.service.set_list_end(end);
        let token = world.token();
        let files = world.service.add_files(world.now, 0, 3);
        let received = pages(&mut world, &token, "parentFileId=0&limit=2", 4);
        let received: Vec<_> = received.into_iter().map(|(ids, _)| ids).collect();
        let (first, second) = (files[..2].to_vec(), files[2..].to_vec());
        assert_eq!(received, [first.clone(), second.clone(), first, second]);
    }
}

#[test]
fn endless_list_repeats_its_second_page() {
    let mut world = world();
    world.service.set_list_end(ListEnd::Never);
    let token = world.token();
    let files = world.service.add_files(world.now, 0, 5);
    let cursor = signed(files[1]);
    let received = pages(&mut world, &token, "parentFileId=0&limit=2", 5);
    assert_eq!(received[0], (files[..2].to_vec(), cursor));
    for page in &received[1..] {
        assert_eq!(page, &(files[2..4].to_vec(), cursor));
    }

    for begin in ["0", "-1", ""] {
        let query = format!("parentFileId=0&limit=2&lastFileId={begin}");
        let page = world.list(&token, &query);
        assert_eq!(page["data"]["lastFileId"], cursor, "{begin}");
    }

    // After the only page all further pages are empty.
    let received = pages(&mut world, &token, "parentFileId=0&limit=100", 4);
    assert_eq!(received[0], (files.clone(), signed(files[4])));
    for page in &received[1..] {
        assert_eq!(page, &(Vec::new(), signed(files[4])));
    }
    let received = pages(&mut world, &token, "parentFileId=1&limit=100", 3);
    assert!(
        received.iter().all(|page| page == &(Vec::new(), 1)),
        "{received:?}"
    );

    world.service.set_list_end(ListEnd::MinusOne);
    let received = pages(&mut world, &token, "parentFileId=0&limit=3", 2);
    assert_eq!(received[1], (files[3..].to_vec(), -1));
    let options = serde_json::to_value(Service::builder().list_end(ListEnd::Never));
    assert_eq!(options.unwrap()["list_end"], "never");
}
