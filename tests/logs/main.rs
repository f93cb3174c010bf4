//! What is logged: a span a call, what happens in it, and nothing under a lock.

mod both;
mod calls;
mod lock;
mod secrets;
mod span;
