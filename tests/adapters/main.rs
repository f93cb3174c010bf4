//! What is held of the adapters alone: how far a request got, what is dropped and what goes on, who shares what.

mod abort;
mod bare;
mod both;
mod bounds;
mod handles;
mod injected;
mod names;
mod reach;
mod sends;
mod sharing;
mod token_rule;
mod watches;
mod worlds;
