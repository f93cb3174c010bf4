//! The endpoints of the service, one file each.

pub mod access_token;
pub mod file;
pub mod image_bed;
pub mod oauth;
pub mod offline;
pub mod user;
