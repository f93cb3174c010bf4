//! What is there in place of a server, without the feature `postgres`.

use std::convert::Infallible;

use pan123_async::ClientBuilder;
use pan123_async::proto::Account;
use pan123_store::OpenTokenStore;

use super::url::ServerUrl;
use super::{ServerArgs, Store};
use crate::failure::Failure;
use crate::words::Lang;

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    none: Infallible,
}

impl Server {
    pub(super) fn new(_: ServerUrl, _: &ServerArgs, lang: Lang) -> Result<Server, Failure> {
        Err(Failure::usage(lang.pick(
            "this `pan123` was built without PostgreSQL: build it with the feature `postgres`, cargo install --path crates/pan123-cli --features postgres",
            "此 `pan123` 编译时未包含 PostgreSQL：请启用特性 `postgres` 重新编译，cargo install --path crates/pan123-cli --features postgres",
        )))
    }

    pub(crate) fn share_pace(&self, _: ClientBuilder) -> ClientBuilder {
        match self.none {}
    }

    pub(crate) fn share_token(&self, _: ClientBuilder) -> ClientBuilder {
        match self.none {}
    }

    pub(crate) fn open_tokens(&self, _: &Account) -> Box<dyn OpenTokenStore> {
        match self.none {}
    }

    pub(super) fn ledger(&self, _: &Account) -> Result<Store, Failure> {
        match self.none {}
    }
}
