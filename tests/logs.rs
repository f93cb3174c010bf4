//! What is logged: a span for each call, events in it, no secret, and nothing under a lock.

mod both;
mod calls;
mod lock;
mod secrets;
mod span;
