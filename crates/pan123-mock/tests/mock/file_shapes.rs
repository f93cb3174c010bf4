//! Responses about the account, files and images have the fields of the recorded bodies in their order, and the strict service accepts the
//! documented requests.

use pan123_mock::bytes::Bytes;
use pan123_mock::http::Request;
use pan123_mock::{InfosKey, Service, path};
use serde_json::{Value, json};

use crate::mock::shapes::{fixture, shape};
use crate::mock::world::{World, get, post, put};

pub(crate) fn strict() -> (World, String) {
    let mut world = World::new(Service::builder().strict(true).service());
    let token = world.token();
    (world, token)
}

/// Returns the keys of a body in their order.
pub(crate) fn keys(body: &str) -> Vec<&str> {
    let parts: Vec<_> = body.split('"').collect();
    let texts = parts.windows(2).skip(1).step_by(2);
    let keys = texts.filter(|text| text[1].trim_start().starts_with(':'));
    keys.map(|text| text[0]).collect()
}

/// Asserts that a response has the keys, types and order of the recorded body, and returns it.
pub(crate) fn same_shape(world: &mut World, request: &Request<Bytes>, recorded: &str) -> Value {
    let response = world.handle(request).reply.response;
    let body = std::str::from_utf8(response.body()).expect("UTF-8");
    assert_eq!(keys(body), keys(recorded));
    let json: Value = serde_json::from_str(body).expect("JSON");
    let recorded = serde_json::from_str(recorded).expect("JSON");
    assert_eq!(shape(&json), shape(&recorded));
    let trace_id = json["x-traceID"].as_str();
    assert!(trace_id.is_some_and(|id| id.contains("_kong-db-")));
    json
}

macro_rules! text {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name, ".json"))
    };
}
pub(crate) use text;

#[test]
fn keys_are_found_in_order() {
    let body = r#"{"b": {"a": [{"c": "d", "e":1}]}, "f" :"", "g":null}"#;
    assert_eq!(keys(body), ["b", "a", "c", "e", "f", "g"]);
}

#[test]
fn user_info_response() {
    let (mut world, token) = strict();
    let recorded = text!("official_user_info_response");
    same_shape(&mut world, &get(path::USER_INFO, &token), recorded);
}

#[test]
fn list_response() {
    let (mut world, token) = strict();
    let recorded = text!("official_file_list_v2_response");
    let official = fixture!("official_file_list_v2_response");
    let rows = official["data"]["fileList"].as_array().expect("rows");
    let folder = world.folder_with(rows);
    let query = format!("{}?parentFileId={folder}&limit=100", path::FILE_LIST);
    let response = same_shape(&mut world, &get(&query, &token), recorded);
    assert_eq!(response["data"]["lastFileId"], -1);
    let same = ["filename", "type", "size", "punishFlag", "trashed"];
    let listed = response["data"]["fileList"].as_array().expect("rows");
    for (row, official) in listed.iter().zip(rows) {
        assert_eq!(shape(row), shape(official));
        for key in same {
            assert_eq!(row[key], official[key], "{key}");
        }
    }
    // A folder differs only in its ids and times.
    let mut row = listed[3].clone();
    for key in [
        "fileId",
        "parentFileId",
        "s3KeyFlag",
        "createAt",
        "updateAt",
    ] {
        row[key] = rows[3][key].clone();
    }
    assert_eq!(row, rows[3]);
}

#[test]
fn detail_response() {
    let (mut world, token) = strict();
    let file = world.service.add_file(world.now, 0, "a.exe", 1);
    let query = format!("{}?fileID={file}", path::FILE_DETAIL);
    let recorded = text!("official_file_detail_response");
    let response = same_shape(&mut world, &get(&query, &token), recorded);
    assert_eq!(response["data"]["fileID"], file);
}

#[test]
fn infos_response_with_either_key() {
    for (key, recorded) in [
        (
            InfosKey::FileList,
            text!("official_file_infos_response_2026_key_fileList"),
        ),
        (
            InfosKey::List,
            text!("official_file_infos_response_2025_key_list"),
        ),
    ] {
        let builder = Service::builder().strict(true).infos_key(key);
        let mut world = World::new(builder.service());
        let token = world.token();
        let folder = world.service.add_folder(world.now, 0, "work");
        let request = post(path::FILE_INFOS, &token, &json!({"fileIds": [folder]}));
        same_shape(&mut world, &request, recorded);
    }
}

#[test]
fn download_info_response() {
    let (mut world, token) = strict();
    let file = world.service.add_file(world.now, 0, "a", 1);
    let query = format!("{}?fileId={file}", path::DOWNLOAD_INFO);
    let recorded = text!("official_download_info_response");
    same_shape(&mut world, &get(&query, &token), recorded);
}

