//! Batches in virtual time.

mod oracle;
mod polls;
mod search;
mod service;
mod sim;

mod added;
mod callbacks;
mod chaos;
mod ends;
mod kills;
mod stops;
mod window;
