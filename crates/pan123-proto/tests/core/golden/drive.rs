//! What goes out on the wire to the drive's own files and to the image bed, one request for each endpoint: method, URL, headers
//! and body; and what is refused before it goes out.

use crate::support::hand::request;
use crate::support::wire::{SERVICE, fixture, head, with_token};
use pan123_proto::file::{
    CopyFile, CopyFiles, CreateDir, DeleteFiles, GetCopyProgress, GetDetail, GetDownloadUrl,
    GetInfos, ListFiles, ListFilesV1, MoveFiles, OrderBy, OrderDirection, RecoverFiles,
    RecoverFilesTo, RenameFile, RenameFiles, TrashFiles,
};
use pan123_proto::image_bed::{GetImageBedProgress, ImageBedDownload};
use pan123_proto::{
    BuildError, CopyTaskId, DirId, Endpoint, EntryId, FileId, Idempotency, ImageBedDirId,
    ImageBedTaskId, Parent,
};
use serde_json::Value;

fn file(id: u64) -> FileId {
    FileId::new(id).unwrap()
}

fn dir(id: u64) -> DirId {
    DirId::new(id).unwrap()
}

fn entries(ids: impl IntoIterator<Item = u64>) -> impl Iterator<Item = EntryId> {
    ids.into_iter().map(|id| EntryId::new(id).unwrap())
}

/// The two of the vendor's samples.
fn two() -> impl Iterator<Item = EntryId> {
    entries([14_705_301, 14_705_306])
}

/// Method and path with the query, then the body byte for byte.
#[track_caller]
fn assert_sent(endpoint: &impl Endpoint, first: &str, sent: &str) {
    let transmit = request(endpoint);
    let (method, path) = first.split_once(' ').unwrap();
    let expected = with_token(format!("{method} {SERVICE}{path}"));
    assert_eq!(head(&transmit), expected);
    let body = std::str::from_utf8(transmit.request.body()).unwrap();
    assert_eq!(body, sent);
}

/// The same, as the vendor's own sample has it.
#[track_caller]
fn assert_official(endpoint: &impl Endpoint, first: &str, sent: &str, sample: &str) {
    assert_sent(endpoint, first, sent);
    let sent: Value = serde_json::from_str(sent).unwrap();
    assert_eq!(sent, fixture(sample));
}

#[test]
fn list_files() {
    assert_sent(
        &ListFiles::of(Parent::Root),
        "GET /api/v2/file/list?parentFileId=0&limit=100",
        "",
    );
    let second = ListFiles::of(dir(7)).page_size(1).unwrap();
    assert_sent(
        &second.after(EntryId::new(9).unwrap()),
        "GET /api/v2/file/list?parentFileId=7&limit=1&lastFileId=9",
        "",
    );
    assert_sent(
        &ListFiles::search("电影 1&2"),
        "GET /api/v2/file/list?parentFileId=0&limit=100&searchData=%E7%94%B5%E5%BD%B1%201%262&searchMode=0",
        "",
    );
    assert_sent(
        &ListFiles::search_exactly("a.mp4"),
        "GET /api/v2/file/list?parentFileId=0&limit=100&searchData=a.mp4&searchMode=1",
        "",
    );
}

#[test]
fn list_files_v1() {
    assert_sent(
        &ListFilesV1::of(Parent::Root).page_size(5).unwrap(),
        "GET /api/v1/file/list?parentFileId=0&page=1&limit=5&orderBy=file_id&orderDirection=asc",
        "",
    );
    let trash = ListFilesV1::of(dir(7))
        .page(u64::MAX)
        .unwrap()
        .order_by(OrderBy::Size)
        .order_direction(OrderDirection::Descending)
        .trashed(true)
        .search("电影");
    assert_sent(
        &trash,
        "GET /api/v1/file/list?parentFileId=7&page=18446744073709551615&limit=100&orderBy=size&orderDirection=desc\
         &trashed=true&searchData=%E7%94%B5%E5%BD%B1",
        "",
    );
    assert_sent(
        &ListFilesV1::of(dir(7))
            .order_by(OrderBy::Name)
            .trashed(false),
        "GET /api/v1/file/list?parentFileId=7&page=1&limit=100&orderBy=file_name&orderDirection=asc&trashed=false",
        "",
    );
}

#[test]
fn get_detail() {
    assert_sent(
        &GetDetail::new(file(14_749_954)),
        "GET /api/v1/file/detail?fileID=14749954",
        "",
    );
}

#[test]
fn get_infos() {
    assert_official(
        &GetInfos::new([file(144_851_864), file(147_053_066)]).unwrap(),
        "POST /api/v1/file/infos",
        r#"{"fileIds":[144851864,147053066]}"#,
        include_str!("../../fixtures/official_file_infos_request.json"),
    );
}

