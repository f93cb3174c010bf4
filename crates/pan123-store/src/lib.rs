//! Token stores for clients of the 123云盘 (123pan) Open Platform: they keep the access token between runs.
//!
//! At most three tokens of one client id live at once, and each new one pushes out the oldest. So a program that starts often, or
//! runs as several processes, must not fetch a token each time. With a store it fetches one only if no valid token is stored,
//! under a lock that all processes share.
//!
//! - [`FileStore`]: a file with a lock file beside it; on Unix only its owner can read it.
//! - [`MemoryStore`]: for several clients in one process, and for tests.
//! - For any other place, such as a database, implement [`TokenStore`].
//!
//! ```no_run
//! use pan123_blocking::Client;
//! use pan123_store::FileStore;
//!
//! let client = Client::builder()
//!     .credentials("client id", "client secret")
//!     .token_store(FileStore::new("/var/lib/my-bot/pan123-token.json"))
//!     .build()?;
//! # Ok::<(), pan123_blocking::BuildError>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod file;
mod memory;
#[cfg(test)]
mod tests;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};

/// The code blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
