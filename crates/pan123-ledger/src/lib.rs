//! Ledgers for [batches](pan123_proto::batch) of offline downloads: they keep what was sent, and what came of it, so that a restart
//! loses nothing and sends nothing twice.
//!
//! ```no_run
//! # fn open() -> Result<(), Box<dyn std::error::Error>> {
//! use pan123_ledger::SqliteLedger;
//! use pan123_proto::batch::BatchPolicy;
//! use pan123_proto::{Session, ledger::Ledger};
//!
//! let session = Session::builder().credentials("client id", "client secret").build()?;
//! let ledger = SqliteLedger::new("downloads.db");
//! let batch = session.batch(ledger.open(&session.ledger_account())?, BatchPolicy::default());
//! # drop(batch);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `sqlite` (default): [`SqliteLedger`], in one file that several processes of a machine may share. SQLite is compiled in.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "sqlite")]
mod export;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "sqlite")]
pub use export::{ImportError, Imported, export, export_file, import};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteLedger;
