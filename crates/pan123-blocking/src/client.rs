//! The client.

use std::fmt;

use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{Endpoint, Error, Machine, Session};
use serde::de::DeserializeOwned;

use crate::builder::ClientBuilder;
use crate::drive::Context;
use crate::files::Files;
use crate::image_bed::ImageBed;
use crate::offline::OfflineDownload;

/// A client of one account. Clones share the token, the rate limits and the connections.
///
/// ```no_run
/// use pan123_blocking::{Client, Download};
///
/// fn save(url: &str) -> Result<(), Box<dyn std::error::Error>> {
///     let client = Client::builder().credentials("client id", "client secret").build()?;
///     println!("account {}", client.user_info()?.uid);
///
///     let dir = client.files().ensure_dir("/videos")?;
///     let download = Download::new(url)?.save_to(dir);
///     let offline = client.offline_download();
///     let task = offline.download(&download)?;
///     offline.wait(task)?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Client {
    session: Session,
    context: Context,
}

impl Client {
    pub(crate) fn new(session: Session, context: Context) -> Client {
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
    pub fn user_info(&self) -> Result<UserInfo, Error> {
        self.send(&GetUserInfo)
    }

    /// Exchanges the code of an OAuth user for the first token pair and stores the pair: see [`Session::authorize`]. The redirect
    /// URI is that of the page which the user came from.
    ///
    /// # Errors
    ///
    /// [`Error`] if the client has no OAuth, if the service rejects the code, or if the pair is lost.
    pub fn authorize(&self, code: &str, redirect_uri: &str) -> Result<(), Error> {
        self.drive(self.session.authorize(code, redirect_uri)?)
    }

    /// Calls an endpoint, which may be the caller's own.
    ///
    /// # Errors
    ///
    /// [`Error`] if the request cannot be built or the call fails.
    pub fn send<E: Endpoint>(&self, endpoint: &E) -> Result<E::Response, Error> {
        self.drive(self.session.call(endpoint)?)
    }

    /// Calls an endpoint and reads the `data` of its response as another type than [`Endpoint::Response`].
    ///
    /// # Errors
    ///
    /// [`Error`] if the request cannot be built or the call fails.
    pub fn send_as<T: DeserializeOwned + Send + 'static, E: Endpoint>(
        &self,
        endpoint: &E,
    ) -> Result<T, Error> {
        self.drive(self.session.call_as(endpoint)?)
    }

    /// Drives a machine of the core until its end or its next item.
    pub fn drive<M: Machine>(&self, machine: M) -> M::Output {
        self.context.drive(machine)
    }

    /// Returns the core's session under this client.
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn context(&self) -> Context {
        self.context.clone()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
