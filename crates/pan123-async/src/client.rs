//! The client.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{BuildError, DetachedCall, Endpoint, Error, Machine, Session};
use serde::de::DeserializeOwned;

use crate::builder::ClientBuilder;
use crate::drive::{Context, Drive};
use crate::files::Files;
use crate::image_bed::ImageBed;
use crate::offline::OfflineDownload;

/// A client of one account. Clones share the token, the rate limits and the connections.
///
/// Its futures are `Send` and `'static`. Dropping one abandons the call and leaves the client usable. Only a request that creates
/// something is not abandoned once it was sent: see [`take_detached`](Client::take_detached).
///
/// ```no_run
/// use pan123_async::{Client, Download};
///
/// async fn save(url: &str) -> Result<(), Box<dyn std::error::Error>> {
///     let client = Client::builder().credentials("client id", "client secret").build()?;
///     println!("account {}", client.user_info().await?.uid);
///
///     let dir = client.files().ensure_dir("/videos").await?;
///     let download = Download::new(url)?.save_to(dir);
///     let offline = client.offline_download();
///     let task = offline.download(&download).await?;
///     offline.wait(task).await?;
///     Ok(())
/// }
/// ```
///
/// A forked child process must build a client of its own, since tokio's runtime does not survive a fork.
///
/// # Panics
///
/// The futures of a client with the default transport or the default clock panic if they are polled outside a tokio runtime with
/// its IO and time drivers enabled. With another [`Transport`](crate::context::Transport) and another [`Clock`](crate::context::Clock) any executor
/// drives them; token fetches then run in place, unless a [`Spawner`](crate::context::Spawner) is set as well.
#[derive(Clone)]
pub struct Client {
    session: Session,
    context: Arc<Context>,
}

impl Client {
    pub(crate) fn new(session: Session, context: Arc<Context>) -> Client {
        Client { session, context }
    }

    /// Starts to configure a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Returns the API for offline download (离线下载) with this account.
    #[doc(alias = "离线下载")]
    pub fn offline_download(&self) -> OfflineDownload {
        OfflineDownload::new(self.clone())
    }

    /// Returns the API for the files and folders of this account's drive.
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Returns the API for offline download into this account's image bed (图床).
    #[doc(alias = "图床")]
    #[doc(alias = "oss")]
    pub fn image_bed(&self) -> ImageBed {
        ImageBed::new(self.clone())
    }

    /// Returns whose account this is and how much space it has: the cheapest call that proves the credentials.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    pub fn user_info(&self) -> impl Future<Output = Result<UserInfo, Error>> + Send + use<> {
        self.send(&GetUserInfo)
    }

    /// Exchanges the code of an OAuth user for the first token pair and stores the pair: see [`Session::authorize`]. The redirect
    /// URI is that of the page which the user came from.
    ///
    /// A code works only once. So the exchange runs in its own task, and continues to its end if this future is dropped, as a
    /// server does with a request whose browser has gone away.
    ///
    /// # Errors
    ///
    /// [`Error`] if the client has no OAuth, if the service rejects the code, or if the pair is lost.
    pub fn authorize(
        &self,
        code: &str,
        redirect_uri: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let authorize = self.session.authorize(code, redirect_uri);
        let context = self.context();
        async move {
            let ended = context.spawn_detached(authorize?).await;
            ended.unwrap_or(Err(Error::Stopped))
        }
    }

    /// Calls an endpoint, which may be the caller's own.
    ///
    /// # Errors
    ///
    /// [`Error`] if the request cannot be built or the call fails.
    pub fn send<E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> impl Future<Output = Result<E::Response, Error>> + Send + use<E> {
        self.run(self.session.call(endpoint))
    }

    /// Calls an endpoint and reads the `data` of its response as another type than [`Endpoint::Response`].
    ///
    /// # Errors
    ///
    /// [`Error`] if the request cannot be built or the call fails.
    pub fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E> {
        self.run(self.session.call_as(endpoint))
    }

    /// Takes the outcomes of the calls of this endpoint whose futures were dropped after a request had been sent that must not be
    /// sent again: an offline download (see [`OfflineDownload::take_detached`]), one into the image bed, a copy.
    ///
    /// A future that is dropped before that sends nothing any more. Afterwards the exchange goes on apart from it, on the runtime
    /// that first polled the future, to its response and not further: nothing is sent again. Its outcome is kept here, and an event
    /// of `tracing` names what was created. If that runtime is shut down before the response comes, the outcome is
    /// [`Error::Ambiguous`], and what was created is lost.
    pub fn take_detached<E: Endpoint>(&self) -> Vec<DetachedCall<E::Response>> {
        self.session.take_detached::<E>()
    }

    /// Drives a machine of the core until its end or its next item.
    pub fn drive<M>(&self, machine: M) -> impl Future<Output = M::Output> + Send + use<M>
    where
        M: Machine + Send,
    {
        let context = self.context();
        async move { Drive::new(machine, context).run().await }
    }

    /// Returns the core's session under this client.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Calls an endpoint, if it could be built.
    pub(crate) fn send_built<E: Endpoint>(
        &self,
        endpoint: Result<E, BuildError>,
    ) -> impl Future<Output = Result<E::Response, Error>> + Send + use<E> {
        self.run(endpoint.and_then(|endpoint| self.session.call(&endpoint)))
    }

    pub(crate) fn context(&self) -> Arc<Context> {
        Arc::clone(&self.context)
    }

    /// Drives a machine to its end, if it could be built.
    pub(crate) fn run<M, T>(
        &self,
        machine: Result<M, BuildError>,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<M, T>
    where
        M: Machine<Output = Result<T, Error>> + Send,
    {
        let context = self.context();
        async move { Drive::new(machine?, context).run().await }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
