//! Whatever is in the drive and whatever goes wrong: lists are whole and come to an end, and folders are made once.

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

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// Carried out, and nobody is told.
    Lost,
    /// Never carried out.
    Unheard,
    TooFrequent,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Unheard),
        1 => Just(Fate::TooFrequent),
    ];
    prop::collection::vec(fate, 1..40)
}

/// No case asks for more.
fn assert_bounded(view: &ServerView<'_>) {
    assert!(view.earlier.len() < 1000, "it asks for ever");
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_list_is_whole_and_in_order(
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
    fn whatever_the_cursors_a_list_comes_to_an_end(cursors in prop::collection::vec(-1..12_i64, 1..40)) {
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
    fn folders_are_made_once_whatever_goes_wrong(
        fates in fates(),
        others in 1..4_u64,
        apart in 0..200_u64,
    ) {
        let drive = FakeDrive::default();
        let served = drive.clone();
        let mut world = World::new(move |view, request| {
            assert_bounded(view);
            match fates.get(view.earlier.len()).unwrap_or(&Fate::Answered) {
                Fate::Answered => served.serve(view, request),
                Fate::Lost => {
                    served.serve(view, request);
                    Reply::cut()
                }
                Fate::Unheard => Reply::cut(),
                Fate::TooFrequent => Reply::code(429, "请求太频繁"),
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
