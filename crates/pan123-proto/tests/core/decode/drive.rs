//! Recorded responses of the drive and the image bed, decoded, with the variations of the service.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use crate::support::reading::read;
use pan123_proto::file::{
    CopyFile, CopyFiles, CopyStatus, CreateDir, DeleteFiles, Done, Entry, EntryKind,
    GetCopyProgress, GetDetail, GetDownloadUrl, GetInfos, ListFiles, ListFilesV1, MoveFiles,
    RecoverFiles, RecoverFilesTo, RenameFile, RenameFiles, RenamedFiles, TrashFiles,
};
use pan123_proto::image_bed::{GetImageBedProgress, ImageBedDownload};
use pan123_proto::offline::TaskStatus;
use pan123_proto::{
    CopyTaskId, DirId, Endpoint, EntryId, Error, ErrorCode, ErrorKind, FileId, ImageBedTaskId,
    Parent,
};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../fixtures/", $name, ".json"))
    };
}

fn file() -> FileId {
    FileId::new(7).unwrap()
}

fn dir(id: u64) -> DirId {
    DirId::new(id).unwrap()
}

fn unix(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn copies() -> CopyFiles {
    CopyFiles::new([file()], Parent::Root).unwrap()
}

fn copy_progress() -> GetCopyProgress {
    GetCopyProgress::new(CopyTaskId::new(2016).unwrap())
}

fn image() -> ImageBedDownload {
    ImageBedDownload::new("https://example.com/a.png").unwrap()
}

fn image_progress() -> GetImageBedProgress {
    GetImageBedProgress::new(ImageBedTaskId::new(403_316).unwrap())
}

#[test]
fn list_files() {
    let body = fixture!("official_file_list_v2_response");
    let page = read(&ListFiles::of(Parent::Root), body).unwrap();
    assert_eq!(page.next, None);
    let [first, second, third, folder] = &page.entries[..] else {
        panic!("four were expected: {page:?}");
    };
    assert_eq!(first.file(), FileId::new(5_373_646).ok());
    assert_eq!(first.name, "download.mp4");
    assert_eq!((first.size, first.category), (518_564_433, Some(2)));
    assert_eq!(first.created_at, Some(unix(1_714_449_516)));
    assert_eq!(first.updated_at, Some(unix(1_740_391_005)));
    assert_eq!(second.category, Some(10));
    assert_eq!(third.status, Some(2));
    assert_eq!(folder.dir(), Some(dir(14_710_240)));
    assert!(page.entries.iter().all(|entry| !entry.trashed));
    assert!(page.entries.iter().all(|entry| !entry.is_rejected()));
    let parent = Parent::from(dir(14_663_228));
    assert!(
        page.entries
            .iter()
            .all(|entry| entry.parent == Some(parent))
    );
}

#[test]
fn list_files_v1() {
    let body = fixture!("official_file_list_v1_response");
    let page = read(&ListFilesV1::of(dir(14_663_228)), body).unwrap();
    assert_eq!((page.total, page.entries.len()), (Some(4), 4));
    let folder = &page.entries[0];
    assert_eq!(folder.entry.dir(), Some(dir(14_710_240)));
    assert_eq!(folder.entry.name, "测试二级目录");
    assert_eq!(folder.entry.created_at, Some(unix(1_740_391_021)));
    assert_eq!(folder.entry.updated_at, Some(unix(1_740_391_021)));
    let video = &page.entries[1];
    assert_eq!(video.entry.file(), FileId::new(10_171_597).ok());
    assert_eq!(video.entry.parent, Some(Parent::Dir(dir(14_663_228))));
    assert_eq!(
        (video.entry.size, video.entry.status),
        (367_628_427, Some(2))
    );
    for entry in &page.entries {
        assert_eq!((&*entry.parent_name, &*entry.content_type), ("", "0"));
        assert_eq!((&entry.thumbnail, &entry.download_url), (&None, &None));
        assert!(!entry.hidden && !entry.entry.trashed);
    }
}

#[test]
fn get_detail() {
    let body = fixture!("official_file_detail_response");
    let entry = read(&GetDetail::new(file()), body).unwrap();
    assert_eq!(entry.file(), FileId::new(14_749_954).ok());
    assert_eq!(entry.name, "Keyshot_win64_2024.exe");
    assert_eq!(entry.parent, Some(Parent::Dir(dir(14_749_926))));
    assert_eq!((entry.size, entry.status), (1_163_176_272, Some(2)));
    assert_eq!(entry.created_at, Some(unix(1_740_705_954)));
    assert_eq!((entry.updated_at, entry.category), (None, None));
    assert!(!entry.trashed);
}

#[test]
fn get_infos() {
    let asked = GetInfos::new([file()]).unwrap();
    for body in [
        fixture!("official_file_infos_response_2025_key_list"),
        fixture!("official_file_infos_response_2026_key_fileList"),
    ] {
        let infos = read(&asked, body).unwrap();
        let [
            Entry {
                id,
                name,
                kind,
                parent,
                ..
            },
        ] = &infos.entries[..]
        else {
            panic!("one was expected: {infos:?}");
        };
        assert_eq!((id.get(), &**name), (144_851_864, "work"));
        assert_eq!((*kind, *parent), (EntryKind::Dir, Some(Parent::Root)));
    }
}

#[test]
fn get_download_url() {
    let body = fixture!("official_download_info_response");
    let url = read(&GetDownloadUrl::new(file()), body).unwrap();
    assert!(
        url.as_str()
            .starts_with("https://download-cdn.cjjd19.com/123-61/")
    );
    for (body, code) in [
        (
            fixture!("rebuilt_error_5066_file_not_found"),
            ErrorCode::FileNotFound,
        ),
        (
            fixture!("rebuilt_error_5113_traffic_exceeded"),
            ErrorCode::TrafficExceeded,
        ),
    ] {
        let error = read(&GetDownloadUrl::new(file()), body).unwrap_err();
        assert_eq!(error.code(), Some(code));
    }
}

#[test]
fn create_dir() {
    let asked = CreateDir::new(Parent::Root, "a").unwrap();
    let made = read(&asked, fixture!("official_mkdir_response")).unwrap();
    assert_eq!(made.dir, dir(14_663_228));
    let error = read(&asked, fixture!("rebuilt_error_1_mkdir_duplicate")).unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Internal));
    assert!(error.api().unwrap().is_name_taken());
}

