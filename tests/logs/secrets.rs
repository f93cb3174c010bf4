//! No secret comes out: not in what a type shows, not in an error, not in a line of a log.

mod canaries;
mod loopback;
mod oauth;
mod plain_http;
mod types;
