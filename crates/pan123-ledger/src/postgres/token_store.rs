//! The tokens in a database.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use pan123_proto::ledger::{LedgerFault, header_line};
use pan123_proto::{Account, OpenTokenStore, StoreOp, StoreResult, StoredToken, TokenStore};

use super::fault::{self, RowError};
use super::link::{Line, Link};
use super::session::Session;
use super::settings::Settings;
use super::statement;

/// The longest time that a handle may hold the lock: a fetch ends after 120 s, and then saves its token.
const MAX_HOLD: Duration = Duration::from_secs(180);
/// How long dropping a handle that holds the lock waits for the server.
const GOODBYE: Duration = Duration::from_secs(2);

/// The tokens in a [`Postgres`](super::Postgres) database, one for each account, developers' tokens and OAuth pairs: the clients of an
/// account on several machines use one token. Its clones share one connection.
///
/// One client at a time fetches a token. Its lock is a lease, which is renewed while it fetches: a process that is killed or frozen, or that
/// is cut off from the server, holds up the others for no longer than one [`lease`](PostgresTokenStore::lease). When it goes on later, it
/// cannot replace a newer token. A token is durable before it is used.
///
/// While the server is away, clients go on with the token that they have in memory.
///
/// Tokens are stored in plain text, as in a file: whoever may read the table `tokens` can use the account. Grant the schema to no role but
/// that of the program, connect with TLS, and treat backups like passwords. A server that logs the parameters of statements logs
/// tokens, too.
///
/// ```no_run
/// # fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use pan123_blocking::Client; // or pan123_async
/// use pan123_ledger::Postgres;
///
/// let database = Postgres::new("postgres://pan123@db.example.com/jobs")?;
/// let client = Client::builder()
///     .credentials("client id", "client secret")
///     .token_store(database.token_store())
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresTokenStore {
    link: Arc<Link>,
    lease: Duration,
}

impl PostgresTokenStore {
    pub(super) fn new(settings: Settings) -> PostgresTokenStore {
        PostgresTokenStore {
            link: Arc::new(Link::new(settings)),
            lease: Duration::from_secs(30),
        }
    }

    /// Sets how long a client that shows no sign of life keeps the others from fetching a token, 30 s by default and at least 1 ms.
    pub fn lease(mut self, lease: Duration) -> PostgresTokenStore {
        self.lease = lease.max(Duration::from_millis(1));
        self
    }
}

/// Without the user, the password and the tokens.
impl fmt::Debug for PostgresTokenStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.link.settings().place;
        f.debug_struct("PostgresTokenStore")
            .field("server", &place.server)
            .field("schema", &place.schema)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

impl TokenStore for PostgresTokenStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        Box::new(Opened {
            link: Arc::clone(&self.link),
            account: header_line(account).into(),
            lease: self.lease,
            hold: None,
            is_renewed: false,
        })
    }
}

struct Opened {
    link: Arc<Link>,
    account: Arc<str>,
    lease: Duration,
    /// The lock that is held, or may be: the server's answer may have been lost.
    hold: Option<Arc<Hold>>,
    is_renewed: bool,
}

/// One holding of the lock.
struct Hold {
    account: Arc<str>,
    /// It is drawn at random, so that it differs from those that a restored backup knows.
    fence: i64,
    lease: i64,
}

impl Hold {
    /// Takes the lock, or keeps it for another lease. False if somebody else holds it.
    fn take(&self, session: &mut Session) -> Result<bool, RowError> {
        let taken = session.execute(
            statement::LOCK_TOKEN,
            &[&&*self.account, &self.fence, &self.lease],
        );
        match taken {
            Err(error) if error.is_busy() => Ok(false),
            taken => Ok(taken? > 0),
        }
    }

    /// Keeps the lock for another lease, if it was not lost.
    fn renew(&self, session: &mut Session) -> Result<bool, RowError> {
        let renewed = session.execute(statement::RENEW_TOKEN, &[&&*self.account, &self.fence])?;
        Ok(renewed > 0)
    }

    fn save(&self, session: &mut Session, token: &str) -> Result<bool, RowError> {
        let saved = session.execute(
            statement::SAVE_TOKEN,
            &[&&*self.account, &self.fence, &token],
        )?;
        Ok(saved > 0)
    }

    fn release(&self, session: &mut Session) -> Result<(), RowError> {
        session.execute(statement::UNLOCK_TOKEN, &[&&*self.account, &self.fence])?;
        Ok(())
    }
}

