//! How bytes become values and values become bytes: the only part of the crate that knows JSON, headers and URLs.

pub(crate) mod body;
pub(crate) mod credential;
pub(crate) mod envelope;
pub(crate) mod failure;
pub(crate) mod file_name;
pub(crate) mod http_url;
mod ids;
pub(crate) mod json;
pub(crate) mod lenient;
pub(crate) mod redaction;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod timestamp;