#[test]
fn mkdir_responses() {
    let (mut world, token) = strict();
    let body = fixture!("official_mkdir_request");
    let request = post(path::MKDIR, &token, &body);
    same_shape(&mut world, &request, text!("official_mkdir_response"));

    let recorded = text!("rebuilt_error_1_mkdir_duplicate");
    let mut refused = same_shape(&mut world, &request, recorded);
    refused["x-traceID"] = json!("");
    assert_eq!(refused, fixture!("rebuilt_error_1_mkdir_duplicate"));
}

/// Replaces the ids of a documented request with those of two existing files.
pub(crate) fn with_ids(body: &Value, files: [u64; 2]) -> Value {
    let text = body.to_string();
    let [first, second] = files.map(|file| file.to_string());
    let text = text.replace("14705301", &first);
    let text = text.replace("14705306", &second);
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn edit_responses() {
    let (mut world, token) = strict();
    let files = ["a", "b"].map(|name| world.service.add_file(world.now, 0, name, 1));
    let folder = world.service.add_folder(world.now, 0, "c");
    let mut moving = with_ids(&fixture!("official_move_request"), files);
    moving["toParentFileID"] = json!(folder);
    let mut renaming = fixture!("official_rename_single_request");
    renaming["fileId"] = json!(files[0]);
    let batch = with_ids(&fixture!("official_rename_batch_request"), files);
    let trash = with_ids(&fixture!("official_trash_request"), files);
    for (request, recorded) in [
        (
            post(path::MOVE, &token, &moving),
            text!("official_move_response"),
        ),
        (
            put(path::FILE_NAME, &token, &renaming),
            text!("official_rename_single_response"),
        ),
        (
            post(path::RENAME, &token, &batch),
            text!("official_rename_batch_response"),
        ),
        (
            post(path::TRASH, &token, &trash),
            text!("official_trash_response"),
        ),
    ] {
        let response = same_shape(&mut world, &request, recorded);
        assert_eq!(
            (&response["code"], &response["message"]),
            (&json!(0), &json!("ok"))
        );
    }
    let second = world.file(files[1]);
    assert_eq!(
        (second.parent(), second.name()),
        (folder, "测试文件重命名.mp4")
    );
    assert!(second.is_trashed());
}

#[test]
fn unknown_ids_get_the_recorded_error() {
    let (mut world, token) = strict();
    let by_query = |path, key| get(&format!("{path}?{key}=1"), &token);
    for request in [
        by_query(path::FILE_DETAIL, "fileID"),
        by_query(path::DOWNLOAD_INFO, "fileId"),
        post(path::TRASH, &token, &fixture!("official_trash_request")),
        post(path::MOVE, &token, &fixture!("official_move_request")),
        post(
            path::RENAME,
            &token,
            &fixture!("official_rename_batch_request"),
        ),
        put(
            path::FILE_NAME,
            &token,
            &fixture!("official_rename_single_request"),
        ),
    ] {
        let recorded = text!("rebuilt_error_5066_file_not_found");
        let mut refused = same_shape(&mut world, &request, recorded);
        refused["x-traceID"] = json!("");
        assert_eq!(refused, fixture!("rebuilt_error_5066_file_not_found"));
    }
}

#[test]
fn infos_of_unknown_ids_are_empty() {
    let (mut world, token) = strict();
    let asked = fixture!("official_file_infos_request");
    let response = world.envelope(&post(path::FILE_INFOS, &token, &asked));
    assert_eq!(
        (&response["code"], &response["data"]),
        (&json!(0), &json!({"fileList": []}))
    );
}

#[test]
fn image_bed_responses() {
    let (mut world, token) = strict();
    for body in [
        fixture!("official_oss_offline_create_request"),
        fixture!("synthetic_oss_offline_create_request_full"),
    ] {
        let request = post(path::IMAGE_BED_DOWNLOAD, &token, &body);
        let recorded = text!("official_oss_offline_create_response");
        let created = same_shape(&mut world, &request, recorded);

        let task = &created["data"]["taskID"];
        let poll = get(
            &format!("{}?taskID={task}", path::IMAGE_BED_PROGRESS),
            &token,
        );
        let recorded = text!("official_oss_offline_process_response_success");
        for _ in 0..2 {
            same_shape(&mut world, &poll, recorded);
        }
        let done = same_shape(&mut world, &poll, recorded);
        let official = fixture!("official_oss_offline_process_response_success");
        assert_eq!(done["data"].to_string(), official["data"].to_string());
    }
}
