//! What every command has.

use std::future::Future;
use std::path::PathBuf;

use pan123_async::Client;

use crate::account::{self, Source};
use crate::args::Options;
use crate::failure::Failure;
use crate::ledgers::{Choice, ServerArgs};
use crate::output::Output;
use crate::requests::Requests;
use crate::stop::Stop;

/// The settings that every command has.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) out: Output,
    pub(crate) stop: Stop,
    /// The base URL of this run, if it was given one.
    pub(crate) base_url: Option<String>,
    pub(crate) requests: Requests,
}

impl App {
    pub(crate) fn new(options: &Options) -> App {
        let given = options.base_url.clone();
        App {
            out: Output::new(options),
            stop: Stop::new(),
            requests: Requests::default(),
            base_url: given.or_else(account::base_url_of_environment),
        }
    }

    /// Returns where the account of this run comes from.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        Source::find(self.out.lang, self.base_url.clone())
    }

    /// Returns a client of the account, which works on the ledger of the environment. Nothing is sent yet.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.client_on(&Choice::new(self, None, &ServerArgs::default())?)
    }

    /// Returns a client of the account that works on this ledger.
    pub(crate) fn client_on(&self, ledger: &Choice) -> Result<Client, Failure> {
        account::client(&self.source()?, self.base_url.clone(), ledger.server())
    }

    /// Returns the file of the account's default ledger.
    pub(crate) fn ledger(client: &Client) -> Result<PathBuf, Failure> {
        account::ledger(&client.session().ledger_account())
    }

    /// Runs what may be abandoned at any time, until Ctrl-C.
    pub(crate) async fn until_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::select! {
            result = work => result,
            () = self.stop.requested() => Err(Failure::interrupted(self.out.lang)),
        }
    }

    /// Ends a command between two of its requests, once Ctrl-C was pressed.
    pub(crate) fn check_stopped(&self) -> Result<(), Failure> {
        if self.stop.is_requested() {
            return Err(Failure::interrupted(self.out.lang));
        }
        Ok(())
    }
}
