//! What a machine waits for. Steps and errors name it.

/// What a machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitReason {
    /// A slot of the rate class, which may hold off after a 429.
    Pace,
    /// The next attempt.
    Backoff,
    /// A token that is being fetched.
    Token,
    /// The lock of the token store, which another process holds, or another attempt to save.
    Store,
    /// The next poll of a watch.
    Poll,
}
