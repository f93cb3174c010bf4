//! One exchange with the service: a request that is paced, sent, judged and retried, without a token of its own.
//!
//! [`Call`](crate::Call) adds a token to it. Fetching a token needs none, so that [`Exchange`] alone is its machine.

mod data;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use http::{HeaderValue, Method, StatusCode};

use crate::endpoint::{Auth, Endpoint, EndpointInfo, Idempotency, RateClass, SentRequest, encode};
use crate::error::{
    Ambiguous, BuildError, Error, ErrorCode, SharedPaceError, TransportError, TransportErrorKind,
};
use crate::machine::control::Control;
use crate::machine::shared_pace::{PaceOp, PaceResult};
use crate::machine::{Input, Now, Signal, Step, Transmit, Wait, later};
use crate::policy::deadline::{Deadline, MIN_TIME};
use crate::policy::pacing::{Bound, Priority, Refusal, Ticket, Turn, UsedSlot};
use crate::policy::retry::{Attempts, RetryPolicy, Verdict};
use crate::text;
use crate::trace::{self, CallTrace, Span};
use crate::wait::WaitReason;
use crate::wire::failure::{Failure, FailureClass};
use crate::wire::redaction::{Redactor, RequestSecrets, Secrets};
use crate::wire::request::{BaseUrl, CommonHeaders, EncodedRequest};
use crate::wire::response::{Decoder, MAX_TRACE_ID, trace_id_of_success};

pub(crate) use data::{Data, ReadData, ResponseReader, TypedExchange, read_data};

/// A non-idempotent request is sent only if at least this much time is left, so that its response can be awaited.
const MIN_TIME_NON_IDEMPOTENT: Duration = Duration::from_secs(1);

/// A request for a token is sent only if at least this much time is left: a token whose response is not awaited is lost.
const MIN_TIME_TOKEN: Duration = Duration::from_secs(30);

/// The most requests for a token whose response is lost: each may have issued one that pushed another out.
const MAX_LOST_TOKENS: u32 = 2;

/// The settings of a session that its exchanges need.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) base_url: BaseUrl,
    pub(crate) headers: CommonHeaders,
    pub(crate) retry: RetryPolicy,
    pub(crate) request_timeout: Duration,
    pub(crate) call_timeout: Duration,
    /// Whether nobody has set the call timeout: then a request that must not be repeated waits for its turn as long as it takes.
    pub(crate) has_default_call_timeout: bool,
    pub(crate) body_limit: usize,
    /// Whether others must hear of a 429.
    pub(crate) shares_pace: bool,
    pub(crate) too_many_downloads: String,
    /// The secrets of the session.
    pub(crate) secrets: Secrets,
}

/// The session, as its exchanges see it: their settings and the limiter that they share.
pub(crate) trait ExchangeSession: Clone {
    fn settings(&self) -> &Settings;

    /// Returns a source of randomness for one machine.
    fn fork_rng(&self) -> Rng;

    fn ticket(&self, class: RateClass, priority: Priority) -> Ticket;

    /// Books a slot if the ticket has none, and uses it if its time has come.
    fn turn(&self, ticket: &mut Ticket, now: Instant, bound: Bound, control: &Arc<Control>)
    -> Turn;

    /// The shared pace gave the ticket's class a slot in `wait`.
    fn reserved(&self, ticket: &Ticket, now: Instant, wait: Duration);

    /// The shared pace gave no slot; with an error that may pass, nobody asks for a while.
    fn not_reserved(&self, ticket: &Ticket, now: Instant, error: Option<SharedPaceError>);

    /// The ticket's request has ended, and there may be another one.
    fn request_ended(&self, ticket: &mut Ticket);

    fn release(&self, ticket: &mut Ticket);

    /// Reacts to a 429 for a request sent at `sent`. Returns false if an earlier hold-off already accounts for it.
    fn hold_off(
        &self,
        class: RateClass,
        sent: Instant,
        now: Instant,
        wait: Duration,
        cause: &Error,
    ) -> bool;

    /// How long the class has held off in all.
    fn time_held_off(&self, class: RateClass, now: Instant) -> Duration;

