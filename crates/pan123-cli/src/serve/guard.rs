//! The secret that every call needs.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::account::Secret;
use crate::failure::Failure;
use crate::folders;
use crate::words::{Lang, hex};

/// How long a client with a wrong secret waits for its answer.
const PENALTY: Duration = Duration::from_secs(1);
/// How many such answers may be due at once. Beyond that no secret is accepted, so that nobody tries more than these a second.
const MAX_PENALTIES: usize = 32;
/// The minimum length of a secret, in bytes.
const MIN_SECRET: usize = 8;

/// Compares secrets, and slows down those who guess.
#[derive(Debug)]
pub(super) struct Guard {
    digest: [u8; 32],
    penalties: Arc<Semaphore>,
}

impl Guard {
    pub(super) fn new(secret: &Secret) -> Guard {
        Guard {
            digest: Sha256::digest(secret.expose()).into(),
            penalties: Arc::new(Semaphore::new(MAX_PENALTIES)),
        }
    }

    /// Whether this is the secret. It takes as long whatever differs.
    pub(super) fn accepts(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        let pairs = given.iter().zip(&self.digest);
        let difference = pairs.fold(0, |difference, (given, own)| difference | (given ^ own));
        difference == 0 && self.penalties.available_permits() > 0
    }

    /// Waits as long as a wrong secret costs; not at all while too many wait.
    pub(super) async fn penalty(&self) {
        if let Ok(permit) = self.penalties.try_acquire() {
            sleep(PENALTY).await;
            drop(permit);
        }
    }
}

/// Reads a secret from a file, or makes one and writes it there.
///
/// # Errors
///
/// [`Failure`] if the file cannot be read or written, or holds no secret that is long enough.
pub(super) fn secret_in(path: &Path) -> Result<Secret, Failure> {
    let lang = Lang::of_environment();
    let text = match fs::read_to_string(path) {
        Ok(text) => {
            folders::check_private(path, lang)?;
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|error| Failure::from(io::Error::from(error)))?;
            let secret = hex(&bytes);
            folders::write_private(path, format!("{secret}\n").as_bytes())?;
            secret
        }
        Err(error) => return Err(folders::failed("read", path, &error)),
    };
    let secret = text.trim();
    if secret.len() < MIN_SECRET {
        let (path, length) = (path.display(), secret.len());
        return Err(Failure::usage(lang.pick(
            format!("the secret in {path} is {length} bytes long: it needs at least {MIN_SECRET}; remove the file, and a new one is made"),
            format!("{path} 中的密钥只有 {length} 字节，至少需要 {MIN_SECRET} 字节：删除该文件即可生成新密钥"),
        )));
    }
    Ok(Secret::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn guesses_are_slowed_down_and_then_nobody_is_let_in() {
        let guard = Arc::new(Guard::new(&Secret::new("correct horse")));
        for (given, accepted) in [
            ("correct horse", true),
            ("correct horsf", false),
            ("", false),
            ("correct horse ", false),
        ] {
            assert_eq!(guard.accepts(given), accepted, "{given}");
        }
        let started = tokio::time::Instant::now();
        let guesses: Vec<_> = (0..MAX_PENALTIES)
            .map(|_| {
                let guard = Arc::clone(&guard);
                tokio::spawn(async move { guard.penalty().await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(!guard.accepts("correct horse"));
        guard.penalty().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        for guess in guesses {
            guess.await.unwrap();
        }
        assert_eq!(started.elapsed(), PENALTY);
        assert!(guard.accepts("correct horse"));
    }

    #[test]
    fn a_secret_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new").join("secret");
        let secret = secret_in(&path).unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(secret_in(&path).unwrap(), secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let with_mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode));
            with_mode(0o640).unwrap();
            let failure = secret_in(&path).unwrap_err();
            assert!(failure.message.contains("chmod 600"), "{failure:?}");
            with_mode(0o400).unwrap();
            assert_eq!(secret_in(&path).unwrap(), secret);
            with_mode(0o600).unwrap();
        }
        fs::write(&path, "short\n").unwrap();
        let failure = secret_in(&path).unwrap_err();
        assert!(failure.message.contains('8'), "{failure:?}");
        assert!(!failure.message.contains("short\n"));
    }
}
