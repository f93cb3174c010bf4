//! Lists and details of files and folders.

use std::time::Duration;

use pan123_mock::{Service, path};
use serde_json::{Value, json};

use crate::mock::world::{World, code_and_message, get, world};

/// Creates a folder with this many files.
fn folder_of(world: &mut World, files: usize) -> (u64, Vec<u64>) {
    let now = world.now;
    let folder = world.service.add_folder(now, 0, "folder");
    let files = (0..files).map(|number| {
        let name = format!("{number}.bin");
        world.service.add_file(now, folder, name, 1)
    });
    (folder, files.collect())
}

pub(crate) fn ids(page: &Value) -> Vec<u64> {
    let rows = page["data"]["fileList"].as_array().expect("rows");
    let ids = rows.iter().map(|row| row["fileId"].as_u64());
    ids.collect::<Option<_>>().expect("ids")
}

/// Returns the ids of each page, up to the last page.
fn pages(world: &mut World, token: &str, query: &str) -> Vec<Vec<u64>> {
    let mut pages = Vec::new();
    let mut last = None;
    while last != Some(-1) {
        let last_id = last.map_or(String::new(), |id| format!("&lastFileId={id}"));
        let page = world.list(token, &format!("{query}{last_id}"));
        pages.push(ids(&page));
        last = page["data"]["lastFileId"].as_i64();
        assert!(last.is_some() && pages.len() < 100, "{page}");
    }
    pages
}

#[test]
fn empty_folder_has_one_empty_page() {
    for strict in [true, false] {
        let mut world = World::new(Service::builder().strict(strict).service());
        let token = world.token();
        let (folder, _) = folder_of(&mut world, 0);
        let query = format!("parentFileId={folder}&limit=1");
        let expected = json!({"lastFileId": -1, "fileList": []});
        assert_eq!(world.list(&token, &query)["data"], expected);
        let nowhere = world.list(&token, "parentFileId=1&limit=1");
        assert_eq!(nowhere["data"], expected);
    }
}

#[test]
fn pages_are_ordered_by_id_and_the_last_is_marked() {
    let mut world = world();
    let token = world.token();
    let (folder, files) = folder_of(&mut world, 6);
    world.service.add_file(world.now, 0, "elsewhere", 1);
    for (limit, lengths) in [
        (100, vec![6]),
        (7, vec![6]),
        (6, vec![6]),
        (5, vec![5, 1]),
        (3, vec![3, 3]),
        (1, vec![1; 6]),
    ] {
        let query = format!("parentFileId={folder}&limit={limit}");
        let pages = pages(&mut world, &token, &query);
        let page_lengths: Vec<_> = pages.iter().map(Vec::len).collect();
        assert_eq!(page_lengths, lengths, "{limit} a page");
        assert_eq!(pages.concat(), files);
    }
    let root = world.list(&token, "parentFileId=0&limit=100");
    assert_eq!(ids(&root), [folder, files[5] + 1]);
}

#[test]
fn trashed_files_are_listed_and_marked() {
    let mut world = world();
    let token = world.token();
    let (folder, files) = folder_of(&mut world, 3);
    world.post(path::TRASH, &token, &json!({"fileIDs": [files[1]]}));
    for trashed in ["", "&trashed=0", "&trashed=false", "&trashed=1"] {
        let page = world.list(&token, &format!("parentFileId={folder}&limit=3{trashed}"));
        assert_eq!(ids(&page), files, "{trashed}");
        let rows = page["data"]["fileList"].as_array().unwrap();
        let marks: Vec<_> = rows.iter().map(|row| &row["trashed"]).collect();
        assert_eq!(marks, [0, 1, 0]);
    }
}

#[test]
fn changes_while_paging_neither_skip_nor_repeat_other_rows() {
    let mut world = world();
    let token = world.token();
    let (folder, files) = folder_of(&mut world, 4);
    let query = format!("parentFileId={folder}&limit=2");
    let first = world.list(&token, &query);
    assert_eq!(ids(&first), files[..2]);
    assert_eq!(first["data"]["lastFileId"], files[1]);

    let added = world.service.add_file(world.now, folder, "new", 1);
    let gone = json!({"fileIDs": [files[1], files[2]], "toParentFileID": 0});
    assert_eq!(world.post(path::MOVE, &token, &gone)["code"], 0);
    let rest = world.list(&token, &format!("{query}&lastFileId={}", files[1]));
    assert_eq!(ids(&rest), [files[3], added]);
    assert_eq!(rest["data"]["lastFileId"], -1);
}

#[test]
fn invalid_parameters_are_rejected() {
    let mut world = world();
    let token = world.token();
    for query in [
        "",
        "parentFileId=0",
        "limit=10",
        "parentFileId=-1&limit=10",
        "parentFileId=x&limit=10",
        "parentFileId=0&limit=0",
        "parentFileId=0&limit=101",
        "parentFileId=0&limit=-1",
        "parentFileId=0&limit=10&searchMode=2",
        "parentFileId=0&limit=10&lastFileId=x",
        "parentFileId=0&limit=10&category=x",
    ] {
        assert_eq!(world.list(&token, query)["code"], 1, "{query}");
    }
    for last in ["0", "-1", "", &i64::MAX.to_string()] {
        let page = world.list(&token, &format!("parentFileId=0&limit=1&lastFileId={last}"));
        assert_eq!(page["code"], 0, "{last}");
    }
}

