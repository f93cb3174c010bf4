//! `GET /api/v1/file/list`: the old list, by page number.

use std::cmp::Ordering;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde::Serialize;

use super::lists::{Search, page_size};
use super::rows::OldRow;
use super::{EndpointResult, required_number};
use crate::service::Service;
use crate::service::args::{ArgResult, Args, invalid};
use crate::service::drive::File;
use crate::service::response::ApiResponse;

const KEYS: [&str; 7] = [
    "parentFileId",
    "page",
    "limit",
    "orderBy",
    "orderDirection",
    "trashed",
    "searchData",
];

impl Service {
    pub(super) fn old_file_list(
        &mut self,
        _: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.query(request, &KEYS)?;
        let parent = required_number(&args, "parentFileId")?;
        let page: usize = args.number("page")?.ok_or_else(|| invalid("page"))?;
        let before = page.checked_sub(1).ok_or_else(|| invalid("page"))?;
        let limit = page_size(&args)?;
        let order = Order::of(&args)?;
        let trashed = args.boolean("trashed")?.unwrap_or(false);

        // As in the new list, a search ignores the folder.
        let found: Vec<&File> = match args.string("searchData")? {
            Some(part) => {
                let search = Search::part(&part);
                let found = self.drive.after(0);
                found.filter(|file| search.finds(&file.name)).collect()
            }
            None => self.drive.entries_after(parent, 0).collect(),
        };
        // Unlike the new list, this one shows either the trash or everything else.
        let mut found: Vec<_> = found
            .into_iter()
            .filter(|it| it.trashed == trashed)
            .collect();
        found.sort_by(|one, other| order.compare(one, other));

        let rows = found.iter().skip(before.saturating_mul(limit)).take(limit);
        let seed = self.options.seed;
        Ok(ApiResponse::ok(&Page {
            total: found.len(),
            file_list: rows.map(|file| OldRow::of(file, seed)).collect(),
        }))
    }
}

/// The order of the rows; equal rows are in ascending order of id.
struct Order {
    by: fn(&File, &File) -> Ordering,
    descending: bool,
}

impl Order {
    fn of(args: &Args) -> ArgResult<Self> {
        let required = |key| args.string(key)?.ok_or_else(|| invalid(key));
        let by: fn(&File, &File) -> Ordering = match required("orderBy")?.as_str() {
            "file_id" => |one, other| one.id.cmp(&other.id),
            "file_name" => |one, other| one.name.cmp(&other.name),
            "size" => |one, other| one.size.cmp(&other.size),
            "create_at" => |one, other| one.created.cmp(&other.created),
            "update_at" => |one, other| one.updated.cmp(&other.updated),
            _ => return Err(invalid("orderBy")),
        };
        let descending = match required("orderDirection")?.as_str() {
            "asc" => false,
            "desc" => true,
            _ => return Err(invalid("orderDirection")),
        };
        Ok(Self { by, descending })
    }

    fn compare(&self, one: &File, other: &File) -> Ordering {
        let order = (self.by)(one, other);
        if self.descending {
            order.reverse()
        } else {
            order
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    total: usize,
    file_list: Vec<OldRow<'a>>,
}
