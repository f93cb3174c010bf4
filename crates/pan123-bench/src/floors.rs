//! What each task costs at least: the same by hand, as a careful user would write it, without tokens, pacing, retries or states.

pub(crate) mod callback;
pub(crate) mod requests;
pub(crate) mod responses;
