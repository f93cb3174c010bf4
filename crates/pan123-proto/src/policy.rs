//! Pure policies: whether to retry, when to send, and until when.

pub(crate) mod deadline;
pub(crate) mod pacing;
pub(crate) mod poll_schedule;
pub(crate) mod retry;
pub(crate) mod watch;
