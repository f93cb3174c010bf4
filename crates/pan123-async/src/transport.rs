//! Carrying one request over reqwest, as it is: no redirect, no repetition, no status taken for a failure.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pan123_proto::{BuildError, Transmit, TransportError};

use crate::drive::BoxFuture;

/// Carries one request and brings its answer back.
///
/// What it must keep: no redirect is followed, nothing is sent twice, every HTTP status is an answer, the timeout and the
/// body's limit hold, and [`TransportError::never_left`] is said only when not one byte was sent.
pub trait Transport: Send + Sync + 'static {
    /// Sends the request and reads the whole answer.
    fn send(
        &self,
        transmit: Transmit,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>>;
}

/// The transport on reqwest.
#[derive(Clone)]
pub struct ReqwestTransport {
    client: reqwest::Client,
    /// Whether a failure to connect is sure to have sent nothing: with redirects it may be about another hop.
    one_hop: bool,
}

impl ReqwestTransport {
    /// A client of this builder, with redirects and repetitions off and this long to connect.
    ///
    /// # Errors
    ///
    /// [`BuildError::Client`] if reqwest cannot set the client up, for example where no CA certificates are installed.
    pub fn from_builder(
        builder: reqwest::ClientBuilder,
        connect_timeout: Duration,
    ) -> Result<ReqwestTransport, BuildError> {
        builder
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(connect_timeout)
            .build()
            .map(|client| ReqwestTransport {
                client,
                one_hop: true,
            })
            .map_err(|error| BuildError::Client(Box::new(error)))
    }

    /// A client that was set up elsewhere. Its redirects and retries should be off: an answer from another URL is refused, and
    /// what fails while it connects counts as "may have arrived", since nobody can tell which hop it speaks of.
    pub fn from_client(client: reqwest::Client) -> ReqwestTransport {
        ReqwestTransport {
            client,
            one_hop: false,
        }
    }

    async fn exchange(&self, transmit: Transmit) -> Result<http::Response<Bytes>, TransportError> {
        let Transmit {
            request,
            timeout,
            body_limit,
            ..
        } = transmit;
        let mut request =
            reqwest::Request::try_from(request).map_err(TransportError::never_left)?;
        *request.timeout_mut() = Some(timeout);
        let url = request.url().clone();
        let answer = self.client.execute(request).await;
        let mut answer = answer.map_err(|error| self.failed(error))?;
        if *answer.url() != url {
            return Err(TransportError::redirected());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(error))? {
            if chunk.len() > body_limit - body.len() {
                return Err(TransportError::body_too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = http::Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Only a failure to connect is sure to have sent nothing.
    fn failed(&self, error: reqwest::Error) -> TransportError {
        let error = error.without_url();
        if error.is_connect() && self.one_hop {
            TransportError::not_connected(error)
        } else if error.is_timeout() {
            TransportError::timed_out()
        } else {
            TransportError::interrupted(error)
        }
    }
}

impl Transport for ReqwestTransport {
    fn send(
        &self,
        transmit: Transmit,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(transmit))
    }
}

impl fmt::Debug for ReqwestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestTransport")
    }
}