    /// Returns why the shared pace is unavailable, if it is.
    fn pace_outage(&self) -> Option<Error>;

    /// Returns the 429 for which the class last held off.
    fn hold_off_cause(&self, class: RateClass) -> Option<Error>;
}

/// Only the [`ResponseReader`] knows the type of the response, so that this code is compiled once.
pub(crate) struct Exchange<H: ExchangeSession> {
    host: H,
    pub(crate) control: Arc<Control>,
    endpoint: &'static EndpointInfo,
    request: EncodedRequest,
    /// The time that must be left before the deadline for the request to be sent.
    min_time: Duration,
    /// Whether it sends at most once, whatever happens.
    sends_once: bool,
    retry: RetryPolicy,
    priority: Priority,
    deadline: Deadline,
    ticket: Option<Ticket>,
    /// None before it is needed.
    rng: Option<Rng>,
    attempts: Attempts,
    /// Whether an attempt that changes something may have been carried out.
    had_indeterminate: bool,
    state: State,
    /// When the slot was asked for, if the pace is shared.
    reserved: Option<Instant>,
    /// A hold-off that others must hear of.
    hold_off: Option<Box<PaceOp>>,
    /// The last failure.
    last: Option<Error>,
    /// What it last waited for since the last attempt.
    waiting_for: Option<WaitReason>,
    trace: CallTrace,
}

enum State {
    /// Nothing is in flight; backing off until this time, if there is one.
    Idle(Option<Instant>),
    /// The shared pace is asked for a slot.
    Reserving,
    /// Others are told of a hold-off.
    Telling(Box<Told>),
    InFlight {
        sent: Now,
        token: Option<HeaderValue>,
    },
    Ended,
}

/// What comes of a 429 once others are told.
struct Told {
    token: TokenStatus,
    /// How the exchange ends; none if it goes on.
    error: Option<Error>,
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Idle(None) => "idle",
            State::Idle(Some(_)) => "backing off",
            State::Reserving => "reserving",
            State::Telling(..) => "telling",
            State::InFlight { .. } => "in flight",
            State::Ended => "ended",
        }
    }
}

/// What an exchange with nothing in flight needs.
pub(crate) enum Idle {
    Wait(Wait),
    /// A slot within this bound; then [`Exchange::transmit`].
    Slot(Bound),
}

/// What an input was.
pub(crate) enum Received {
    /// Nothing was in flight.
    Nothing,
    Judged(Judged),
    /// To be run before what was received takes effect.
    Tell(PaceOp),
}

/// An attempt that has been judged.
pub(crate) struct Judged {
    pub(crate) token: TokenStatus,
    pub(crate) outcome: Outcome,
}

impl Judged {
    fn ended(error: Error) -> Judged {
        Judged {
            token: TokenStatus::Unknown,
            outcome: Outcome::Ended(Err(error)),
        }
    }
}

/// What the response says of the token that the request carried.
pub(crate) enum TokenStatus {
    Accepted,
    /// With a copy of the response for other callers.
    Rejected(Option<Error>),
    Unknown,
}

pub(crate) enum Outcome {
    Ended(Result<(), Error>),
    Retry,
    /// Another token is needed: [`Exchange::retry_with_another_token`], or the end.
    TokenRejected(Error),
}

impl<H: ExchangeSession> Exchange<H> {
    pub(crate) fn new<E: Endpoint>(host: H, endpoint: &E) -> Result<Exchange<H>, BuildError> {
        let request = encode(endpoint, &host.settings().base_url)?;
        Ok(Exchange::of(host, EndpointInfo::of::<E>(), request))
    }

