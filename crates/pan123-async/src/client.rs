//! What a user holds.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use pan123_proto::offline::{
    CreatedDownload, Download, Downloaded, ExpectedFile, FileLookup, GetDownloadProgress, Progress,
    WatchError, WatchPolicy,
};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{
    BuildError, Endpoint, Error, Machine, Session, SessionBuilder, TaskId, TokenStore,
};
use serde::de::DeserializeOwned;

use crate::clock::{Clock, SystemClock};
use crate::drive::{Context, Drive};
use crate::files::Files;
use crate::images::ImageBed;
use crate::store::Keeper;
use crate::transport::{ReqwestTransport, Transport};
use crate::watch::Watch;

/// A client of one account. Clones share the token, the pace and the connections.
///
/// Its futures are `Send` and borrow nothing; dropping one leaves the client sound.
#[derive(Clone)]
pub struct Client {
    session: Session,
    context: Context,
}

impl Client {
    /// Sets a client up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Offline download (离线下载).
    #[doc(alias = "离线下载")]
    pub fn offline_download(&self) -> OfflineDownload {
        OfflineDownload {
            client: self.clone(),
        }
    }

    /// The files and folders of the drive.
    pub fn files(&self) -> Files {
        Files::new(self.clone())
    }

    /// Offline download into the image bed (图床).
    #[doc(alias = "图床")]
    pub fn image_bed(&self) -> ImageBed {
        ImageBed::new(self.clone())
    }

    /// Whose token this is, and how much room there is. The cheapest call that proves the credentials.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    pub fn user_info(&self) -> impl Future<Output = Result<UserInfo, Error>> + Send + use<> {
        self.send(&GetUserInfo)
    }

    /// Exchanges the code of an OAuth user for the first pair of tokens and has it kept: see [`Session::authorize`]. Give it the
    /// redirect URI of the page that the user came from.
    ///
    /// A code works once only. So this runs as a task of its own, and goes on to its end if its future is dropped, as a server
    /// does with a request whose browser went away.
    ///
    /// # Errors
    ///
    /// [`Error`] if the client has no OAuth, or if the code is refused or its pair is lost.
    pub fn authorize(
        &self,
        code: &str,
        redirect_uri: &str,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let authorize = self.session.authorize(code, redirect_uri);
        let context = self.context();
        async move {
            let ended = context.outlive(authorize?).await;
            ended.unwrap_or(Err(Error::Stopped))
        }
    }

    /// Calls any endpoint, one of your own too.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call cannot be built or fails.
    pub fn send<E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> impl Future<Output = Result<E::Response, Error>> + Send + use<E> {
        self.run(self.session.call(endpoint))
    }

    /// Calls any endpoint and reads the `data` of the answer as a type of yours.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call cannot be built or fails.
    pub fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T, E> {
        self.run(self.session.call_as(endpoint))
    }

    /// Drives any machine of the core once: to its end, or to its next item.
    pub fn drive<M>(&self, machine: M) -> impl Future<Output = M::Output> + Send + use<M>
    where
        M: Machine + Send,
    {
        let context = self.context();
        async move { Drive::new(machine, context).next().await }
    }

    /// The session of the core under this client.
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

    pub(crate) fn context(&self) -> Context {
        self.context.clone()
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
        async move { Drive::new(machine?, context).next().await }
    }
}

/// Gives a type with a field `client` a method for each call of a list.
macro_rules! define_calls {
    ($holder:ident $(
        $(#[$doc:meta])*
        $name:ident[$($bounds:tt)*][$($generic:ident),*]($($arg:ident: $type:ty),*) -> $answer:ty = $endpoint:expr;
    )*) => {
        impl $holder {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// [`Error`] if the request cannot be built or the call fails.
                pub fn $name<$($bounds)*>(
                    &self,
                    $($arg: $type),*
                ) -> impl Future<Output = Result<$answer, Error>> + Send + use<$($generic),*> {
                    self.client.send_built($endpoint)
                }
            )*
        }
    };
}
pub(crate) use define_calls;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// Offline download (离线下载): the cloud fetches an http(s) URL into the drive.
#[derive(Clone, Debug)]
pub struct OfflineDownload {
    client: Client,
}

impl OfflineDownload {
    /// Creates a download and gives its task. Keep the id: the service has no list of tasks.
    ///
    /// # Errors
    ///
    /// [`Error`] if it fails. [`Error::Ambiguous`] means that the task may exist.
    pub fn download(
        &self,
        download: &Download,
    ) -> impl Future<Output = Result<TaskId, Error>> + Send + use<> {
        let created = self.client.send(download);
        async move { created.await.map(|CreatedDownload { task, .. }| task) }
    }

