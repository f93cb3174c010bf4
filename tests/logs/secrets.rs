//! No secret is revealed by the `Debug` of a type, by an error, or by a log line.

mod canaries;
mod loopback;
mod oauth;
mod plain_http;
mod types;
