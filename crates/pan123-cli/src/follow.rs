//! Follows a batch to its end, and shows what happens in it.

use std::time::{Duration, SystemTime};

use pan123_async::proto::batch::{BatchEvent, BatchHandle, BatchPolicy, BatchReport};
use pan123_async::proto::ledger::OpenLedger;
use pan123_async::{Batch, Client};

use crate::app::App;
use crate::display::Display;
use crate::failure::{Exit, Failure, exit_of};
use crate::ledgers::Named;
use crate::orders::Orders;
use crate::stop::Stop;

/// How often the ledger is looked at for what other processes did.
const TICK: Duration = Duration::from_secs(1);

/// The options of commands that follow a batch.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct FollowArgs {
    /// How many times a download is sent at most whose task fails; the first pause is 30 s
    #[arg(long, value_name = "TIMES", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
}

/// Returns a batch of all that a ledger holds. Once it is stopped it ends at once, and the next one goes on.
pub(crate) fn batch(client: &Client, named: &Named, args: FollowArgs) -> Result<Batch, Failure> {
    let policy = BatchPolicy::default()
        .grace(Duration::ZERO)
        .max_attempts(args.attempts);
    let offline = client.offline_download();
    Ok(offline.batch_with(&named.ledger, [], policy)?)
}

/// How a batch ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) report: BatchReport,
    /// What ended it early; none if nothing did.
    pub(crate) early: Option<Failure>,
}

/// Who follows a batch.
pub(crate) struct Follower<'a> {
    app: &'a App,
    display: &'a mut Display,
    ledger: &'a mut dyn OpenLedger,
    /// What the command is about; none for all that the ledger has.
    orders: Option<&'a mut Orders>,
    early: Option<Failure>,
    /// Whether the batch waits for the ledger: nobody else has to, too.
    is_ledger_away: bool,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(
        app: &'a App,
        display: &'a mut Display,
        ledger: &'a mut dyn OpenLedger,
    ) -> Follower<'a> {
        Follower {
            app,
            display,
            ledger,
            orders: None,
            early: None,
            is_ledger_away: false,
        }
    }

    /// Follows these orders only, and ends with them.
    pub(crate) fn orders(mut self, orders: &'a mut Orders) -> Follower<'a> {
        self.orders = Some(orders);
        self
    }

    /// Follows a batch until it has ended, which a stop does not do at once: what was sent is still recorded.
    pub(crate) async fn follow(mut self, mut batch: Batch) -> Result<Ended, Failure> {
        self.app.stop.leave_note();
        let handle = batch.handle();
        let mut ticks = tokio::time::interval(TICK);
        let mut is_stopping = false;
        loop {
            let seen = tokio::select! {
                event = batch.next() => match event {
                    Some(event) => self.take(&event),
                    None => break,
                },
                _ = ticks.tick() => self.look(),
                () = self.app.stop.requested(), if !is_stopping => {
                    self.display.note(Stop::note(self.app.out.lang));
                    Err(Failure::interrupted(self.app.out.lang))
                }
            };
            // The first reason counts.
            if let Err(failure) = seen
                && self.early.is_none()
            {
                self.early = Some(failure);
            }
            is_stopping |= self.stop_if_done(&handle);
        }
        // What the end itself brought.
        if let Some(orders) = &mut self.orders {
            orders.look(self.ledger, self.display)?;
        }
        self.display.end();
        let report = batch.report().cloned();
        let report = report.ok_or_else(|| Failure::new(Exit::Failed, "the batch has no end"))?;
        Ok(Ended {
            report,
            early: self.early,
        })
    }

    fn stop_if_done(&self, handle: &BatchHandle) -> bool {
        let is_done = self.early.is_some()
            || self
                .orders
                .as_ref()
                .is_some_and(|orders| orders.are_settled());
        if is_done {
            handle.stop();
        }
        is_done
    }

    fn take(&mut self, event: &BatchEvent) -> Result<(), Failure> {
        let is_shown = match (event, &self.orders) {
            (BatchEvent::Item { key, change, .. }, Some(orders)) => orders.wants(key, change),
            _ => true,
        };
        if is_shown {
            self.display.event(event)?;
        }
        if let (BatchEvent::Item { key, .. }, Some(orders)) = (event, &mut self.orders) {
            or_later(orders.look_at(key, self.ledger, self.display))?;
        }
        match event {
            BatchEvent::LedgerFailed(_) => self.is_ledger_away = true,
            BatchEvent::LedgerRecovered => self.is_ledger_away = false,
            _ => {}
        }
        match event {
            BatchEvent::Paused { error, .. } => self.paused(exit_of(error), &error.to_string()),
            _ => Ok(()),
        }
    }

    /// A batch waits for better times. Credentials do not mend themselves, and who only orders does not wait for the network.
    fn paused(&self, exit: Exit, why: &str) -> Result<(), Failure> {
        let is_in_a_hurry = self.orders.as_ref().is_some_and(|orders| !orders.wait());
        if is_in_a_hurry || exit == Exit::Credentials {
            Err(Failure::new(exit, why))
        } else {
            Ok(())
        }
    }

    fn look(&mut self) -> Result<(), Failure> {
        if self.is_ledger_away {
            return Ok(());
        }
        if let Some(orders) = &mut self.orders {
            return or_later(orders.look(self.ledger, self.display));
        }
        // The batch itself tells when the ledger fails.
        if let Ok(counts) = self.ledger.counts(SystemTime::now()) {
            self.display.totals(&counts);
        }
        Ok(())
    }
}

/// What a ledger that is away does not tell now, it tells later.
fn or_later(looked: Result<(), Failure>) -> Result<(), Failure> {
    looked.or_else(|failure| match failure.exit {
        Exit::Unavailable => Ok(()),
        _ => Err(failure),
    })
}