    fn of(host: H, endpoint: &'static EndpointInfo, request: EncodedRequest) -> Exchange<H> {
        let settings = host.settings();
        let timeout = settings.call_timeout;
        let min_time = match (endpoint.auth, endpoint.idempotency) {
            (Auth::None, _) => MIN_TIME_TOKEN
                .min(settings.request_timeout)
                .min(timeout / 2),
            (Auth::Bearer, Idempotency::NonIdempotent) => MIN_TIME_NON_IDEMPOTENT,
            (Auth::Bearer, Idempotency::Idempotent) => MIN_TIME,
        };
        let mut deadline = Deadline::new(timeout);
        let must_not_repeat =
            endpoint.auth == Auth::Bearer && endpoint.idempotency == Idempotency::NonIdempotent;
        if must_not_repeat && settings.has_default_call_timeout {
            deadline.queue_freely();
        }
        Exchange {
            control: Arc::default(),
            endpoint,
            request,
            min_time,
            sends_once: false,
            retry: limit_lost_tokens(settings.retry.clone(), endpoint.auth),
            priority: Priority::default(),
            deadline,
            ticket: None,
            rng: None,
            attempts: Attempts {
                idempotency: endpoint.idempotency,
                failed: 0,
                rate_limited: 0,
            },
            had_indeterminate: false,
            state: State::Idle(None),
            reserved: None,
            hold_off: None,
            last: None,
            waiting_for: None,
            trace: CallTrace::default(),
            host,
        }
    }
}

/// Whatever the policy says, a response that may be a token is not requested too often.
fn limit_lost_tokens(retry: RetryPolicy, auth: Auth) -> RetryPolicy {
    match auth {
        Auth::None => retry.max_lost_responses(MAX_LOST_TOKENS),
        Auth::Bearer => retry,
    }
}

/// Settings of one exchange.
impl<H: ExchangeSession> Exchange<H> {
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.deadline.set_timeout(timeout);
    }

    /// Takes over a deadline that is already running.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline.set(deadline);
    }

    /// Until it is sent, only this time bounds it; from then on its own timeout.
    pub(crate) fn queue_until(&mut self, end: Instant) {
        self.deadline.queue_until(end);
    }

    pub(crate) fn move_queue_end(&mut self, end: Instant) {
        self.deadline.move_queue_end(end);
    }

    pub(crate) fn set_ticket(&mut self, ticket: Ticket) {
        self.ticket = Some(ticket);
    }

    pub(crate) fn set_retry(&mut self, policy: RetryPolicy) {
        self.retry = limit_lost_tokens(policy, self.endpoint.auth);
    }

    pub(crate) fn set_priority(&mut self, priority: Priority) {
        self.priority = priority;
    }

    /// Sends at most once: whatever may have arrived is ambiguous, even if the endpoint is idempotent.
    pub(crate) fn send_once(&mut self) {
        self.sends_once = true;
        self.attempts.idempotency = Idempotency::NonIdempotent;
        self.min_time = self.min_time.max(MIN_TIME_NON_IDEMPOTENT);
    }

    pub(crate) fn auth(&self) -> Auth {
        self.endpoint.auth
    }

    pub(crate) fn last_failure(&self) -> Option<&Error> {
        self.last.as_ref()
    }
}

/// The turns of an exchange: [`receive`](Exchange::receive), [`idle`](Exchange::idle), [`transmit`](Exchange::transmit) and
/// [`note_end`](Exchange::note_end).
impl<H: ExchangeSession> Exchange<H> {
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Returns the span of the call, which begins with its first step.
    pub(crate) fn span(&mut self, now: Now) -> Span {
        self.trace
            .span(now.mono, &self.request.method, self.endpoint.path)
    }

