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
//! # What is durable when
//!
//! All operations of one [`Transaction`](pan123_proto::ledger::Transaction) are carried out together or not at all, and are on the disk
//! before they are answered; so operations in groups cost one write of the disk (about 4 ms on a plain SSD), however many they are. A
//! task id that [`spill`](OpenLedger::spill) keeps is on the disk before that returns, in a place that was taken
//! when the ledger was opened. A power cut loses nothing of it, as long as the disk does what it says.
//!
//! If an answer is a [`LedgerFault`]: after `Busy` and `Full` nothing was done; after
//! `Down` it may have been done: a database server was lost. After `Broken` nobody knows, and the handle answers nothing else any more; another one, opened anew,
//! shows what the file holds.
//!
//! A process must not use a handle after a `fork`: its child would hold the worker's lock as well.
//!
//! # Features
//!
//! - `sqlite` (default): [`SqliteLedger`], in one file that several processes of a machine may share. SQLite is compiled in.
//! - `postgres`: `Postgres`, a PostgreSQL database that several machines may share: a ledger, a shared pace and a token store. TLS is
//!   rustls.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod export;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod files;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod mounts;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod spill;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use export::{ImportError, Imported, export, export_file, import};
pub use pan123_proto::Account;
pub use pan123_proto::ledger::{Ledger, LedgerFault, OpenLedger};
#[cfg(feature = "postgres")]
pub use postgres::{
    Postgres, PostgresError, PostgresLedger, PostgresNote, PostgresNotes, PostgresPace,
    PostgresTokenStore,
};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteLedger;
