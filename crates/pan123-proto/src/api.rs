//! The endpoints of the service, one file each: the request and its response.

pub mod access_token;
pub(crate) mod file;
pub mod image_bed;
pub mod oauth;
pub(crate) mod offline;
pub mod user;