    /// Judges the attempt in flight, or takes the answer of the shared pace.
    pub(crate) fn receive(
        &mut self,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Received {
        self.deadline.get(now.mono);
        match std::mem::replace(&mut self.state, State::Idle(None)) {
            State::InFlight { sent, token } => {
                let judged = self.judge(now, sent.mono, token.as_ref(), input, reader);
                if !matches!(judged.outcome, Outcome::Ended(_)) {
                    self.request_ended();
                }
                match self.hold_off.take() {
                    None => Received::Judged(judged),
                    Some(op) => {
                        let error = match judged.outcome {
                            Outcome::Ended(Err(error)) => Some(error),
                            _ => None,
                        };
                        self.state = State::Telling(Box::new(Told {
                            token: judged.token,
                            error,
                        }));
                        Received::Tell(*op)
                    }
                }
            }
            State::Telling(told) => Received::Judged(Judged {
                token: told.token,
                outcome: match told.error {
                    Some(error) => Outcome::Ended(Err(error)),
                    None => Outcome::Retry,
                },
            }),
            State::Reserving => match self.reserve(now, input) {
                Ok(()) => Received::Nothing,
                Err(error) => Received::Judged(Judged::ended(error)),
            },
            other => {
                self.state = other;
                Received::Nothing
            }
        }
    }

    /// Returns what the next attempt needs.
    pub(crate) fn idle(&mut self, now: Now) -> Result<Idle, Error> {
        self.check_stopped()?;
        let held_off = self.count_hold_offs(now.mono);
        let deadline = self.deadline.get(now.mono);
        let left = deadline.saturating_duration_since(now.mono);
        if left < self.min_time {
            let outage = match self.waiting_for {
                Some(WaitReason::Pace) => self.host.pace_outage(),
                _ => None,
            };
            if outage.is_some() {
                self.last = outage;
            } else if !held_off.is_zero() {
                self.last = self
                    .host
                    .hold_off_cause(self.endpoint.rate)
                    .or(self.last.take());
            }
            return Err(self.deadline_passed());
        }
        match self.state {
            State::Idle(Some(until)) if now.mono < until => {
                let signal = self.control.listen();
                let wait = self.wait(now, until, signal, WaitReason::Backoff)?;
                Ok(Idle::Wait(wait))
            }
            _ => {
                let latest = deadline.checked_sub(self.min_time).unwrap_or(deadline);
                Ok(Idle::Slot(if self.deadline.queues_freely() {
                    Bound::HoldOff(latest)
                } else {
                    Bound::Slot(latest)
                }))
            }
        }
    }

    /// The step that asks the shared pace for a slot.
    pub(crate) fn ask_pace(&mut self, op: PaceOp) -> Step<()> {
        self.state = State::Reserving;
        Step::Pace(op)
    }

    /// Takes the answer of the shared pace. Without one the next step asks again.
    fn reserve(&mut self, now: Now, input: Input) -> Result<(), Error> {
        let host = self.host.clone();
        let error = match input {
            Input::Paced(PaceResult::Reserved(wait)) => {
                host.reserved(self.ticket(), now.mono, wait);
                return Ok(());
            }
            Input::Paced(result) => Some(self.pace_fault(result)),
            _ => None,
        };
        host.not_reserved(self.ticket(), now.mono, error.clone());
        match error {
            Some(error) if error.may_pass() => {
                trace::pace_unavailable(&error);
                self.last = Some(Error::SharedPace(error));
                Ok(())
            }
            Some(error) => Err(Error::SharedPace(error)),
            None => Ok(()),
        }
    }

    fn pace_fault(&self, result: PaceResult) -> SharedPaceError {
        let redactor = Redactor {
            session: &self.host.settings().secrets,
            ..Redactor::NOTHING
        };
        match result {
            PaceResult::Failed(text) => SharedPaceError::lasting(redactor.redact(&text)),
            PaceResult::Unavailable(text) => SharedPaceError::passing(redactor.redact(&text)),
            PaceResult::Unsupported => SharedPaceError::lasting(
                "this driver has none, so other machines would not be seen: use a client that has one",
            ),
            _ => SharedPaceError::lasting(
                "it returned the result of another operation: this is a fault of its code",
            ),
        }
    }

    /// Returns class, priority and ticket, which is none before the first request.
    pub(crate) fn place(&mut self) -> (RateClass, Priority, &mut Option<Ticket>) {
        (self.endpoint.rate, self.priority, &mut self.ticket)
    }

    /// Returns the ticket for the slots of all attempts.
    pub(crate) fn ticket(&mut self) -> &mut Ticket {
        self.ticket
            .get_or_insert_with(|| self.host.ticket(self.endpoint.rate, self.priority))
    }

    /// A wait that the deadline bounds, unless it stands still. The signal is taken before the check for a stop, which would be
    /// missed otherwise.
    pub(crate) fn wait(
        &mut self,
        now: Now,
        until: Instant,
        signal: Signal,
        reason: WaitReason,
    ) -> Result<Wait, Error> {
        self.check_stopped()?;
        self.waiting_for = Some(reason);
        if reason == WaitReason::Pace && self.deadline.queues_freely() {
            let held_off = self.host.time_held_off(self.endpoint.rate, now.mono);
            self.deadline.pause(now.mono, held_off);
            return Ok(Wait::new(now.mono, until, signal, reason));
        }
        let until = until.min(self.deadline.get(now.mono));
        Ok(Wait::new(now.mono, until, signal, reason))
    }

    /// Sends the request, with this token if it needs one.
    pub(crate) fn transmit(
        &mut self,
        now: Now,
        token: Option<HeaderValue>,
        slot: UsedSlot,
    ) -> Result<Transmit, Error> {
        self.reserved = slot.asked;
        let cancelled = self.control.cancelled();
        self.check_stopped()?;
        self.deadline.sent(now.mono);
        self.waiting_for = None;
        let deadline = self.deadline.get(now.mono);
        let left = deadline.saturating_duration_since(now.mono);
        let settings = self.host.settings();
        let headers = &settings.headers;
        let request = self.request.with_headers(headers, token.as_ref());
        self.state = State::InFlight { sent: now, token };
        Ok(Transmit {
            request,
            timeout: settings.request_timeout.min(left),
            body_limit: settings.body_limit,
            cancelled: Some(cancelled),
            fresh_connection: self.attempts.idempotency == Idempotency::NonIdempotent,
            span: self.trace.sent(),
        })
    }

    /// The caller has gone away. If a non-idempotent request is in flight, its response now ends the exchange, whatever it says.
    /// Returns that request; none if nothing is left to do.
    pub(crate) fn only_receive(&mut self) -> Option<SentRequest> {
        let State::InFlight { sent, .. } = &self.state else {
            return None;
        };
        if self.attempts.idempotency == Idempotency::Idempotent {
            return None;
        }
        let request = SentRequest {
            method: self.request.method.clone(),
            path: self.endpoint.path,
            body: self.request.body.clone(),
            sent_at: sent.wall,
        };
        self.sends_once = true;
        Some(request)
    }

    /// The error of a request whose response nobody waits for any more.
    pub(crate) fn abandoned(&self) -> Error {
        self.ambiguous(Error::Transport(TransportError::abandoned()))
    }

    /// The next attempt is made with another token; the error is returned if there is none.
    pub(crate) fn retry_with_another_token(&mut self, error: Error) -> Result<(), Error> {
        if self.sends_once {
            return Err(Error::TokenRejected(Box::new(error)));
        }
        self.trace
            .retrying("token rejected", Duration::ZERO, &error);
        self.last = Some(error);
        Ok(())
    }

    /// The slot would come too late: because of a 429, or for an attempt after a failure, or because the queue is too long.
    pub(crate) fn slot_too_late(&mut self, refusal: Refusal, now: Now) -> Error {
        let retry_after = refusal.at.saturating_duration_since(now.mono);
        let held_off_by = refusal
            .is_held_off
            .then(|| self.host.hold_off_cause(self.endpoint.rate));
        match held_off_by.flatten().or(self.last.take()) {
            Some(last) if is_rate_limit(&last) => Error::RateLimited {
                retry_after,
                last: Box::new(last),
            },
            Some(last) => Error::Deadline {
                last: Some(Box::new(last)),
                waiting_for: Some(WaitReason::Pace),
            },
            None => Error::QueueTooLong {
                class: self.endpoint.rate.name(),
                interval: refusal.interval,
                ahead: refusal.ahead,
                retry_after,
            },
        }
    }

    /// Ends the exchange if this is its result.
    pub(crate) fn note_end(&mut self, now: Now, step: &Result<Step<()>, Error>) {
        if !matches!(step, Ok(Step::Ready(())) | Err(_)) {
            return;
        }
        self.state = State::Ended;
        self.leave_queue();
        if let Err(error) = step {
            self.trace.ended(now.mono, Err(error));
        }
    }

    /// Ends a wait for a slot that takes no time of the deadline, but for the hold-offs in it. Returns how long those were.
    fn count_hold_offs(&mut self, now: Instant) -> Duration {
        if !self.deadline.is_paused() {
            return Duration::ZERO;
        }
        let held_off = self.host.time_held_off(self.endpoint.rate, now);
        self.deadline.resume(now, held_off)
    }

    fn check_stopped(&self) -> Result<(), Error> {
        if self.control.is_stopped() {
            return Err(Error::Stopped);
        }
        Ok(())
    }

    fn deadline_passed(&mut self) -> Error {
        Error::Deadline {
            last: self.last.take().map(Box::new),
            waiting_for: self.waiting_for,
        }
    }

    /// Another request may follow; after the last one the exchange leaves the queue.
    fn request_ended(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            self.host.request_ended(ticket);
        }
    }

