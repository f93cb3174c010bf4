//! The tests of the examples. `cargo test --example NAME` runs those of one.

#[allow(dead_code, reason = "its `main`")]
#[path = "../examples/callback_server/main.rs"]
mod callback_server;
#[allow(dead_code, reason = "its `main`")]
#[path = "../examples/test_with_mock.rs"]
mod test_with_mock;
