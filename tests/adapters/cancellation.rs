//! Whatever is dropped, wherever it is, the session stays sound: whoever waits goes on, the token that was being fetched comes, places
//! in a queue are given back, and nothing is sent twice.

mod between;
mod drops;
mod follows;
mod setup;
mod stops;