impl Opened {
    fn lock(&mut self) -> Result<StoreResult, LedgerFault> {
        let new = || Hold {
            account: Arc::clone(&self.account),
            fence: fastrand::i64(1..),
            lease: i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX),
        };
        let hold = Arc::clone(self.hold.get_or_insert_with(|| Arc::new(new())));
        let taking = Arc::clone(&hold);
        if !self.link.run(move |session| taking.take(session))? {
            self.hold = None;
            self.is_renewed = false;
            return Ok(StoreResult::Busy);
        }
        if !self.is_renewed {
            self.keep_renewing(&hold)?;
            self.is_renewed = true;
        }
        Ok(StoreResult::Locked)
    }

    /// Renews the lease as long as it is held: the client may wait for the service for longer. A frozen process renews nothing.
    fn keep_renewing(&self, hold: &Arc<Hold>) -> Result<(), LedgerFault> {
        let pause = self.lease / 3;
        let end = Instant::now() + MAX_HOLD;
        let hold: Weak<Hold> = Arc::downgrade(hold);
        let renew = move |line: &mut Line| {
            let now = Instant::now();
            let hold = hold.upgrade().filter(|_| now < end)?;
            match line.run(now + pause, |session| hold.renew(session)) {
                Ok(false) => None,
                Ok(true) | Err(_) => Some(now + pause),
            }
        };
        self.link.post(Instant::now() + pause, renew)
    }

    /// Runs work under the lock, which answers whether the lock is still held.
    fn locked(
        &self,
        mut work: impl FnMut(&Hold, &mut Session) -> Result<bool, RowError> + Send + 'static,
        done: StoreResult,
    ) -> Result<StoreResult, LedgerFault> {
        let Some(hold) = self.hold.clone() else {
            return Ok(StoreResult::Failed(self.text("it is not locked")));
        };
        if self.link.run(move |session| work(&hold, session))? {
            return Ok(done);
        }
        Ok(StoreResult::Unavailable(self.text(LOST)))
    }

    fn load(&self) -> Result<StoreResult, LedgerFault> {
        let account = Arc::clone(&self.account);
        let row = self.link.run(move |session| {
            let rows = session.query(statement::TOKEN, &[&&*account])?;
            let Some(row) = rows.first() else {
                return Ok(None);
            };
            Ok(Some((
                row.try_get::<_, Option<String>>(0)?,
                row.try_get::<_, i64>(1)?,
            )))
        })?;
        let fence = row.as_ref().map(|(_, fence)| *fence);
        if let Some(hold) = &self.hold
            && fence != Some(hold.fence)
        {
            return Ok(StoreResult::Unavailable(self.text(LOST)));
        }
        let Some(token) = row.and_then(|(token, _)| token) else {
            return Ok(StoreResult::Loaded(None));
        };
        // The parser's message may quote the token.
        Ok(match serde_json::from_str::<StoredToken>(&token) {
            Ok(token) => StoreResult::Loaded(Some(token)),
            Err(error) => StoreResult::Failed(self.text(&format!(
                "the row of the token is not understood (column {}); use a newer program, or delete the row from the table tokens",
                error.column()
            ))),
        })
    }

    fn save(&self, token: &StoredToken) -> Result<StoreResult, LedgerFault> {
        match serde_json::to_string(token) {
            Ok(token) => self.locked(
                move |hold, session| hold.save(session, &token),
                StoreResult::Saved,
            ),
            Err(_) => Ok(StoreResult::Failed(
                self.text("the token cannot be written as JSON"),
            )),
        }
    }

    fn unlock(&mut self) -> Result<StoreResult, LedgerFault> {
        if let Some(hold) = self.hold.take() {
            self.is_renewed = false;
            self.link
                .run_within(GOODBYE, move |session| hold.release(session))?;
        }
        Ok(StoreResult::Unlocked)
    }

    fn text(&self, what: &str) -> String {
        format!("{}: {what}", self.link.settings().place)
    }
}

const LOST: &str = "the lock of the token was lost: this process was frozen or cut off for longer than its lease, and another one has \
    taken the lock since";

impl OpenTokenStore for Opened {
    fn run(&mut self, op: StoreOp) -> StoreResult {
        let result = match op {
            StoreOp::Load => self.load(),
            StoreOp::Lock => self.lock(),
            StoreOp::Save(token) => self.save(&token),
            // A write of the same row that goes through to the disk.
            StoreOp::Prepare => self.locked(Hold::renew, StoreResult::Prepared),
            StoreOp::Unlock => self.unlock(),
            other => return other.unsupported(),
        };
        result.unwrap_or_else(|fault| match fault::into_text(fault) {
            (text, true) => StoreResult::Unavailable(text),
            (text, false) => StoreResult::Failed(text),
        })
    }
}

/// Waits until the lock is released, but not for a server that does not answer: the lease ends by itself.
impl Drop for Opened {
    fn drop(&mut self) {
        drop(self.unlock());
    }
}
