//! The two adapters: how far a request got, what is dropped and what goes on, what calls share.

mod bare;
mod batches;
mod both;
mod bounds;
mod cancellation;
mod clock;
mod fresh;
mod handles;
mod injected;
mod interrupts;
mod kept;
mod lookups;
mod names;
mod reach;
mod sends;
mod sharing;
mod spelling;
mod timeouts;
mod token_rule;
mod watches;
