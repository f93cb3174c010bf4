//! The commands for files and folders.

pub(crate) mod confirm;
pub(crate) mod cp;
mod destination;
pub(crate) mod info;
pub(crate) mod link;
pub(crate) mod ls;
pub(crate) mod mkdir;
pub(crate) mod mv;
mod print;
pub(crate) mod rm;
pub(crate) mod trash;
