//! The tokens of the developer.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::response::{max_time, mix};

/// How many tokens live at once. One more revokes the oldest.
pub const MAX_LIVE_TOKENS: usize = 3;

/// The header of a JWT, because real tokens are JWTs. The rest of a token is random.
const PREFIX: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

#[derive(Default)]
pub(super) struct Tokens {
    /// Every token ever issued, in order.
    issued: Vec<Token>,
}

struct Token {
    value: String,
    expires: SystemTime,
    revoked: bool,
}

/// Why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenError {
    Unknown,
    Revoked,
    Expired,
}

impl TokenError {
    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Unknown => "token is invalid",
            Self::Revoked => "tokens number has exceeded the limit",
            Self::Expired => "token is expired",
        }
    }
}

impl Tokens {
    /// Issues a token and returns it with its expiry in whole seconds.
    pub(super) fn issue(
        &mut self,
        seed: u64,
        now: SystemTime,
        lifetime: Duration,
    ) -> (String, SystemTime) {
        self.keep_newest(MAX_LIVE_TOKENS - 1, now);
        let number = self.issued.len() as u64;
        let value = jwt_like(!seed, number);
        let ends = now.checked_add(lifetime).unwrap_or_else(max_time);
        let expires = whole_seconds(ends.min(max_time()));
        self.issued.push(Token {
            value: value.clone(),
            expires,
            revoked: false,
        });
        (value, expires)
    }

    /// Revokes all live tokens.
    pub(super) fn revoke_all(&mut self, now: SystemTime) {
        self.keep_newest(0, now);
    }

    pub(super) fn check(&self, value: &str, now: SystemTime) -> Result<(), TokenError> {
        match self.issued.iter().rfind(|token| token.value == value) {
            None => Err(TokenError::Unknown),
            Some(token) if token.revoked => Err(TokenError::Revoked),
            Some(token) if token.expires <= now => Err(TokenError::Expired),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn issued_count(&self) -> usize {
        self.issued.len()
    }

    fn keep_newest(&mut self, count: usize, now: SystemTime) {
        let newest_first = self.issued.iter_mut().rev();
        let live = newest_first.filter(|token| !token.revoked && token.expires > now);
        for token in live.skip(count) {
            token.revoked = true;
        }
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("issued", &self.issued.len())
            .finish_non_exhaustive()
    }
}

/// Returns token `number` of this seed.
pub(super) fn jwt_like(seed: u64, number: u64) -> String {
    format!(
        "{PREFIX}.{:016x}{:016x}.{:016x}",
        mix(seed, 3 * number),
        mix(seed, 3 * number + 1),
        mix(seed, 3 * number + 2),
    )
}

fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_742_715_517)
    }

    #[test]
    fn expired_tokens_do_not_count_as_live() {
        let mut tokens = Tokens::default();
        let (old, expires) = tokens.issue(0, now(), DAY);
        let issued: Vec<String> = (0..3).map(|_| tokens.issue(0, expires, DAY).0).collect();

        assert_eq!(tokens.check(&old, expires), Err(TokenError::Expired));
        assert!(issued.iter().all(|t| tokens.check(t, expires).is_ok()));
    }

    #[test]
    fn token_is_valid_until_its_expiry() {
        let mut tokens = Tokens::default();
        let (token, expires) = tokens.issue(0, now() + Duration::from_millis(700), DAY);

        assert_eq!(expires, now() + DAY);
        let last = expires.checked_sub(Duration::from_nanos(1)).unwrap();
        assert_eq!(tokens.check(&token, last), Ok(()));
        assert_eq!(tokens.check(&token, expires), Err(TokenError::Expired));
    }

    #[test]
    fn long_lifetimes_saturate() {
        let mut tokens = Tokens::default();
        for life in [Duration::MAX, DAY * 4_000_000] {
            let (token, expires) = tokens.issue(0, now(), life);
            assert_eq!(expires, max_time());
            assert_eq!(tokens.check(&token, now()), Ok(()));
        }
    }

    #[test]
    fn tokens_are_unique_across_numbers_and_seeds() {
        let issue = |seed| -> Vec<String> {
            let mut tokens = Tokens::default();
            (0..20).map(|_| tokens.issue(seed, now(), DAY).0).collect()
        };
        assert_eq!(issue(1), issue(1));
        let mut all = [issue(0), issue(1), issue(2)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 60);
    }
}
