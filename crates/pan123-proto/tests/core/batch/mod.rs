//! Batches in virtual time.

mod oracle;
mod service;
mod sim;

mod chaos;
mod ends;
mod kills;
