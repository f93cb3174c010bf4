//! Each endpoint of the drive and of the image bed, against a drive with entries.

use std::time::SystemTime;

use pan123_mock::path::{ASYNC_COPY, COPY, IMAGE_BED_DOWNLOAD, RENAME, TRASH};
use pan123_mock::{CannedResponse, TaskScript, http::StatusCode};
use pan123_proto::file::{ListFilesV1, OrderDirection};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::{ErrorCode, ImageBedDirId, Parent};

use crate::drive_calls::DriveCall;
use crate::observed::Observed;
use crate::scenario::{Act, Call, Of, Scenario};
use crate::service_access::{FIRST_ENTRY, ServiceAccess, make_dirs};

use super::create;

pub(crate) fn table() -> Vec<Scenario> {
    let mut table = read();
    table.extend(changed());
    table.extend(copied());
    table.extend(lost());
    table.extend(images());
    table
}

/// The folders of a drive with entries.
const A: u64 = FIRST_ENTRY;
const B: u64 = FIRST_ENTRY + 1;
const C: u64 = FIRST_ENTRY + 2;
/// The folder where downloads go, and the first of them.
const DEFAULT: u64 = FIRST_ENTRY + 3;
const FILE: u64 = FIRST_ENTRY + 4;
/// The first copy of many.
const FIRST_COPY: u64 = 2016;
/// Nothing has this number.
const NOTHING: u64 = 7;

fn three_folders(service: &mut dyn ServiceAccess, now: SystemTime) {
    make_dirs(service, now, &["a", "b", "c"]);
}

/// Three folders, and a file that was downloaded.
fn filled(name: &'static str) -> Scenario {
    Scenario::new(name)
        .service(|service| service.default_script(TaskScript::succeeds_after(1)))
        .act(Act::Others(three_folders))
        .call(create())
        .call(Call::Wait(Of::Last))
}

fn then(scenario: Scenario, calls: impl IntoIterator<Item = DriveCall>) -> Scenario {
    let call = |scenario: Scenario, call| scenario.call(Call::Drive(call));
    calls.into_iter().fold(scenario, call)
}

/// Checks the calls after the download.
fn values(observed: &Observed) -> Vec<&str> {
    let results = observed.results[2..].iter();
    results.map(|outcome| outcome.value.as_str()).collect()
}

fn kinds(observed: &Observed) -> Vec<&str> {
    observed.kinds().split_off(2)
}

fn read() -> Vec<Scenario> {
    let old = |page| {
        ListFilesV1::of(Parent::Root)
            .page_size(2)
            .and_then(|list| list.page(page))
    };
    let old = |page| {
        old(page)
            .expect("a page")
            .order_direction(OrderDirection::Descending)
    };
    vec![
        then(
            filled("details, infos and a URL"),
            [
                DriveCall::Detail(FILE),
                DriveCall::Detail(A),
                DriveCall::Infos(vec![FILE, A, NOTHING]),
                DriveCall::DownloadUrl(FILE),
            ],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["ok"; 4]);
            assert!(values(observed)[0].ends_with("\"video.mp4\""));
            assert!(
                values(observed)[2].contains("video.mp4") && values(observed)[2].contains("in 0: ")
            );
            assert!(values(observed)[3].contains("video.mp4"));
        }),
        then(
            filled("what is not there"),
            [
                DriveCall::Detail(NOTHING),
                DriveCall::DownloadUrl(NOTHING),
                DriveCall::Rename(NOTHING, "x"),
                DriveCall::Copy(NOTHING, A),
            ],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["Api"; 4]);
            let codes = observed.results[2..].iter().map(|outcome| outcome.code);
            assert!(codes.eq([Some(ErrorCode::FileNotFound); 4]));
        }),
        then(
            filled("the old list, page by page"),
            [
                DriveCall::OldList(old(1)),
                DriveCall::OldList(old(2)),
                DriveCall::OldList(old(3)),
            ],
        )
        .expect(|observed| {
            let values = values(observed);
            assert!(
                values.iter().all(|page| page.starts_with("(Some(4), ")),
                "{values:?}"
            );
            assert!(values[0].contains("\\\"c\\\"") && values[1].contains("\\\"a\\\""));
            assert!(values[2].ends_with("[], [])"));
        }),
    ]
}

