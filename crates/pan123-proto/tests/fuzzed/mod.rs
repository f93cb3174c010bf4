//! What any bytes are tried on by the fuzz targets in `fuzz/`, the replayed corpus and the property tests. Each `run` panics
//! when an invariant is violated, and returns the outcomes.

pub(crate) mod callback;
pub(crate) mod envelope;
mod json;
pub(crate) mod machine;
