//! ureq's own resolver and connector, with their failures marked: ureq reports a name that was not found, a refused
//! connection or a broken TLS handshake as the same plain IO errors as an answer that was lost. Their connections can be interrupted.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use http::Uri;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, DefaultConnector, NextTimeout, ShutdownHandle, Transport,
};

use super::interrupt::{Connection, use_socket};

/// A failure before there was a connection: nothing was sent.
#[derive(Debug)]
pub(super) struct NotConnected(ureq::Error);

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for NotConnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

fn mark(error: ureq::Error) -> ureq::Error {
    ureq::Error::Other(Box::new(NotConnected(error)))
}

/// Something of ureq's whose failures are marked.
#[derive(Debug)]
pub(super) struct Marked<T>(T);

impl Marked<()> {
    pub(super) fn agent(config: Config) -> Agent {
        let connector = Marked(DefaultConnector::new());
        Agent::with_parts(config, connector, Marked(DefaultResolver::default()))
    }
}

impl<In: Transport, C: Connector<In>> Connector<In> for Marked<C> {
    type Out = Connection<C::Out>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let socket = Arc::<OnceLock<Weak<dyn ShutdownHandle>>>::default();
        let (opened, register) = (Arc::clone(&socket), Arc::clone(&details.register_shutdown));
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: details.request_level,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::new(move |handle| {
                use_socket(Some(opened.get_or_init(|| handle.clone())));
                register(handle)
            }),
        };
        let transport = self.0.connect(&details, chained).map_err(mark)?;
        Ok(transport.map(|transport| Connection::new(transport, socket.get().cloned())))
    }
}

impl<R: Resolver> Resolver for Marked<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(mark)
    }
}
