//! The service's own rejection.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// The service's texts under code 1 for a name that is taken, of a folder and of a file.
const NAME_TAKEN: [&str; 2] = ["同名", "文件名重复"];

/// A rejection by the service: an envelope whose `code` is not 0, or the `error` of an endpoint without an envelope.
///
/// [`error_codes`](crate::error_codes) lists the codes, their texts, and what to do about each.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub(crate) code: ErrorCode,
    /// None if the service sent none.
    pub(crate) number: Option<i64>,
    pub(crate) message: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) http_status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) follows_lost_response: bool,
}

impl ApiError {
    /// Returns what the code means.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// Returns the code as the service sent it; the HTTP status if it sent none.
    pub fn number(&self) -> i64 {
        let status = self.http_status.as_u16();
        self.number.unwrap_or(status.into())
    }

    /// Whether this is a server error, which says nothing about the request.
    pub(crate) fn may_pass(&self) -> bool {
        let status = self.http_status;
        let trouble = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
        self.code == ErrorCode::RateLimited || (self.number.is_none() && trouble)
    }

    /// Returns the service's message, often in Chinese, at most 1000 characters; empty if it gave none.
    ///
    /// It may be printed: what does not show by itself is escaped, such as `\u{1b}` for the escape character and `\n` for a line
    /// feed. The trace id is treated in the same way.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the service's `x-traceID`, which its support asks for.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// Returns the HTTP status of the response, mostly 200.
    pub fn http_status(&self) -> StatusCode {
        self.http_status
    }

    /// Returns how long the service asked the client to wait, at most five minutes.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns whether an earlier attempt of the same call lost its response and may have been carried out. A name may be taken, or a
    /// file gone, because that attempt did the work.
    pub fn follows_lost_response(&self) -> bool {
        self.follows_lost_response
    }

    /// Returns whether newer tokens pushed this one out, by the text: another process uses the same client id.
    pub fn is_token_pushed_out(&self) -> bool {
        self.code == ErrorCode::Unauthorized
            && (self.message.contains("exceeded the limit")
                || self.message.contains("exceeded the imit"))
    }

    /// Returns whether the name is taken: by the code, or by the text under the catch-all code.
    pub fn is_name_taken(&self) -> bool {
        let said = || NAME_TAKEN.iter().any(|text| self.message.contains(text));
        match self.code {
            ErrorCode::NameExists => true,
            ErrorCode::Internal => said(),
            _ => false,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "code {number}")?,
            None => write!(f, "HTTP {}", self.http_status.as_u16())?,
        }
        if !self.message.trim().is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if self.is_token_pushed_out() {
            f.write_str(
                " (another process uses this client id: at most 3 tokens of it live at once)",
            )?;
        }
        if self.follows_lost_response {
            f.write_str(
                " (an earlier attempt, whose response was lost, may have been carried out)",
            )?;
        }
        match &self.trace_id {
            Some(trace) => write!(f, " [trace {trace}]"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ApiError {}

/// The meaning of a code, as far as it is known: [`error_codes`](crate::error_codes) lists the texts that come with each, and what
/// to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 401: the token is wrong, expired or pushed out.
    Unauthorized,
    /// 429, 42902 or 42903: too many requests.
    RateLimited,
    /// Too many downloads are running. Recognized by its text, `同时下载的任务超出最大限制`; its number is unknown.
    TooManyDownloads,
    /// 1: an internal error; in practice a catch-all whose text says more.
    Internal,
    /// 5060: the name is taken.
    NameExists,
    /// 5066: no such file.
    FileNotFound,
    /// 5113: the day's download traffic is used up.
    TrafficExceeded,
    /// 20103: an upload is still being verified.
    Verifying,
    /// `invalid_grant` of RFC 6749, without a number: the code or the refresh token is wrong, has expired, or was used before.
    InvalidGrant,
    /// `invalid_client` or `unauthorized_client` of RFC 6749, without a number: the app's client id or secret is wrong.
    InvalidClient,
    /// Any other number.
    Other(i64),
}

impl ErrorCode {
    pub(crate) fn from_number(number: i64) -> ErrorCode {
        match number {
            401 => ErrorCode::Unauthorized,
            429 | 42902 | 42903 => ErrorCode::RateLimited,
            1 => ErrorCode::Internal,
            5060 => ErrorCode::NameExists,
            5066 => ErrorCode::FileNotFound,
            5113 => ErrorCode::TrafficExceeded,
            20103 => ErrorCode::Verifying,
            other => ErrorCode::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rejection(number: i64, message: &str) -> ApiError {
        ApiError {
            code: ErrorCode::from_number(number),
            number: Some(number),
            message: message.to_owned(),
            trace_id: None,
            http_status: StatusCode::OK,
            retry_after: None,
            follows_lost_response: false,
        }
    }

    #[test]
    fn missing_message_leaves_no_colon() {
        for message in ["", " "] {
            assert_eq!(rejection(401, message).to_string(), "code 401");
        }
        assert_eq!(rejection(401, "m").to_string(), "code 401: m");
    }

    #[test]
    fn taken_name_is_recognized_by_code_or_text() {
        for (number, message, taken) in [
            (5060, "", true),
            (1, "该目录下已经有同名文件夹,无法进行创建", true),
            (1, "该目录下文件名重复无法创建", true),
            (1, "内部错误", false),
            (5066, "同名", false),
            (401, "文件名重复", false),
        ] {
            assert_eq!(
                rejection(number, message).is_name_taken(),
                taken,
                "{number} {message}"
            );
        }
    }

    const PAGE: &str = include_str!("../../docs/error-codes.md");

    /// The rows of the table under a heading of the page that begin with a number: that, and what stands beside it.
    fn rows(heading: &str) -> BTreeMap<i64, &'static str> {
        let (_, rest) = PAGE.split_once(heading).expect("the heading");
        let section = rest.split("\n## ").next().expect("a section");
        let rows = section.lines().filter_map(|line| {
            let mut cells = line
                .split('|')
                .map(|cell| cell.trim_matches([' ', '`', '"']));
            Some((cells.nth(1)?.parse().ok()?, cells.next()?))
        });
        rows.collect()
    }

    #[test]
    fn page_lists_exactly_the_numbers_that_have_a_name() {
        let named = rows("\n## Codes with a name\n");
        for number in -10_000..200_000 {
            let code = ErrorCode::from_number(number);
            let name = (code != ErrorCode::Other(number)).then(|| format!("{code:?}"));
            assert_eq!(named.get(&number).copied(), name.as_deref(), "{number}");
        }
        let nameless = rows("\n## Numbers without a name\n");
        assert!(nameless.keys().eq([0, 400, 403, 1010].iter()));
        assert!(!nameless.keys().any(|number| named.contains_key(number)));
    }

    #[test]
    fn page_lists_every_text_that_is_matched() {
        for text in NAME_TAKEN.iter().chain(&["exceeded the limit"]) {
            assert!(PAGE.contains(text), "{text}");
        }
    }
}