    fn leave_queue(&mut self) {
        if let Some(mut ticket) = self.ticket.take() {
            self.host.release(&mut ticket);
        }
    }
}

/// How an attempt is judged.
impl<H: ExchangeSession> Exchange<H> {
    fn judge(
        &mut self,
        now: Now,
        sent: Instant,
        token: Option<&HeaderValue>,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Judged {
        let settings = self.host.settings();
        let redactor = Redactor {
            session: &settings.secrets,
            request: Some(RequestSecrets {
                request: &self.request,
                fields: self.endpoint.secret_fields,
            }),
            token,
            ..Redactor::NOTHING
        };
        let received = match input {
            Input::Response(response) => {
                let decoder = Decoder {
                    secret: self.endpoint.secret_response,
                    body_limit: settings.body_limit,
                    created_id: self.endpoint.created_id,
                    too_many_downloads: &settings.too_many_downloads,
                    redactor,
                    wall: now.wall,
                };
                let format = self.endpoint.response_format;
                reader.read(&decoder, format, &response).map(|()| response)
            }
            Input::Failed(error) if error.kind() != TransportErrorKind::Abandoned => {
                Err(redactor.redact_transport_error(error).into())
            }
            _ if self.was_stopped_safely() => {
                return Judged::ended(Error::Stopped);
            }
            _ => Err(TransportError::abandoned().into()),
        };
        Judged {
            token: TokenStatus::of(&received),
            outcome: match received {
                Ok(response) => {
                    let trace_id = || {
                        let trace_id =
                            trace_id_of_success(self.endpoint.response_format, &response)?;
                        let trace_id = redactor.redact_prefix(&trace_id, MAX_TRACE_ID);
                        Some(text::shown(trace_id, MAX_TRACE_ID))
                    };
                    self.trace.ended(now.mono, Ok(&trace_id));
                    Outcome::Ended(Ok(()))
                }
                Err(failure) => self.after_failure(failure, sent, now.mono),
            },
        }
    }

    /// Whether the driver dropped the request because of a stop, and that does no harm.
    fn was_stopped_safely(&self) -> bool {
        self.control.is_stopped() && self.attempts.idempotency == Idempotency::Idempotent
    }

    /// Prepares another attempt, or ends the exchange.
    fn after_failure(&mut self, failure: Failure, sent: Instant, now: Instant) -> Outcome {
        let failure = if self.had_indeterminate {
            failure.after_lost_response()
        } else {
            failure
        };
        self.had_indeterminate |= failure.is_indeterminate() && self.request.method != Method::GET;
        let rng = self.rng.get_or_insert_with(|| self.host.fork_rng());
        let verdict = self.retry.verdict(failure, &self.attempts, rng);
        let retries = match verdict {
            Verdict::Fail(error) => Err(error),
            Verdict::Ambiguous(cause) => Err(self.ambiguous(cause)),
            Verdict::TokenRejected(error) => return Outcome::TokenRejected(error),
            Verdict::Retry { wait, error } => self.back_off(now, wait, error),
            Verdict::HoldOff { wait, error } => self.hold_off(sent, now, wait, error),
        };
        match retries {
            Ok(()) => Outcome::Retry,
            Err(error) => Outcome::Ended(Err(error)),
        }
    }

    fn ambiguous(&self, cause: Error) -> Error {
        Error::Ambiguous(Box::new(Ambiguous {
            method: self.request.method.clone(),
            path: self.endpoint.path,
            body: self.request.body.clone(),
            advice: self.endpoint.ambiguous_advice,
            cause: Box::new(cause),
        }))
    }

    fn back_off(&mut self, now: Instant, wait: Duration, error: Error) -> Result<(), Error> {
        if self.sends_once {
            return Err(error);
        }
        self.attempts.failed += 1;
        let until = later(now, wait);
        if until > self.deadline.get(now) {
            self.last = Some(error);
            self.waiting_for = Some(WaitReason::Backoff);
            return Err(self.deadline_passed());
        }
        self.trace.retrying("backoff", wait, &error);
        self.last = Some(error);
        self.state = State::Idle(Some(until));
        Ok(())
    }

    /// The whole rate class holds off; the deadline bounds that, not the number of attempts.
    fn hold_off(
        &mut self,
        sent: Instant,
        now: Instant,
        wait: Duration,
        error: Error,
    ) -> Result<(), Error> {
        self.attempts.rate_limited += 1;
        let until = later(now, wait);
        let queue_moves = self
            .host
            .hold_off(self.endpoint.rate, sent, now, wait, &error);
        if queue_moves && self.host.settings().shares_pace {
            let reserved = self.reserved.unwrap_or(sent);
            self.hold_off = Some(Box::new(PaceOp::HoldOff {
                class: self.endpoint.rate,
                wait,
                reserved: now.saturating_duration_since(reserved),
            }));
        }
        if self.sends_once || until > self.deadline.get(now) {
            return Err(Error::RateLimited {
                retry_after: wait,
                last: Box::new(error),
            });
        }
        self.trace.retrying("hold-off", wait, &error);
        self.last = Some(error);
        if !queue_moves {
            self.state = State::Idle(Some(until));
        }
        Ok(())
    }
}

fn is_rate_limit(error: &Error) -> bool {
    error.code() == Some(ErrorCode::RateLimited)
        || error.http_status() == Some(StatusCode::TOO_MANY_REQUESTS)
}

impl TokenStatus {
    fn of<T>(received: &Result<T, Failure>) -> TokenStatus {
        match received {
            Ok(_) => TokenStatus::Accepted,
            Err(failure) if failure.class == FailureClass::TokenRejected => {
                TokenStatus::Rejected(failure.copy_response())
            }
            Err(failure) if failure.error.api().is_some() => TokenStatus::Accepted,
            Err(_) => TokenStatus::Unknown,
        }
    }
}

/// An exchange without a token.
impl<H: ExchangeSession> Exchange<H> {
    pub(crate) fn resume(
        &mut self,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Result<Step<()>, Error> {
        if self.is_ended() {
            return Err(Error::Finished);
        }
        let span = self.span(now);
        span.within(|| {
            let step = self.advance(now, input, reader);
            self.note_end(now, &step);
            step
        })
    }

    fn advance(
        &mut self,
        now: Now,
        input: Input,
        reader: &mut dyn ResponseReader,
    ) -> Result<Step<()>, Error> {
        match self.receive(now, input, reader) {
            Received::Nothing => {}
            Received::Tell(op) => return Ok(Step::Pace(op)),
            Received::Judged(judged) => match judged.outcome {
                Outcome::Ended(result) => return result.map(Step::Ready),
                Outcome::TokenRejected(error) => return Err(error),
                Outcome::Retry => {}
            },
        }
        let bound = match self.idle(now)? {
            Idle::Wait(wait) => return Ok(Step::Wait(wait)),
            Idle::Slot(bound) => bound,
        };
        let host = self.host.clone();
        let control = Arc::clone(&self.control);
        match host.turn(self.ticket(), now.mono, bound, &control) {
            Turn::Now(slot) => self.transmit(now, None, slot).map(Step::Transmit),
            Turn::Wait(until, signal) => {
                let wait = self.wait(now, until, signal, WaitReason::Pace)?;
                Ok(Step::Wait(wait))
            }
            Turn::Reserve(op) => Ok(self.ask_pace(op)),
            Turn::TooLate(refusal) => Err(self.slot_too_late(refusal, now)),
        }
    }
}

impl<H: ExchangeSession> Drop for Exchange<H> {
    fn drop(&mut self) {
        self.leave_queue();
    }
}

impl<H: ExchangeSession> fmt::Debug for Exchange<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", &self.request.method)
            .field("path", &self.endpoint.path)
            .field("state", &self.state.name())
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
