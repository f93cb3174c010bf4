//! The codes and token pairs of apps.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::Service;
use super::response::{max_time, mix};
use super::tokens::{TokenError, jwt_like};

/// The lifetime of an app's access token.
pub(super) const ACCESS_LIFETIME: Duration = Duration::from_secs(7200);
const REFRESH_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The real lifetime is not documented; RFC 6749 recommends at most this.
const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Keep the tokens and codes of apps distinct from all other values of a seed.
const ACCESS_SALT: u64 = 0x6163_6365_7373;
const REFRESH_SALT: u64 = 0x7265_6672_6573_6820;
const CODE_SALT: u64 = 0x636f_6465_7320;

/// The token pair of an authorized app. Its `Debug` output contains neither token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenPair {
    /// Authenticates calls for two hours.
    pub access_token: String,
    /// Can be exchanged once for the next pair, within 90 days.
    pub refresh_token: String,
}

impl fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPair").finish_non_exhaustive()
    }
}

/// All codes and pairs ever issued, in order.
#[derive(Default)]
pub(super) struct Oauth {
    codes: Vec<Code>,
    pairs: Vec<Pair>,
    refreshes: usize,
}

struct Code {
    value: String,
    redirect_uri: String,
    expires: SystemTime,
    used: bool,
}

struct Pair {
    tokens: TokenPair,
    access_expires: SystemTime,
    refresh_expires: SystemTime,
    /// Whether it was exchanged for another pair.
    refreshed: bool,
}

/// A pair, or the error description.
type PairResult = Result<TokenPair, &'static str>;

impl Service {
    /// Authorizes the app, as a user does on the service's web page, and returns the `code` that comes with the redirect to this URI. The
    /// code can be exchanged for one token pair within ten minutes.
    pub fn authorize(&mut self, now: SystemTime, redirect_uri: impl Into<String>) -> String {
        let seed = self.options.seed;
        self.oauth.code(seed, now, redirect_uri.into())
    }

    /// Returns the token pair of an app that was authorized at `now`.
    pub fn oauth_pair(&mut self, now: SystemTime) -> TokenPair {
        let seed = self.options.seed;
        self.oauth.pair(seed, now)
    }

    /// Returns how many token pairs were refreshed.
    pub fn oauth_refreshes(&self) -> usize {
        self.oauth.refreshes
    }
}

impl Oauth {
    fn code(&mut self, seed: u64, now: SystemTime, redirect_uri: String) -> String {
        let number = 2 * self.codes.len() as u64;
        let seed = seed ^ CODE_SALT;
        let value = format!("{:016x}{:016x}", mix(seed, number), mix(seed, number + 1));
        self.codes.push(Code {
            value: value.clone(),
            redirect_uri,
            expires: add_saturating(now, CODE_LIFETIME),
            used: false,
        });
        value
    }

    fn pair(&mut self, seed: u64, now: SystemTime) -> TokenPair {
        let number = self.pairs.len() as u64;
        let tokens = TokenPair {
            access_token: jwt_like(seed ^ ACCESS_SALT, number),
            refresh_token: base32_like(seed ^ REFRESH_SALT, number),
        };
        self.pairs.push(Pair {
            tokens: tokens.clone(),
            access_expires: add_saturating(now, ACCESS_LIFETIME),
            refresh_expires: add_saturating(now, REFRESH_LIFETIME),
            refreshed: false,
        });
        tokens
    }

    /// Exchanges a code for a pair.
    pub(super) fn exchange(
        &mut self,
        seed: u64,
        now: SystemTime,
        code: &str,
        redirect_uri: &str,
    ) -> PairResult {
        let known = self.codes.iter_mut().rfind(|known| known.value == code);
        let code = known.ok_or("unknown code")?;
        if code.used {
            return Err("the code has already been used");
        }
        if code.expires <= now {
            return Err("the code has expired");
        }
        if code.redirect_uri != redirect_uri {
            return Err("the code was issued for another redirect_uri");
        }
        code.used = true;
        Ok(self.pair(seed, now))
    }

    /// Exchanges a refresh token for the next pair.
    pub(super) fn refresh(
        &mut self,
        seed: u64,
        now: SystemTime,
        refresh_token: &str,
    ) -> PairResult {
        let mut pairs = self.pairs.iter_mut();
        let known = pairs.rfind(|pair| pair.tokens.refresh_token == refresh_token);
        let pair = known.ok_or("unknown refresh_token")?;
        if pair.refreshed {
            return Err("the refresh_token has already been used");
        }
        if pair.refresh_expires <= now {
            return Err("the refresh_token has expired");
        }
        pair.refreshed = true;
        self.refreshes += 1;
        Ok(self.pair(seed, now))
    }

    pub(super) fn check(&self, access_token: &str, now: SystemTime) -> Result<(), TokenError> {
        let mut pairs = self.pairs.iter();
        match pairs.rfind(|pair| pair.tokens.access_token == access_token) {
            None => Err(TokenError::Unknown),
            Some(pair) if pair.refreshed || pair.access_expires <= now => Err(TokenError::Expired),
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Oauth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oauth")
            .field("codes", &self.codes.len())
            .field("pairs", &self.pairs.len())
            .field("refreshes", &self.refreshes)
            .finish_non_exhaustive()
    }
}

fn add_saturating(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_add(by).unwrap_or_else(max_time)
}

/// Returns 48 capital letters and digits, the format of refresh tokens.
fn base32_like(seed: u64, number: u64) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let four = (0..4).map(|part| mix(seed, 4 * number + part));
    let letters = four.flat_map(|bits| (0..12).map(move |letter| bits >> (5 * letter) & 31));
    letters
        .map(|index| char::from(LETTERS[usize::try_from(index).unwrap_or(0)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn tokens_and_codes_are_unique_across_kinds_and_seeds() {
        let all = |seed| {
            let mut oauth = Oauth::default();
            let mut all = Vec::new();
            for _ in 0..20 {
                let pair = oauth.pair(seed, NOW);
                let code = oauth.code(seed, NOW, String::new());
                all.extend([pair.access_token, pair.refresh_token, code]);
                all.push(jwt_like(!seed, all.len() as u64));
            }
            all
        };
        assert_eq!(all(1), all(1));
        let mut all = [all(0), all(1), all(!0)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 240);
    }

    #[test]
    fn refresh_tokens_have_the_documented_format() {
        let token = base32_like(0, 0);
        assert_eq!(token.len(), 48);
        assert!(
            token
                .bytes()
                .all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
        );
    }

    #[test]
    fn late_times_saturate() {
        let mut oauth = Oauth::default();
        let late = max_time() + Duration::from_secs(1_000_000_000);
        let pair = oauth.pair(0, late);
        assert_eq!(oauth.check(&pair.access_token, late), Ok(()));
    }
}
