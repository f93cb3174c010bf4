//! What any bytes are tried on, once for all who try: the fuzz targets in `fuzz/`, the test that replays what they found,
//! and the property tests. Each `run` panics where something does not hold, and tells what the bytes came to.

#![allow(
    dead_code,
    reason = "each fuzz target and each test uses its own part of this"
)]

pub(crate) mod callback;
pub(crate) mod envelope;
mod json;
pub(crate) mod machine;