    /// How far a task is.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    #[doc(alias = "download_process")]
    pub fn progress(
        &self,
        task: TaskId,
    ) -> impl Future<Output = Result<Progress, Error>> + Send + use<> {
        self.client.send(&GetDownloadProgress::new(task))
    }

    /// Follows a task to its end, event by event.
    pub fn watch(&self, task: TaskId) -> Watch {
        self.watch_with(task, WatchPolicy::default())
    }

    /// The same, at a pace and with limits of yours.
    pub fn watch_with(&self, task: TaskId, policy: WatchPolicy) -> Watch {
        let watch = self.client.session.watch(task, policy);
        Watch::new(watch, self.client.context())
    }

    /// Follows a task to its end.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub fn wait(
        &self,
        task: TaskId,
    ) -> impl Future<Output = Result<Downloaded, WatchError>> + Send + use<> {
        self.watch(task).to_end()
    }

    /// Follows a task to its end, and looks for its file then: that a task succeeded and that the file is there are two things.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up. That the file is not found is none: see [`Downloaded::file`].
    pub fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> impl Future<Output = Result<Downloaded, WatchError>> + Send + use<> {
        self.watch(task).to_file(target)
    }

    /// Looks for the file of a download that ended before.
    ///
    /// # Errors
    ///
    /// [`Error`] if a call fails.
    pub fn find_file(
        &self,
        target: ExpectedFile,
    ) -> impl Future<Output = Result<FileLookup, Error>> + Send + use<> {
        self.client.run(Ok(self.client.session.find_file(target)))
    }
}

/// Settings of a [`Client`].
#[must_use]
pub struct ClientBuilder {
    session: SessionBuilder,
    transport: Carrier,
    clock: Arc<dyn Clock>,
    store: Option<Arc<dyn TokenStore>>,
}

enum Carrier {
    Builder(Box<reqwest::ClientBuilder>),
    Ready(Arc<dyn Transport>),
}

impl Default for ClientBuilder {
    fn default() -> ClientBuilder {
        ClientBuilder {
            session: Session::builder().seed(fastrand::u64(..)),
            transport: Carrier::Builder(Box::new(reqwest_builder())),
            clock: Arc::new(SystemClock),
            store: None,
        }
    }
}

/// With rustls, if it is there: another crate of the same program may bring reqwest's other backend along.
fn reqwest_builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    let builder = builder.tls_backend_rustls();
    builder
}

pan123_proto::forward_session_options!(ClientBuilder);

impl ClientBuilder {
    /// Makes the reqwest client from this builder; redirects, retries and the connect timeout are set over it.
    /// No proxy is used while the base URL is plain `http://` to this machine.
    pub fn with_client_builder(mut self, builder: reqwest::ClientBuilder) -> ClientBuilder {
        self.transport = Carrier::Builder(Box::new(builder));
        self
    }

    /// Uses this reqwest client. What it needs: [`ReqwestTransport::from_client`].
    pub fn with_client(self, client: reqwest::Client) -> ClientBuilder {
        self.transport(ReqwestTransport::from_client(client))
    }

    /// Carries requests over something else than reqwest.
    pub fn transport(mut self, transport: impl Transport) -> ClientBuilder {
        self.transport = Carrier::Ready(Arc::new(transport));
        self
    }

    /// Keeps the token there between runs, and looks there before a new one is fetched: `pan123-store` has a file for it.
    /// It needs credentials or OAuth, and OAuth needs it.
    pub fn token_store(mut self, store: impl TokenStore) -> ClientBuilder {
        self.session = self.session.persist_token(true);
        self.store = Some(Arc::new(store));
        self
    }

    /// Takes the time from elsewhere.
    pub fn clock(mut self, clock: impl Clock) -> ClientBuilder {
        self.clock = Arc::new(clock);
        self
    }

    /// The client, with nothing sent yet.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if there are no credentials or several kinds of them, if OAuth has no token store, if a setting is out of its
    /// range, or if reqwest cannot be set up.
    pub fn build(self) -> Result<Client, BuildError> {
        let session = self.session.build()?;
        let transport = match self.transport {
            Carrier::Ready(transport) => transport,
            Carrier::Builder(builder) => {
                let builder = if session.is_loopback_only() {
                    builder.no_proxy()
                } else {
                    *builder
                };
                let timeout = session.connect_timeout();
                Arc::new(ReqwestTransport::from_builder(builder, timeout)?)
            }
        };
        Ok(Client {
            context: Context {
                transport,
                clock: self.clock,
                keeper: Keeper::new(self.store, session.account()),
            },
            session,
        })
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