#[test]
fn done_has_no_data() {
    let done = |answer: Result<Done, Error>| assert_eq!(answer.unwrap(), Done);
    let trash = TrashFiles::new([file()]).unwrap();
    let delete = DeleteFiles::new([file()]).unwrap();
    let rename = RenameFile::new(file(), "a").unwrap();
    let go = MoveFiles::new([file()], Parent::Root).unwrap();
    let recover_to = RecoverFilesTo::new([file()], Parent::Root).unwrap();
    done(read(&trash, fixture!("official_trash_response")));
    done(read(&delete, fixture!("official_delete_response")));
    done(read(&rename, fixture!("official_rename_single_response")));
    done(read(&go, fixture!("official_move_response")));
    done(read(
        &recover_to,
        fixture!("official_recover_by_path_response"),
    ));
    for data in [
        "",
        r#","data":{}"#,
        r#","data":[7]"#,
        r#","data":true"#,
        r#","data":"""#,
    ] {
        let body = format!(r#"{{"code":0,"message":"ok"{data}}}"#);
        done(read(&trash, &body));
        done(read(&delete, &body));
        done(read(&rename, &body));
        done(read(&go, &body));
        done(read(&recover_to, &body));
    }
}

#[test]
fn recover_files() {
    let asked = RecoverFiles::new([file()]).unwrap();
    let recovered = read(&asked, fixture!("official_recover_response")).unwrap();
    let abnormal = [123, 456].map(|id| EntryId::new(id).unwrap());
    assert_eq!(recovered.abnormal, abnormal);
    let all = read(&asked, fixture!("official_envelope_ok_null_data")).unwrap();
    assert_eq!(all.abnormal, []);
}

#[test]
fn rename_files() {
    let asked = RenameFiles::new([(file(), "a")]).unwrap();
    let silent = read(&asked, fixture!("official_rename_batch_response")).unwrap();
    assert_eq!(silent, RenamedFiles::default());
}

#[test]
fn copies_and_their_progress() {
    let copied = read(
        &CopyFile::new(file(), Parent::Root),
        fixture!("official_copy_response"),
    )
    .unwrap();
    assert_eq!(copied.source, FileId::new(1_758_176_090_915).ok());
    assert_eq!(copied.target.get(), 1_758_176_091_289);
    let started = read(&copies(), fixture!("official_async_copy_response")).unwrap();
    assert_eq!(started.task.get(), 2020);
    let body = fixture!("official_async_copy_process_response");
    let progress = read(&copy_progress(), body).unwrap();
    assert_eq!(progress.status, CopyStatus::Done);
}

#[test]
fn image_bed() {
    let created = read(&image(), fixture!("official_oss_offline_create_response")).unwrap();
    assert_eq!(created.task.get(), 403_316);
    let body = fixture!("official_oss_offline_process_response_success");
    let progress = read(&image_progress(), body).unwrap();
    assert_eq!(progress.percent, Some(100.0));
    assert_eq!(progress.status, TaskStatus::Succeeded);
}

#[test]
fn numbers_may_be_text_and_ids_of_either_spelling() {
    let large = u64::MAX;
    for (source, target) in [
        ("sourceFileId", "targetFileId"),
        ("sourceFileID", "targetFileID"),
    ] {
        let body = format!(r#"{{"code":"0","data":{{"{source}":"7","{target}":"{large}"}}}}"#);
        let copied = read(&CopyFile::new(file(), Parent::Root), &body).unwrap();
        assert_eq!(copied.source, FileId::new(7).ok());
        assert_eq!(copied.target.get(), large);
    }
    for key in ["taskId", "taskID"] {
        let body = format!(r#"{{"code":0,"data":{{"{key}":"{large}"}}}}"#);
        assert_eq!(read(&copies(), &body).unwrap().task.get(), large);
        assert_eq!(read(&image(), &body).unwrap().task.get(), large);
    }
    let body = r#"{"code":0,"data":{"process":"40","status":"3"}}"#;
    let progress = read(&image_progress(), body).unwrap();
    assert_eq!(progress.status, TaskStatus::Retrying);
    let body = r#"{"code":0,"data":{"taskId":"2016","status":"0"}}"#;
    let progress = read(&copy_progress(), body).unwrap();
    assert_eq!(progress.status, CopyStatus::Pending);
}

/// Successful responses without the promised data.
const HOLLOW: [&str; 4] = [
    r#"{"code":0,"data":null}"#,
    r#"{"code":0,"data":{}}"#,
    r#"{"code":0,"data":[]}"#,
    r#"{"code":0}"#,
];

#[test]
fn missing_data_is_an_error() {
    fn kind<E: Endpoint<Response: Debug>>(endpoint: &E, body: &str) -> ErrorKind {
        read(endpoint, body).unwrap_err().kind()
    }
    for body in HOLLOW {
        for kind in [
            kind(&ListFiles::of(Parent::Root), body),
            kind(&ListFilesV1::of(Parent::Root), body),
            kind(&GetDetail::new(file()), body),
            kind(&GetInfos::new([file()]).unwrap(), body),
            kind(&GetDownloadUrl::new(file()), body),
            kind(&CreateDir::new(Parent::Root, "a").unwrap(), body),
            kind(&copy_progress(), body),
            kind(&image_progress(), body),
        ] {
            assert_eq!(kind, ErrorKind::Decode, "{body}");
        }
        for kind in [
            kind(&CopyFile::new(file(), Parent::Root), body),
            kind(&copies(), body),
            kind(&image(), body),
        ] {
            assert_eq!(kind, ErrorKind::Ambiguous, "the work may be done: {body}");
        }
    }
}
