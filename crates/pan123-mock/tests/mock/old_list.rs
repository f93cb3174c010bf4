//! The old list, by page number.

use std::time::Duration;

use pan123_mock::{Service, path};
use serde_json::{Value, json};

use crate::mock::file_shapes::{same_shape, strict, text};
use crate::mock::shapes::{fixture, shape};
use crate::mock::world::{World, get, world};

fn old_list(world: &mut World, token: &str, query: &str) -> Value {
    world.envelope(&get(&format!("{}?{query}", path::OLD_FILE_LIST), token))
}

/// Returns the names of a page and the total.
fn names(world: &mut World, token: &str, query: &str) -> (Vec<String>, u64) {
    let page = old_list(world, token, query);
    let rows = page["data"]["fileList"].as_array().expect("rows");
    let names = rows.iter().map(|row| row["filename"].as_str());
    let names = names.map(|name| name.expect("a name").to_owned());
    (
        names.collect(),
        page["data"]["total"].as_u64().expect("a total"),
    )
}

#[test]
fn response_matches_the_documentation() {
    let (mut world, token) = strict();
    let official = fixture!("official_file_list_v1_response");
    let rows = official["data"]["fileList"].as_array().expect("rows");
    let folder = world.folder_with(rows);
    let query = format!(
        "{}?parentFileId={folder}&page=1&limit=100&orderBy=file_id&orderDirection=asc",
        path::OLD_FILE_LIST
    );
    let recorded = text!("official_file_list_v1_response");
    let response = same_shape(&mut world, &get(&query, &token), recorded);
    assert_eq!(response["data"]["total"], 4);
    let answered = response["data"]["fileList"].as_array().expect("rows");
    let same = [
        "filename",
        "parentName",
        "type",
        "size",
        "contentType",
        "hidden",
    ];
    for (row, official) in answered.iter().zip(rows) {
        assert_eq!(shape(row), shape(official));
        for key in same {
            assert_eq!(row[key], official[key], "{key}");
        }
        assert_eq!(row["createAt"], "2025-03-23 15:38:37 +0800 CST");
    }
    // A folder differs only in its ids and times.
    let mut row = answered[0].clone();
    let own = [
        "fileID",
        "parentFileId",
        "s3KeyFlag",
        "createAt",
        "updateAt",
    ];
    for key in own {
        row[key] = rows[0][key].clone();
    }
    assert_eq!(row, rows[0]);
}

#[test]
fn pages_are_numbered_and_sorted_as_requested() {
    let mut world = world();
    let token = world.token();
    let files = [("b", 3), ("a", 2), ("c", 2), ("d", 1), ("e", 5)];
    for (name, size) in files {
        world.service.add_file(world.now, 0, name, size);
        world.now += Duration::from_secs(1);
    }
    for (order, sorted) in [
        ("orderBy=file_id&orderDirection=asc", "bacde"),
        ("orderBy=file_id&orderDirection=desc", "edcab"),
        ("orderBy=file_name&orderDirection=asc", "abcde"),
        ("orderBy=size&orderDirection=asc", "dacbe"),
        ("orderBy=size&orderDirection=desc", "ebacd"),
        ("orderBy=create_at&orderDirection=desc", "edcab"),
        ("orderBy=update_at&orderDirection=asc", "bacde"),
    ] {
        let mut all = String::new();
        for (page, rows) in [
            (1, 2),
            (2, 2),
            (3, 1),
            (4, 0),
            (usize::MAX, 0),
            (usize::MAX / 2 + 2, 0),
        ] {
            let query = format!("parentFileId=0&page={page}&limit=2&{order}");
            let (names, total) = names(&mut world, &token, &query);
            assert_eq!((names.len(), total), (rows, 5), "{query}");
            all.push_str(&names.concat());
        }
        assert_eq!(all, sorted, "{order}");
    }
}

#[test]
fn trash_is_listed_only_on_request_and_alone() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "folder");
    let now = world.now;
    for name in ["a", "b", "c"] {
        world.service.add_file(now, folder, name, 1);
    }
    let trashed = world.service.add_file(now, folder, "d", 1);
    world.post(path::TRASH, &token, &json!({"fileIDs": [trashed]}));
    for (asked, listed) in [
        ("", "abc"),
        ("&trashed=false", "abc"),
        ("&trashed=0", "abc"),
        ("&trashed=", "abc"),
        ("&trashed=true", "d"),
        ("&trashed=1", "d"),
    ] {
        let query = format!(
            "parentFileId={folder}&page=1&limit=100&orderBy=file_id&orderDirection=asc{asked}"
        );
        let (names, total) = names(&mut world, &token, &query);
        assert_eq!(
            (&*names.concat(), total),
            (listed, listed.len() as u64),
            "{asked}"
        );
    }
}

#[test]
fn search_covers_the_whole_drive() {
    let mut world = world();
    let token = world.token();
    let folder = world.service.add_folder(world.now, 0, "Films");
    world.service.add_file(world.now, folder, "film.mp4", 1);
    let gone = world.service.add_file(world.now, folder, "old film", 1);
    world.service.add_file(world.now, folder, "other", 1);
    world.post(path::TRASH, &token, &json!({"fileIDs": [gone]}));
    let mut found = |query: &str| {
        let query =
            format!("parentFileId=0&page=1&limit=9&orderBy=file_id&orderDirection=asc&{query}");
        names(&mut world, &token, &query).0.join(" ")
    };
    assert_eq!(found("searchData=FILM"), "Films film.mp4");
    assert_eq!(found("searchData=film&trashed=true"), "old film");
    assert_eq!(found("searchData=nothing"), "");
}

#[test]
fn invalid_parameters_are_rejected() {
    for strict in [true, false] {
        let mut world = World::new(Service::builder().strict(strict).service());
        let token = world.token();
        let good = [
            ("parentFileId", "0"),
            ("page", "1"),
            ("limit", "100"),
            ("orderBy", "file_name"),
            ("orderDirection", "desc"),
        ];
        let query = |changed: &str, value: Option<&str>| {
            let pairs = good.iter().filter_map(|(key, good)| {
                let value = if *key == changed { value? } else { good };
                Some(format!("{key}={value}"))
            });
            pairs.collect::<Vec<_>>().join("&")
        };
        assert_eq!(old_list(&mut world, &token, &query("", None))["code"], 0);
        for (key, wrong) in [
            ("parentFileId", "-1"),
            ("page", "0"),
            ("page", "-1"),
            ("limit", "0"),
            ("limit", "101"),
            ("orderBy", "colour"),
            ("orderDirection", "up"),
        ] {
            for value in [None, Some("x"), Some(wrong)] {
                let query = query(key, value);
                let refused = old_list(&mut world, &token, &query);
                assert_eq!(refused["code"], 1, "{query}");
            }
        }
        let query = query("", None);
        let refused = old_list(&mut world, &token, &format!("{query}&trashed=maybe"));
        assert_eq!(refused["code"], 1);
        let number = old_list(&mut world, &token, &format!("{query}&trashed=1"));
        assert_eq!(number["code"], i64::from(strict));
        let other = old_list(&mut world, &token, &format!("{query}&lastFileId=0"));
        assert_eq!(other["code"], i64::from(strict));
    }
}
