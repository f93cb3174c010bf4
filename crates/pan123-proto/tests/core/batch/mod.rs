//! Batches in virtual time.

mod oracle;
mod service;
mod sim;

mod ends;
mod kills;
