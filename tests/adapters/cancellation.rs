//! Whatever is dropped or stopped, at any point, the session stays sound: other calls go on, the token that was being fetched
//! arrives, slots are given back, and nothing is sent twice.

mod between;
mod detached;
mod drops;
mod follows;
mod setup;
mod stops;
