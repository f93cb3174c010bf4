//! aria2's JSON-RPC: what arrives and what is answered, without any IO.

mod envelope;
mod error;
mod gid;
mod methods;
mod options;
mod params;
mod row;

pub(super) use envelope::{Answer, Call, Message, Nested, nested_calls, parse, parse_query};
pub(super) use error::RpcError;
pub(super) use gid::{Gid, GidPrefix};
pub(super) use methods::{METHODS, NOTIFICATIONS, Notification};
pub(super) use options::{Options, Place};
pub(super) use params::{Offset, Params, Position};
pub(super) use row::{Row, Status, page};
