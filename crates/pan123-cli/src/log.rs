//! What `-v` shows: each request, by the events of the SDK, which hold no secret.

use std::fmt::{self, Write as _};
use std::io::{self, Write as _};

use jiff::Zoned;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::requests::Requests;

/// From now on shows the events of the SDK on standard error, or counts them, or both.
pub(crate) fn start(is_shown: bool, counted: Option<Requests>) {
    let events = || Targets::new().with_target("pan123", LevelFilter::DEBUG);
    let lines = is_shown.then(|| Lines.with_filter(events()));
    let counts = counted.map(|requests| requests.with_filter(events()));
    // It fails if the program has a subscriber already, which then shows them.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(counts)
        .try_init();
}

/// Prints a line for each event: the time, the call, and what happened to it.
struct Lines;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut call = Call::default();
            attributes.record(&mut call);
            span.extensions_mut().insert(call);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut happened = Happened::default();
        event.record(&mut happened);
        let mut line = Zoned::now().strftime("%H:%M:%S").to_string();
        if let Some(span) = context.event_span(event)
            && let Some(call) = span.extensions().get::<Call>()
        {
            // Writing to a string does not fail.
            let _ = write!(line, " {} {}:", call.method, call.endpoint);
        }
        // There is nowhere left to report a failure to.
        let _ = writeln!(
            io::stderr(),
            "{line} {}{}",
            happened.message,
            happened.fields
        );
    }
}

/// The call that a span stands for.
#[derive(Debug, Default)]
struct Call {
    method: String,
    endpoint: String,
}

impl Visit for Call {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "method" => value.clone_into(&mut self.method),
            "endpoint" => value.clone_into(&mut self.endpoint),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[derive(Debug, Default)]
struct Happened {
    message: String,
    /// ` name=value` for each field.
    fields: String,
}

impl Visit for Happened {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
