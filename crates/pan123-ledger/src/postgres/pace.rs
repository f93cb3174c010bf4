//! The paces in a database.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pan123_proto::ledger::header_line;
use pan123_proto::{Account, ClassPace, PaceOp, PaceResult, SharedPace};

use super::fault::{self, RowError};
use super::link::Link;
use super::schema::{decode, encode};
use super::session::Session;
use super::settings::Settings;

/// The paces in a [`Postgres`](super::Postgres) database: the clients of an account on several machines send at one pace. Its clones share
/// one connection.
///
/// A slot costs two round trips to the server and one write of its disk: a reservation is durable before it is answered, since two machines
/// would send at once if the server forgot it. While the server is away nothing is sent; everything goes on by itself when it is back.
///
/// A standby that took over, or a restored backup, may lack the last reservations. Unlike the ledger the pace goes on there: it may send a
/// few requests too early, which the service answers with 429, and that holds all of them off.
///
/// ```no_run
/// # fn connect() -> Result<(), Box<dyn std::error::Error>> {
/// use pan123_blocking::Client; // or pan123_async
/// use pan123_ledger::Postgres;
///
/// let database = Postgres::new("postgres://pan123@db.example.com/jobs")?;
/// let client = Client::builder()
///     .credentials("client id", "client secret")
///     .shared_pace(database.pace())
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresPace {
    link: Arc<Link>,
}

impl PostgresPace {
    pub(super) fn new(settings: Settings) -> PostgresPace {
        PostgresPace {
            link: Arc::new(Link::new(settings)),
        }
    }
}

/// Without the user and the password.
impl fmt::Debug for PostgresPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.link.settings().place;
        f.debug_struct("PostgresPace")
            .field("server", &place.server)
            .field("schema", &place.schema)
            .finish_non_exhaustive()
    }
}

impl SharedPace for PostgresPace {
    fn run(&self, account: &Account, op: PaceOp) -> PaceResult {
        let account = header_line(account);
        let result = self.link.run(move |session| run(session, &account, &op));
        result.unwrap_or_else(|fault| match fault::into_text(fault) {
            (text, true) => PaceResult::Unavailable(text),
            (text, false) => PaceResult::Failed(text),
        })
    }
}

/// Changes the row of a class in one transaction. If nobody knows whether it was committed, it is safe to do it again: a slot is lost, and a
/// hold-off that began already accounts for the same request.
fn run(session: &mut Session, account: &str, op: &PaceOp) -> Result<PaceResult, RowError> {
    let class = op.class().name();
    let (stored, micros) = match session.begin_pace(account, class)? {
        (Some(stored), micros) => (stored, micros),
        (None, _) => session.add_pace(account, class, &encode(&ClassPace::default())?)?,
    };
    let mut pace: ClassPace = decode(&stored)?;
    let result = pace.run(Duration::from_micros(micros.unsigned_abs()), op);
    session.commit_pace(account, class, &encode(&pace)?)?;
    Ok(result)
}