#[test]
fn get_download_url() {
    assert_sent(
        &GetDownloadUrl::new(file(u64::MAX)),
        "GET /api/v1/file/download_info?fileId=18446744073709551615",
        "",
    );
}

#[test]
fn create_dir() {
    assert_official(
        &CreateDir::new(Parent::Root, "测试目录名称").unwrap(),
        "POST /upload/v1/file/mkdir",
        r#"{"name":"测试目录名称","parentID":0}"#,
        include_str!("../../fixtures/official_mkdir_request.json"),
    );
    assert_sent(
        &CreateDir::new(dir(7), "a").unwrap(),
        "POST /upload/v1/file/mkdir",
        r#"{"name":"a","parentID":7}"#,
    );
}

#[test]
fn trash_files() {
    assert_official(
        &TrashFiles::new(two()).unwrap(),
        "POST /api/v1/file/trash",
        r#"{"fileIDs":[14705301,14705306]}"#,
        include_str!("../../fixtures/official_trash_request.json"),
    );
}

#[test]
fn delete_files() {
    assert_official(
        &DeleteFiles::new(two()).unwrap(),
        "POST /api/v1/file/delete",
        r#"{"fileIDs":[14705301,14705306]}"#,
        include_str!("../../fixtures/official_delete_request.json"),
    );
}

#[test]
fn recover_files() {
    assert_official(
        &RecoverFiles::new(two()).unwrap(),
        "POST /api/v1/file/recover",
        r#"{"fileIDs":[14705301,14705306]}"#,
        include_str!("../../fixtures/official_recover_request.json"),
    );
}

#[test]
fn recover_files_to() {
    assert_official(
        &RecoverFilesTo::new(two(), dir(123_456)).unwrap(),
        "POST /api/v1/file/recover/by_path",
        r#"{"fileIDs":[14705301,14705306],"parentFileID":123456}"#,
        include_str!("../../fixtures/official_recover_by_path_request.json"),
    );
}

#[test]
fn rename_file() {
    assert_official(
        &RenameFile::new(file(14_749_954), "测试修改文件名称.exe").unwrap(),
        "PUT /api/v1/file/name",
        r#"{"fileId":14749954,"fileName":"测试修改文件名称.exe"}"#,
        include_str!("../../fixtures/official_rename_single_request.json"),
    );
}

#[test]
fn rename_files() {
    let names = ["测试文件重命名", "测试文件重命名.mp4"];
    assert_official(
        &RenameFiles::new(two().zip(names)).unwrap(),
        "POST /api/v1/file/rename",
        r#"{"renameList":["14705301|测试文件重命名","14705306|测试文件重命名.mp4"]}"#,
        include_str!("../../fixtures/official_rename_batch_request.json"),
    );
}

#[test]
fn move_files() {
    assert_official(
        &MoveFiles::new(two(), dir(14_663_228)).unwrap(),
        "POST /api/v1/file/move",
        r#"{"fileIDs":[14705301,14705306],"toParentFileID":14663228}"#,
        include_str!("../../fixtures/official_move_request.json"),
    );
    assert_sent(
        &MoveFiles::new([dir(7)], Parent::Root).unwrap(),
        "POST /api/v1/file/move",
        r#"{"fileIDs":[7],"toParentFileID":0}"#,
    );
}

#[test]
fn copies() {
    assert_sent(
        &CopyFile::new(file(1_758_176_090_915), Parent::Root),
        "POST /api/v1/file/copy",
        r#"{"fileId":1758176090915,"targetDirId":0}"#,
    );
    assert_sent(
        &CopyFiles::new(two(), dir(7)).unwrap(),
        "POST /api/v1/file/async/copy",
        r#"{"fileIds":[14705301,14705306],"targetDirId":7}"#,
    );
    assert_sent(
        &GetCopyProgress::new(CopyTaskId::new(2020).unwrap()),
        "GET /api/v1/file/async/copy/process?taskId=2020",
        "",
    );
}

