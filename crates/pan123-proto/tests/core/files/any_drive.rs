//! Properties of listings and folders, whatever is in the drive and whatever goes wrong.

use std::collections::HashSet;

use crate::support::cases::config;
use crate::support::drive::FakeDrive;
use crate::support::server::ServerView;
use crate::support::{Reply, World, millis, path};
use pan123_proto::file::ListFiles;
use pan123_proto::{Error, Pacing, Parent, Session};
use proptest::prelude::*;
use serde_json::json;

fn session() -> Session {
    let builder = Session::builder().access_token("fixed-token");
    builder.pacing(Pacing::off()).build().unwrap()
}

/// How the network and the service treat a request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Served,
    /// Carried out, but the response is lost.
    LostAfter,
    /// Lost before it is carried out.
    LostBefore,
    TooFrequent,
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let fault = prop_oneof![
        6 => Just(Fault::Served),
        1 => Just(Fault::LostAfter),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::TooFrequent),
    ];
    prop::collection::vec(fault, 1..40)
}

/// No case needs more requests.
fn assert_bounded(view: &ServerView<'_>) {
    assert!(view.earlier.len() < 1000, "it asks for ever");
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn listing_is_complete_and_in_order(
        trashed in prop::collection::vec(any::<bool>(), 0..60),
        page_size in 1..=20_usize,
        with_trashed in any::<bool>(),
    ) {
        let drive = FakeDrive::default();
        let mut expected = Vec::new();
        for (number, trashed) in trashed.iter().enumerate() {
            let id = drive.file(0, &format!("f{number}"));
            if *trashed {
                drive.trash(id);
            }
            if with_trashed || !trashed {
                expected.push(id);
            }
        }
        let mut world = World::new(move |view, request| {
            assert_bounded(view);
            drive.serve(view, request)
        });
        let files = ListFiles::of(Parent::Root).page_size(page_size).unwrap();
        let outcome = world.follow(session().list(files).with_trashed(with_trashed));
        world.run();
        let items = outcome.all().into_iter().filter_map(|(_, item)| item);
        let ids: Vec<_> = items.map(|item| item.unwrap().id.get()).collect();
        prop_assert_eq!(ids, expected);
        let pages = trashed.len().div_ceil(page_size).max(1);
        prop_assert_eq!(world.sent().len(), pages);
    }

    #[test]
    fn listing_ends_whatever_the_cursors(cursors in prop::collection::vec(-1..12_i64, 1..40)) {
        let most = cursors.iter().collect::<HashSet<_>>().len() + 1;
        let given = cursors.clone();
        let mut world = World::new(move |view, _| {
            assert_bounded(view);
            let cursor = given[view.count(path::LIST) % given.len()];
            let entry = json!({"fileId": view.count(path::LIST) + 1, "filename": "f", "type": 0, "parentFileId": 0});
            Reply::data(json!({"lastFileId": cursor, "fileList": [entry]}))
        });
        let outcome = world.follow(session().list(ListFiles::of(Parent::Root)));
        world.run();
        prop_assert!(world.sent().len() <= most, "{} pages", world.sent().len());
        let mut seen = HashSet::new();
        for (_, item) in outcome.all() {
            match item {
                Some(Ok(entry)) => prop_assert!(seen.insert(entry.id), "handed out twice"),
                Some(Err(Error::PaginationLoop { .. })) | None => {}
                Some(Err(error)) => prop_assert!(false, "{error}"),
            }
        }
    }

    #[test]
    fn folders_are_created_once_whatever_goes_wrong(
        faults in faults(),
        others in 1..4_u64,
        apart in 0..200_u64,
    ) {
        let drive = FakeDrive::default();
        let served = drive.clone();
        let mut world = World::new(move |view, request| {
            assert_bounded(view);
            match faults.get(view.earlier.len()).unwrap_or(&Fault::Served) {
                Fault::Served => served.serve(view, request),
                Fault::LostAfter => {
                    served.serve(view, request);
                    Reply::cut()
                }
                Fault::LostBefore => Reply::cut(),
                Fault::TooFrequent => Reply::code(429, "请求太频繁"),
            }
        });
        let mut outcomes = Vec::new();
        for number in 0..=others {
            world.run_until(millis(number * apart));
            outcomes.push(world.start(session().ensure_dir("/a/b/c").unwrap()));
        }
        world.run();
        let mut dirs = HashSet::new();
        for outcome in outcomes {
            match outcome.get() {
                Ok(dir) => drop(dirs.insert(dir)),
                Err(error) => prop_assert!(error.is_retryable(), "{error}"),
            }
        }
        prop_assert!(dirs.len() <= 1, "{dirs:?}");
        prop_assert!(drive.names(0).len() <= 1);
        for parent in 1000..1003 {
            prop_assert!(drive.names(parent).len() <= 1, "two folders in {parent}");
        }
    }
}