#[test]
fn search_covers_the_whole_drive() {
    let mut world = world();
    let token = world.token();
    let now = world.now;
    let (folder, _) = folder_of(&mut world, 2);
    let service = &mut world.service;
    let here = service.add_file(now, 0, "Film 1.mp4", 1);
    let there = service.add_file(now, folder, "film", 1);
    let trashed = service.add_folder(now, 0, "测试film");
    world.post(path::TRASH, &token, &json!({"fileIDs": [trashed]}));

    let mut found = |query: &str| {
        let query = format!("parentFileId={folder}&limit=2&{query}");
        pages(&mut world, &token, &query)
    };
    let all = [vec![here, there], vec![trashed]];
    assert_eq!(found("searchData=film"), all);
    assert_eq!(found("searchData=film&searchMode=0"), all);
    assert_eq!(found("searchData=film&searchMode=1"), [[there]]);
    assert_eq!(found("searchData=%E6%B5%8B%E8%AF%95"), [[trashed]]);
    assert_eq!(found("searchData=FILM&category=2"), [[here]]);
    assert_eq!(found("searchData=nothing"), [[0; 0]]);
}

#[test]
fn lists_can_be_filtered_by_category() {
    let mut world = world();
    let token = world.token();
    let names = ["a.mp3", "b.mp4", "c.png", "d.mkv", "e", "f.zip"];
    let files = names.map(|name| world.service.add_file(world.now, 0, name, 1));
    world.service.add_folder(world.now, 0, "g.mp4");
    let listed = world.list(&token, "parentFileId=0&limit=100&category=0");
    let rows = listed["data"]["fileList"].as_array().unwrap();
    let categories: Vec<_> = rows.iter().map(|row| &row["category"]).collect();
    assert_eq!(categories, [1, 2, 3, 2, 0, 0, 0]);

    let videos = "parentFileId=0&limit=1&category=2&businessType=2";
    assert_eq!(pages(&mut world, &token, videos), [[files[1]], [files[3]]]);
}

#[test]
fn times_are_in_chinas_zone_and_track_changes() {
    let mut world = world();
    let token = world.token();
    let file = world.service.add_file(world.now, 0, "a", 1);
    world.now += Duration::from_secs(60);
    let body = json!({"renameList": [format!("{file}|b")]});
    world.post(path::RENAME, &token, &body);
    let page = world.list(&token, "parentFileId=0&limit=1");
    let row = &page["data"]["fileList"][0];
    assert_eq!(row["createAt"], "2025-03-23 15:38:37");
    assert_eq!(row["updateAt"], "2025-03-23 15:39:37");
}

#[test]
fn etags_look_like_md5_and_depend_on_the_seed() {
    let etag = |seed| {
        let mut world = World::new(Service::builder().seed(seed).service());
        let token = world.token();
        let ids = ["a", "b"].map(|name| world.service.add_file(world.now, 0, name, 1));
        ids.map(|id| {
            let request = get(&format!("{}?fileID={id}", path::FILE_DETAIL), &token);
            let etag = world.envelope(&request)["data"]["etag"].take();
            etag.as_str().expect("an etag").to_owned()
        })
    };
    let [first, second] = etag(7);
    assert!(first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(first, second);
    assert_ne!(first[..16], first[16..]);
    assert_eq!([first.clone(), second], etag(7));
    assert_ne!(first, etag(8)[0]);
}

#[test]
fn infos_keep_the_requested_order_and_skip_unknown_ids() {
    let mut world = world();
    let token = world.token();
    let (folder, files) = folder_of(&mut world, 2);
    let asked = [files[1], folder];
    let response = world.post(path::FILE_INFOS, &token, &json!({ "fileIds": asked }));
    assert_eq!(ids(&response), asked);

    let one = world.post(path::FILE_INFOS, &token, &json!({"fileIds": [1, folder]}));
    assert_eq!(ids(&one), [folder], "unknown ids are skipped");

    for body in [json!({}), json!({"fileIds": folder})] {
        let refused = world.post(path::FILE_INFOS, &token, &body);
        assert_eq!(refused["code"], 1, "{body}");
    }
}

#[test]
fn download_link_uses_the_requested_host() {
    let mut world = world();
    let token = world.token();
    let file = world.service.add_file(world.now, 0, "测 a?.zip", 1);
    let folder = world.service.add_folder(world.now, 0, "folder");
    let asked = |id: u64| get(&format!("{}?fileId={id}", path::DOWNLOAD_INFO), &token);

    let url = format!("http://127.0.0.1/__files/{file}/%E6%B5%8B%20a%3F.zip");
    let response = world.envelope(&asked(file));
    assert_eq!(response["data"]["downloadUrl"], url);
    let mut request = asked(file);
    let host = "localhost:8080".parse().unwrap();
    request.headers_mut().insert("Host", host);
    let response = world.envelope(&request);
    assert_eq!(
        response["data"]["downloadUrl"],
        url.replace("127.0.0.1", "localhost:8080")
    );

    assert_eq!(world.envelope(&asked(folder))["code"], 1);
    let unknown = world.envelope(&asked(folder + 1));
    let expected = (5066, "文件不存在，检查传入fileId是否正确");
    assert_eq!(code_and_message(&unknown), expected);
}
