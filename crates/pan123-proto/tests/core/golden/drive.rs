//! Golden requests to the drive and the image bed, and the limits of their endpoints.

use crate::support::hand::request;
use crate::support::wire::{SERVICE, fixture, head, with_token};
use pan123_proto::file::{
    CopyFile, CopyFiles, CreateDir, DeleteFiles, GetCopyProgress, GetDetail, GetDownloadUrl,
    GetInfos, ListFiles, ListFilesV1, MoveFiles, OrderBy, OrderDirection, RecoverFiles,
    RecoverFilesTo, RenameFile, RenameFiles, TrashFiles,
};
use pan123_proto::image_bed::{GetImageBedProgress, ImageBedDownload};
use pan123_proto::oauth::{AuthorizationCodeGrant, RefreshTokenGrant};
use pan123_proto::{
    BuildError, CopyTaskId, DirId, Endpoint, EntryId, FileId, ImageBedDirId, ImageBedTaskId, Parent,
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

/// The ids in the vendor's samples.
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

/// A test for each request: the endpoint, its method and path, its body, and the vendor's sample that has the same body.
macro_rules! golden {
    ($($name:ident: $endpoint:expr, $first:expr $(, $body:expr $(, $sample:literal)?)?;)*) => {$(
        #[test]
        fn $name() {
            golden!(@check $endpoint, $first $(, $body $(, $sample)?)?);
        }
    )*};
    (@check $endpoint:expr, $first:expr) => { assert_sent(&$endpoint, $first, "") };
    (@check $endpoint:expr, $first:expr, $body:expr) => { assert_sent(&$endpoint, $first, $body) };
    (@check $endpoint:expr, $first:expr, $body:expr, $sample:literal) => {
        let sample = include_str!(concat!("../../fixtures/", $sample, ".json"));
        assert_official(&$endpoint, $first, $body, sample);
    };
}

golden! {
    list_of_the_root: ListFiles::of(Parent::Root), "GET /api/v2/file/list?parentFileId=0&limit=100";
    list_of_a_later_page: ListFiles::of(dir(7)).page_size(1).unwrap().after(EntryId::new(9).unwrap()),
        "GET /api/v2/file/list?parentFileId=7&limit=1&lastFileId=9";
    search: ListFiles::search("电影 1&2"),
        "GET /api/v2/file/list?parentFileId=0&limit=100&searchData=%E7%94%B5%E5%BD%B1%201%262&searchMode=0";
    exact_search: ListFiles::search_exactly("a.mp4"),
        "GET /api/v2/file/list?parentFileId=0&limit=100&searchData=a.mp4&searchMode=1";
    list_v1: ListFilesV1::of(Parent::Root).page_size(5).unwrap(),
        "GET /api/v1/file/list?parentFileId=0&page=1&limit=5&orderBy=file_id&orderDirection=asc";
    list_v1_with_everything: ListFilesV1::of(dir(7)).page(u64::MAX).unwrap().order_by(OrderBy::Size)
            .order_direction(OrderDirection::Descending).trashed(true).search("电影"),
        "GET /api/v1/file/list?parentFileId=7&page=18446744073709551615&limit=100&orderBy=size&orderDirection=desc\
         &trashed=true&searchData=%E7%94%B5%E5%BD%B1";
    list_v1_by_name: ListFilesV1::of(dir(7)).order_by(OrderBy::Name).trashed(false),
        "GET /api/v1/file/list?parentFileId=7&page=1&limit=100&orderBy=file_name&orderDirection=asc&trashed=false";
    get_detail: GetDetail::new(file(14_749_954)), "GET /api/v1/file/detail?fileID=14749954";
    get_infos: GetInfos::new([file(144_851_864), file(147_053_066)]).unwrap(),
        "POST /api/v1/file/infos", r#"{"fileIds":[144851864,147053066]}"#, "official_file_infos_request";
    get_download_url: GetDownloadUrl::new(file(u64::MAX)), "GET /api/v1/file/download_info?fileId=18446744073709551615";
    create_dir_in_the_root: CreateDir::new(Parent::Root, "测试目录名称").unwrap(),
        "POST /upload/v1/file/mkdir", r#"{"name":"测试目录名称","parentID":0}"#, "official_mkdir_request";
    create_dir: CreateDir::new(dir(7), "a").unwrap(), "POST /upload/v1/file/mkdir", r#"{"name":"a","parentID":7}"#;
    trash_files: TrashFiles::new(two()).unwrap(),
        "POST /api/v1/file/trash", r#"{"fileIDs":[14705301,14705306]}"#, "official_trash_request";
    delete_files: DeleteFiles::new(two()).unwrap(),
        "POST /api/v1/file/delete", r#"{"fileIDs":[14705301,14705306]}"#, "official_delete_request";
    recover_files: RecoverFiles::new(two()).unwrap(),
        "POST /api/v1/file/recover", r#"{"fileIDs":[14705301,14705306]}"#, "official_recover_request";
    recover_files_to: RecoverFilesTo::new(two(), dir(123_456)).unwrap(), "POST /api/v1/file/recover/by_path",
        r#"{"fileIDs":[14705301,14705306],"parentFileID":123456}"#, "official_recover_by_path_request";
    rename_file: RenameFile::new(file(14_749_954), "测试修改文件名称.exe").unwrap(), "PUT /api/v1/file/name",
        r#"{"fileId":14749954,"fileName":"测试修改文件名称.exe"}"#, "official_rename_single_request";
    rename_files: RenameFiles::new(two().zip(["测试文件重命名", "测试文件重命名.mp4"])).unwrap(), "POST /api/v1/file/rename",
        r#"{"renameList":["14705301|测试文件重命名","14705306|测试文件重命名.mp4"]}"#, "official_rename_batch_request";
    move_files: MoveFiles::new(two(), dir(14_663_228)).unwrap(), "POST /api/v1/file/move",
        r#"{"fileIDs":[14705301,14705306],"toParentFileID":14663228}"#, "official_move_request";
    move_to_the_root: MoveFiles::new([dir(7)], Parent::Root).unwrap(),
        "POST /api/v1/file/move", r#"{"fileIDs":[7],"toParentFileID":0}"#;
    copy_file: CopyFile::new(file(1_758_176_090_915), Parent::Root),
        "POST /api/v1/file/copy", r#"{"fileId":1758176090915,"targetDirId":0}"#;
    copy_files: CopyFiles::new(two(), dir(7)).unwrap(),
        "POST /api/v1/file/async/copy", r#"{"fileIds":[14705301,14705306],"targetDirId":7}"#;
    get_copy_progress: GetCopyProgress::new(CopyTaskId::new(2020).unwrap()),
        "GET /api/v1/file/async/copy/process?taskId=2020";
    image_bed_download: ImageBedDownload::new("https://example.com/a.png")
            .and_then(|it| it.file_name("a.png")).and_then(|it| it.callback("https://example.com/cb")).unwrap()
            .save_to(ImageBedDirId::new("10023").unwrap()),
        "POST /api/v1/oss/offline/download",
        r#"{"url":"https://example.com/a.png","type":1,"fileName":"a.png","businessDirID":"10023","callBackUrl":"https://example.com/cb"}"#,
        "synthetic_oss_offline_create_request_full";
    image_bed_progress: GetImageBedProgress::new(ImageBedTaskId::new(403_316).unwrap()),
        "GET /api/v1/oss/offline/download/process?taskID=403316";
}

#[test]
fn image_bed_download_with_the_url_only() {
    let sample = include_str!("../../fixtures/official_oss_offline_create_request.json");
    let url = fixture(sample)["url"].as_str().unwrap().to_owned();
    let body = format!(r#"{{"url":"{url}","type":1}}"#);
    let download = ImageBedDownload::new(url).unwrap();
    assert_official(
        &download,
        "POST /api/v1/oss/offline/download",
        &body,
        sample,
    );
}

/// Accepts 1 and the maximum, and neither 0 nor one more.
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
fn batches_have_the_size_that_the_service_accepts() {
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
fn invalid_file_name_is_not_sent() {
    let pipe = "the file name contains '|': none of \" \\ / : * ? | > < is allowed";
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

/// The rate class of an endpoint, its interval in milliseconds, and whether a request may be sent again.
fn constants<E: Endpoint>() -> String {
    let (name, interval) = (E::RATE.name(), E::RATE.interval().as_millis());
    format!("{name} {interval} {:?}", E::IDEMPOTENCY)
}

macro_rules! assert_constants {
    ($($endpoint:ty: $expected:literal;)*) => {$( assert_eq!(constants::<$endpoint>(), $expected); )*};
}

#[test]
fn each_endpoint_has_its_pace_and_its_idempotency() {
    assert_constants! {
        ListFiles: "v2/file/list 200 Idempotent";
        ListFilesV1: "v1/file/list 5000 Idempotent";
        GetDetail: "file/detail 200 Idempotent";
        GetInfos: "file/infos 100 Idempotent";
        GetDownloadUrl: "file/download_info 200 Idempotent";
        CreateDir: "file/mkdir 200 Idempotent";
        TrashFiles: "file/trash 200 Idempotent";
        DeleteFiles: "file/delete 1000 Idempotent";
        RecoverFiles: "file/recover 1000 Idempotent";
        RecoverFilesTo: "file/recover/by_path 1000 Idempotent";
        RenameFile: "file/name 1000 Idempotent";
        RenameFiles: "file/rename 1000 Idempotent";
        MoveFiles: "file/move 334 Idempotent";
        CopyFile: "file/copy 1000 NonIdempotent";
        CopyFiles: "file/async/copy 1000 NonIdempotent";
        GetCopyProgress: "file/async/copy/process 200 Idempotent";
        ImageBedDownload: "oss/offline/download 1000 NonIdempotent";
        AuthorizationCodeGrant: "oauth2/access_token 600 Idempotent";
        RefreshTokenGrant: "oauth2/access_token 600 Idempotent";
        GetImageBedProgress: "oss/offline/download/process 200 Idempotent";
    }
}
