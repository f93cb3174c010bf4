//! Routes requests to endpoints, after the checks that all of them share. One file per group of endpoints.

mod account;
mod copy;
mod edits;
mod image_bed;
mod lists;
mod oauth;
mod offline;
mod old_list;
mod rows;
mod trash;

use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Request, header};

use super::Service;
use super::args::{ArgResult, Args, FAILURE, invalid};
use super::response::ApiResponse;
use super::tokens::TokenError;

pub use lists::{InfosKey, ListEnd};
pub use oauth::OauthErrorFormat;

/// The paths that the mock knows.
pub mod path {
    /// `POST`: issues a token.
    pub const ACCESS_TOKEN: &str = "/api/v1/access_token";
    /// `POST`: issues the token pair of an app. The parameters are in the query.
    pub const OAUTH_TOKEN: &str = "/api/v1/oauth2/access_token";
    /// `GET`: returns the account.
    pub const USER_INFO: &str = "/api/v1/user/info";
    /// `POST`: creates an offline download.
    pub const OFFLINE_DOWNLOAD: &str = "/api/v1/offline/download";
    /// `GET`: returns the progress of an offline download.
    pub const OFFLINE_PROGRESS: &str = "/api/v1/offline/download/process";
    /// `POST`: creates an offline download to the image bed.
    pub const IMAGE_BED_DOWNLOAD: &str = "/api/v1/oss/offline/download";
    /// `GET`: returns the progress of an offline download to the image bed.
    pub const IMAGE_BED_PROGRESS: &str = "/api/v1/oss/offline/download/process";
    /// `GET`: lists a folder or searches, by cursor.
    pub const FILE_LIST: &str = "/api/v2/file/list";
    /// `GET`: lists a folder or searches, by page number (the old list).
    pub const OLD_FILE_LIST: &str = "/api/v1/file/list";
    /// `GET`: returns one file or folder.
    pub const FILE_DETAIL: &str = "/api/v1/file/detail";
    /// `POST`: returns several files and folders.
    pub const FILE_INFOS: &str = "/api/v1/file/infos";
    /// `GET`: returns the download link of a file.
    pub const DOWNLOAD_INFO: &str = "/api/v1/file/download_info";
    /// `POST`: creates a folder.
    pub const MKDIR: &str = "/upload/v1/file/mkdir";
    /// `POST`: moves files and folders to the trash.
    pub const TRASH: &str = "/api/v1/file/trash";
    /// `POST`: permanently deletes files and folders from the trash.
    pub const DELETE: &str = "/api/v1/file/delete";
    /// `POST`: restores files and folders from the trash to their folders.
    pub const RECOVER: &str = "/api/v1/file/recover";
    /// `POST`: restores files and folders from the trash to one folder.
    pub const RECOVER_BY_PATH: &str = "/api/v1/file/recover/by_path";
    /// `POST`: moves files and folders to another folder.
    pub const MOVE: &str = "/api/v1/file/move";
    /// `POST`: copies one file or folder.
    pub const COPY: &str = "/api/v1/file/copy";
    /// `POST`: creates an asynchronous copy of files and folders.
    pub const ASYNC_COPY: &str = "/api/v1/file/async/copy";
    /// `GET`: returns the status of an asynchronous copy.
    pub const ASYNC_COPY_PROGRESS: &str = "/api/v1/file/async/copy/process";
    /// `PUT`: renames one file or folder.
    pub const FILE_NAME: &str = "/api/v1/file/name";
    /// `POST`: renames several files and folders.
    pub const RENAME: &str = "/api/v1/file/rename";
}

pub(super) const UNAUTHORIZED: i64 = 401;
/// The message that belongs to it is not documented.
const TOO_FREQUENT: i64 = 429;
const NOT_FOUND: i64 = 5066;

/// The response, or the error response.
type EndpointResult = ArgResult<ApiResponse>;

type Handler = fn(&mut Service, SystemTime, &Request<Bytes>) -> EndpointResult;

impl Service {
    pub(super) fn dispatch(&mut self, now: SystemTime, request: &Request<Bytes>) -> ApiResponse {
        let path = request.uri().path();
        let route = self.routes.find(request.method(), path).cloned();
        let result = if let Some(route) = route {
            self.check_request(now, request, route.needs_token())
                .map(|()| {
                    self.routes.advance(&route);
                    route.response()
                })
        } else if let Some(handler) = endpoint(request) {
            let needs_token = ![path::ACCESS_TOKEN, path::OAUTH_TOKEN].contains(&path);
            self.check_request(now, request, needs_token)
                .and_then(|()| handler(self, now, request))
        } else {
            Err(ApiResponse::NoRoute)
        };
        result.unwrap_or_else(|error| error)
    }

