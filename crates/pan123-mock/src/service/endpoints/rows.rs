//! The JSON of files and folders, with fields in documented order.

use serde::Serialize;

use crate::service::drive::File;
use crate::service::response::{china_date_time, china_date_time_with_zone};
use crate::service::user;

/// A file or folder in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    file_id: u64,
    filename: &'a str,
    parent_file_id: u64,
    #[serde(rename = "type")]
    kind: u8,
    etag: String,
    size: u64,
    category: u8,
    status: u8,
    punish_flag: u8,
    #[serde(rename = "s3KeyFlag")]
    s3_key_flag: String,
    storage_node: &'static str,
    trashed: u8,
    create_at: String,
    update_at: String,
}

impl<'a> Row<'a> {
    pub(super) fn of(file: &'a File, seed: u64) -> Self {
        Self {
            file_id: file.id,
            filename: &file.name,
            parent_file_id: file.parent,
            kind: file.is_folder.into(),
            etag: file.etag(seed),
            size: file.size,
            category: file.category(),
            status: 0,
            punish_flag: 0,
            s3_key_flag: s3_key_flag(),
            storage_node: storage_node(file),
            trashed: file.trashed.into(),
            create_at: china_date_time(file.created),
            update_at: china_date_time(file.updated),
        }
    }
}

/// A file or folder in the old list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OldRow<'a> {
    #[serde(rename = "fileID")]
    file_id: u64,
    filename: &'a str,
    parent_file_id: u64,
    parent_name: &'static str,
    #[serde(rename = "type")]
    kind: u8,
    etag: String,
    size: u64,
    content_type: &'static str,
    category: u8,
    hidden: bool,
    status: u8,
    punish_flag: u8,
    #[serde(rename = "s3KeyFlag")]
    s3_key_flag: String,
    storage_node: &'static str,
    create_at: String,
    update_at: String,
    thumbnail: &'static str,
    download_url: &'static str,
}

impl<'a> OldRow<'a> {
    pub(super) fn of(file: &'a File, seed: u64) -> Self {
        Self {
            file_id: file.id,
            filename: &file.name,
            parent_file_id: file.parent,
            // Empty in the documented sample, as are the last two fields.
            parent_name: "",
            kind: file.is_folder.into(),
            etag: file.etag(seed),
            size: file.size,
            content_type: "0",
            category: file.category(),
            hidden: false,
            status: 0,
            punish_flag: 0,
            s3_key_flag: s3_key_flag(),
            storage_node: storage_node(file),
            create_at: china_date_time_with_zone(file.created),
            update_at: china_date_time_with_zone(file.updated),
            thumbnail: "",
            download_url: "",
        }
    }
}

fn s3_key_flag() -> String {
    format!("{}-0", user::UID)
}

fn storage_node(file: &File) -> &'static str {
    if file.is_folder { "m0" } else { "m16" }
}

/// The details of a file or folder.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail<'a> {
    #[serde(rename = "fileID")]
    file_id: u64,
    filename: &'a str,
    #[serde(rename = "type")]
    kind: u8,
    size: u64,
    etag: String,
    status: u8,
    #[serde(rename = "parentFileID")]
    parent_file_id: u64,
    create_at: String,
    trashed: u8,
}

impl<'a> Detail<'a> {
    pub(super) fn of(file: &'a File, seed: u64) -> Self {
        Self {
            file_id: file.id,
            filename: &file.name,
            kind: file.is_folder.into(),
            size: file.size,
            etag: file.etag(seed),
            status: 0,
            parent_file_id: file.parent,
            create_at: china_date_time(file.created),
            trashed: file.trashed.into(),
        }
    }
}