fn changed() -> Vec<Scenario> {
    vec![
        then(
            filled("made, renamed, moved"),
            [
                DriveCall::CreateDir(A, "inner"),
                DriveCall::CreateDir(A, "inner"),
                DriveCall::Rename(FILE, "film.mp4"),
                DriveCall::RenameMany(vec![(B, "bb"), (C, "cc")]),
                DriveCall::MoveTo(vec![FILE, B], A),
                DriveCall::MoveTo(vec![B], 0),
                DriveCall::Infos(vec![FILE, B, C]),
            ],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["ok", "Api", "ok", "ok", "ok", "ok", "ok"]);
            let infos = values(observed)[6];
            for text in [
                format!("{FILE} in {A}: \\\"film.mp4\\\""),
                format!("{B} in 0: \\\"bb\\\""),
                format!("{C} in 0: \\\"cc\\\""),
            ] {
                assert!(infos.contains(&text), "{infos}");
            }
        }),
        then(
            filled("through the trash and back"),
            [
                DriveCall::Delete(vec![FILE]),
                DriveCall::Trash(vec![FILE, B, C]),
                DriveCall::Recover(vec![FILE]),
                DriveCall::RecoverTo(vec![B], A),
                DriveCall::Delete(vec![C]),
                DriveCall::Infos(vec![FILE, B, C]),
            ],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["Api", "ok", "ok", "ok", "ok", "ok"]);
            let infos = values(observed)[5];
            assert!(infos.contains(&format!("{FILE} in {DEFAULT}: ")), "{infos}");
            assert!(infos.contains(&format!("{B} in {A}: ")), "{infos}");
            assert!(!infos.contains(&C.to_string()), "{infos}");
        }),
        then(
            Scenario::new("too many or too few at once"),
            [
                DriveCall::Trash(Vec::new()),
                DriveCall::Trash((1..=101).collect()),
                DriveCall::RenameMany((1..=31).map(|id| (id, "x")).collect()),
                DriveCall::CopyMany((1..=3001).collect(), 0),
                DriveCall::Rename(1, "a/b"),
            ],
        )
        .expect(|observed| {
            assert_eq!(observed.kinds(), ["Build"; 5]);
            assert!(observed.requests.is_empty());
        }),
    ]
}

fn copied() -> Vec<Scenario> {
    vec![
        then(
            filled("one copy"),
            [DriveCall::Copy(FILE, A), DriveCall::Copy(FILE, 0)],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["ok", "ok"]);
            assert!(values(observed)[0].contains(&format!("source: Some(FileId({FILE}))")));
        }),
        then(
            filled("many copies, followed"),
            [
                DriveCall::CopyMany(vec![FILE, B], A),
                DriveCall::CopyProgress(FIRST_COPY),
                DriveCall::CopyProgress(FIRST_COPY),
                DriveCall::CopyProgress(NOTHING),
                DriveCall::Infos((FILE + 1..FILE + 3).collect()),
            ],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["ok", "ok", "ok", "Api", "ok"]);
            let values = values(observed);
            assert!(values[1].contains("Running") && values[2].contains("Done"));
            assert_eq!(
                values[4].matches(&format!(" in {A}: ")).count(),
                2,
                "{}",
                values[4]
            );
        }),
    ]
}

fn lost() -> Vec<Scenario> {
    let lost = || CannedResponse::raw(StatusCode::GATEWAY_TIMEOUT, "").after_acting();
    vec![
        then(
            filled("a copy whose response is lost").canned(COPY, lost()),
            [DriveCall::Copy(FILE, A)],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["Ambiguous"]);
            assert_eq!(observed.count(COPY), 1);
        }),
        then(
            filled("many copies whose response is lost").canned(ASYNC_COPY, lost()),
            [DriveCall::CopyMany(vec![FILE], A)],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["Ambiguous"]);
            assert_eq!(observed.count(ASYNC_COPY), 1);
        }),
        then(
            filled("changes whose responses are lost")
                .canned(TRASH, lost())
                .canned(RENAME, lost()),
            [
                DriveCall::RenameMany(vec![(B, "bb")]),
                DriveCall::Trash(vec![FILE]),
                DriveCall::Infos(vec![FILE, B]),
            ],
        )
        .expect(|observed| {
            assert_eq!(kinds(observed), ["ok"; 3]);
            assert_eq!((observed.count(TRASH), observed.count(RENAME)), (2, 2));
            assert!(values(observed)[2].contains("video.mp4\\\", trashed"));
        }),
    ]
}

fn images() -> Vec<Scenario> {
    let picture = |url| ImageBedDownload::new(url).expect("a URL");
    let dir = ImageBedDirId::new("yk6baz03t0l000d7w33fbyt8704m2bohDIYPAIDOBIY0DcxvDwFO");
    let named = picture("https://example.com/a?sig=x").file_name("a.png");
    let named = named.expect("a picture").save_to(dir.expect("no root"));
    vec![
        then(
            Scenario::new("a picture for the image bed").service(|service| service.strict(true)),
            [
                DriveCall::ToImageBed(named),
                DriveCall::GetImageBedProgress(394_756),
            ],
        )
        .expect(|observed| {
            assert_eq!(observed.kinds()[0], "ok");
            assert_eq!(observed.count(IMAGE_BED_DOWNLOAD), 1);
        }),
        then(
            Scenario::new("a picture whose response is lost").canned(
                IMAGE_BED_DOWNLOAD,
                CannedResponse::raw(StatusCode::BAD_GATEWAY, "").after_acting(),
            ),
            [DriveCall::ToImageBed(picture("https://example.com/b.png"))],
        )
        .expect(|observed| {
            assert_eq!(observed.kinds(), ["Ambiguous"]);
            assert_eq!(observed.count(IMAGE_BED_DOWNLOAD), 1);
        }),
    ]
}