    /// Checks the platform header, the token if one is needed, and the rate limit.
    fn check_request(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
        needs_token: bool,
    ) -> ArgResult<()> {
        check_platform(request)?;
        let path = request.uri().path();
        if needs_token {
            self.check_token(now, request)?;
        }
        if !self
            .rate_counter
            .admit(&self.options.rate_limits, now, path)
        {
            return Err(ApiResponse::error(TOO_FREQUENT, "请求太频繁"));
        }
        Ok(())
    }

    fn check_token(&self, now: SystemTime, request: &Request<Bytes>) -> ArgResult<()> {
        let value = request.headers().get(header::AUTHORIZATION);
        let token = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        token
            .ok_or(TokenError::Unknown)
            .and_then(|token| match self.tokens.check(token, now) {
                Err(TokenError::Unknown) => self.oauth.check(token, now),
                known => known,
            })
            .map_err(|error| ApiResponse::error(UNAUTHORIZED, error.message()))
    }

    fn body(&self, request: &Request<Bytes>, documented: &[&str]) -> ArgResult<Args> {
        Args::body(request, self.options.strict, documented)
    }

    fn query(&self, request: &Request<Bytes>, documented: &[&str]) -> ArgResult<Args> {
        Args::query(request, self.options.strict, documented)
    }
}

fn endpoint(request: &Request<Bytes>) -> Option<Handler> {
    let handler: Handler = match (request.method(), request.uri().path()) {
        (&Method::POST, path::ACCESS_TOKEN) => Service::access_token,
        (&Method::POST, path::OAUTH_TOKEN) => Service::oauth_token,
        (&Method::GET, path::USER_INFO) => Service::user_info,
        (&Method::POST, path::OFFLINE_DOWNLOAD) => Service::download,
        (&Method::GET, path::OFFLINE_PROGRESS) => Service::progress,
        (&Method::POST, path::IMAGE_BED_DOWNLOAD) => Service::image_download,
        (&Method::GET, path::IMAGE_BED_PROGRESS) => Service::image_progress,
        (&Method::GET, path::FILE_LIST) => Service::file_list,
        (&Method::GET, path::OLD_FILE_LIST) => Service::old_file_list,
        (&Method::GET, path::FILE_DETAIL) => Service::file_detail,
        (&Method::POST, path::FILE_INFOS) => Service::file_infos,
        (&Method::GET, path::DOWNLOAD_INFO) => Service::download_info,
        (&Method::POST, path::MKDIR) => Service::mkdir,
        (&Method::POST, path::TRASH) => Service::trash,
        (&Method::POST, path::DELETE) => Service::delete,
        (&Method::POST, path::RECOVER) => Service::recover,
        (&Method::POST, path::RECOVER_BY_PATH) => Service::recover_to,
        (&Method::POST, path::MOVE) => Service::move_files,
        (&Method::POST, path::COPY) => Service::copy,
        (&Method::POST, path::ASYNC_COPY) => Service::copy_many,
        (&Method::GET, path::ASYNC_COPY_PROGRESS) => Service::copy_progress,
        (&Method::PUT, path::FILE_NAME) => Service::rename_one,
        (&Method::POST, path::RENAME) => Service::rename_many,
        _ => return None,
    };
    Some(handler)
}

fn required_number(args: &Args, key: &str) -> ArgResult<u64> {
    args.number(key)?.ok_or_else(|| invalid(key))
}

/// The error for an unknown file or folder.
fn not_found() -> ApiResponse {
    ApiResponse::error(NOT_FOUND, "文件不存在，检查传入fileId是否正确")
}

/// The error for an unknown task.
fn no_task() -> ApiResponse {
    ApiResponse::error(FAILURE, "任务不存在")
}

fn check_platform(request: &Request<Bytes>) -> ArgResult<()> {
    match request.headers().get("Platform") {
        Some(value) if value == "open_platform" => Ok(()),
        _ => Err(ApiResponse::error(FAILURE, "Platform: open_platform缺失")),
    }
}
