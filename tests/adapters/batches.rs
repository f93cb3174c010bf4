//! Batches: whatever ends early, no download is sent twice, and none is lost.

mod everywhere;
mod intake;
mod setup;
mod stops;