#[test]
fn image_bed_download() {
    let sample = fixture(include_str!(
        "../../fixtures/official_oss_offline_create_request.json"
    ));
    let url = sample["url"].as_str().unwrap();
    assert_official(
        &ImageBedDownload::new(url).unwrap(),
        "POST /api/v1/oss/offline/download",
        &format!(r#"{{"url":"{url}","type":1}}"#),
        include_str!("../../fixtures/official_oss_offline_create_request.json"),
    );
    let full = ImageBedDownload::new("https://example.com/a.png")
        .and_then(|download| download.file_name("a.png"))
        .and_then(|download| download.callback("https://example.com/cb"))
        .unwrap()
        .save_to(ImageBedDirId::new("10023").unwrap());
    assert_official(
        &full,
        "POST /api/v1/oss/offline/download",
        r#"{"url":"https://example.com/a.png","type":1,"fileName":"a.png","businessDirID":"10023","callBackUrl":"https://example.com/cb"}"#,
        include_str!("../../fixtures/synthetic_oss_offline_create_request_full.json"),
    );
}

#[test]
fn image_bed_progress() {
    assert_sent(
        &GetImageBedProgress::new(ImageBedTaskId::new(403_316).unwrap()),
        "GET /api/v1/oss/offline/download/process?taskID=403316",
        "",
    );
}

/// Takes 1 and the most; refuses none and one more, and says how many it takes.
#[track_caller]
fn assert_takes<T>(what: &str, most: u64, build: impl Fn(u64) -> Result<T, BuildError>) {
    assert!(build(1).is_ok() && build(most).is_ok());
    for given in [0, most + 1] {
        let error = build(given).err().unwrap().to_string();
        let expected =
            format!("{given} {what} were given: the service accepts 1 to {most} in one request");
        assert_eq!(error, expected);
    }
}

#[test]
fn no_more_and_no_fewer_than_the_service_takes() {
    let some = |count| entries(1..=count);
    let what = "files and folders";
    assert_takes(what, 100, |count| GetInfos::new(some(count)));
    assert_takes(what, 100, |count| TrashFiles::new(some(count)));
    assert_takes(what, 100, |count| DeleteFiles::new(some(count)));
    assert_takes(what, 100, |count| RecoverFiles::new(some(count)));
    assert_takes(what, 100, |count| RecoverFilesTo::new(some(count), dir(7)));
    assert_takes(what, 100, |count| MoveFiles::new(some(count), dir(7)));
    assert_takes(what, 3000, |count| CopyFiles::new(some(count), dir(7)));
    assert_takes("new names", 30, |count| {
        RenameFiles::new(some(count).map(|entry| (entry, "a")))
    });
    assert_takes("entries of a page", 100, |count| {
        ListFilesV1::of(Parent::Root).page_size(usize::try_from(count).unwrap())
    });
    let error = ListFilesV1::of(Parent::Root).page(0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the page of a list is 0: pages are counted from 1"
    );
}

#[test]
fn a_name_that_the_service_refuses_is_not_sent() {
    let pipe = "the file name contains '|': none of \" \\ / : * ? | > < and no control character is allowed";
    for (name, expected) in [
        ("a|b", pipe),
        (
            "",
            "the file name is empty: give 1 to 255 characters, or no name",
        ),
    ] {
        for error in [
            CreateDir::new(Parent::Root, name).unwrap_err(),
            RenameFile::new(file(7), name).unwrap_err(),
            RenameFiles::new([(file(7), "a"), (file(8), name)]).unwrap_err(),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}

/// What an endpoint promises of itself: how long between two requests, in milliseconds, and whether it may be sent again.
fn promised<E: Endpoint>() -> (&'static str, u128, Idempotency) {
    (
        E::RATE.name(),
        E::RATE.interval().as_millis(),
        E::IDEMPOTENCY,
    )
}

#[test]
fn the_pace_of_each_and_which_may_be_sent_twice() {
    let once = Idempotency::NonIdempotent;
    let again = Idempotency::Idempotent;
    assert_eq!(
        [
            promised::<ListFiles>(),
            promised::<ListFilesV1>(),
            promised::<GetDetail>(),
            promised::<GetInfos>(),
            promised::<GetDownloadUrl>(),
            promised::<CreateDir>(),
            promised::<TrashFiles>(),
            promised::<DeleteFiles>(),
            promised::<RecoverFiles>(),
            promised::<RecoverFilesTo>(),
            promised::<RenameFile>(),
            promised::<RenameFiles>(),
            promised::<MoveFiles>(),
            promised::<CopyFile>(),
            promised::<CopyFiles>(),
            promised::<GetCopyProgress>(),
            promised::<ImageBedDownload>(),
            promised::<GetImageBedProgress>(),
        ],
        [
            ("v2/file/list", 200, again),
            ("v1/file/list", 5000, again),
            ("file/detail", 200, again),
            ("file/infos", 100, again),
            ("file/download_info", 200, again),
            ("file/mkdir", 200, again),
            ("file/trash", 200, again),
            ("file/delete", 1000, again),
            ("file/recover", 1000, again),
            ("file/recover/by_path", 1000, again),
            ("file/name", 1000, again),
            ("file/rename", 1000, again),
            ("file/move", 334, again),
            ("file/copy", 1000, once),
            ("file/async/copy", 1000, once),
            ("file/async/copy/process", 200, again),
            ("oss/offline/download", 1000, once),
            ("oss/offline/download/process", 200, again),
        ]
    );
}
