//! Presets and assertions on a running mock.

use crate::MockPan123;
use crate::service::{ListEnd, Service, TokenPair, enforce};

impl MockPan123 {
    /// Makes new tasks succeed at poll number `polls`, counted from 1.
    ///
    /// ```
    /// # use pan123_blocking::{Client, Download, Error};
    /// # use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
    /// # fn main() -> Result<(), Error> {
    /// let mock = MockPan123::start_blocking();
    /// mock.tasks_succeed_after(2);
    ///
    /// let client = Client::builder()
    ///     .credentials(CLIENT_ID, CLIENT_SECRET)
    ///     .base_url(mock.base_url())
    ///     .build()?;
    /// let offline = client.offline_download();
    /// let task = offline.download(&Download::new("https://example.com/a.mp4")?)?;
    /// assert_eq!(offline.progress(task)?.percent, Some(0.0));
    /// assert_eq!(offline.progress(task)?.percent, Some(100.0));
    /// mock.assert_created_once("https://example.com/a.mp4");
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks_succeed_after(&self, polls: u32) {
        self.service(|service| service.tasks_succeed_after(polls));
    }

    /// Makes new tasks fail at their first poll. Only the callback contains the reason.
    ///
    /// ```
    /// # use pan123_blocking::{Client, Download, Error, WatchError};
    /// # use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
    /// # fn main() -> Result<(), Error> {
    /// let mock = MockPan123::start_blocking();
    /// mock.tasks_fail_with("源站不可用");
    ///
    /// # let client = Client::builder()
    /// #     .credentials(CLIENT_ID, CLIENT_SECRET)
    /// #     .base_url(mock.base_url())
    /// #     .build()?;
    /// # let offline = client.offline_download();
    /// let task = offline.download(&Download::new("https://example.com/a.mp4")?)?;
    /// assert!(matches!(offline.wait(task), Err(WatchError::DownloadFailed { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks_fail_with(&self, reason: impl Into<String>) {
        self.service(|service| service.tasks_fail_with(reason));
    }

    /// Revokes all live tokens, as another process with the same client id would. The next request with one of them gets code 401 and
    /// `tokens number has exceeded the limit`.
    ///
    /// ```
    /// # use pan123_blocking::{Client, Error};
    /// # use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123};
    /// # fn main() -> Result<(), Error> {
    /// let mock = MockPan123::start_blocking();
    /// # let client = Client::builder()
    /// #     .credentials(CLIENT_ID, CLIENT_SECRET)
    /// #     .base_url(mock.base_url())
    /// #     .build()?;
    /// client.user_info()?;
    /// mock.revoke_tokens();
    /// client.user_info()?; // fetches a new token
    /// mock.assert_tokens_issued(2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn revoke_tokens(&self) {
        let now = self.now();
        self.service(|service| service.revoke_tokens(now));
    }

    /// Rejects this many of the next requests with code 429, whatever their path.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use pan123_blocking::{Client, Error};
    /// # use pan123_mock::{CLIENT_ID, CLIENT_SECRET, MockPan123, path};
    /// # fn main() -> Result<(), Error> {
    /// let mock = MockPan123::start_blocking();
    /// let client = Client::builder()
    ///     .credentials(CLIENT_ID, CLIENT_SECRET)
    ///     .base_url(mock.base_url())
    ///     .call_timeout(Duration::from_secs(1)) // too short to wait for the next try
    ///     .build()?;
    /// client.user_info()?;
    /// mock.rate_limit_next(1);
    /// let refused = client.user_info().unwrap_err();
    /// assert!(refused.retry_after().is_some());
    /// mock.assert_requests(path::USER_INFO, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rate_limit_next(&self, requests: usize) {
        self.service(|service| service.rate_limit_next(requests));
    }

    /// Authorizes the app, as a user does on the service's web page, and returns the `code` that comes with the redirect to this URI. The
    /// code can be exchanged for one token pair within ten minutes.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// let code = mock.authorize("https://example.com/back");
    /// // Your client exchanges it for a token pair, with the same redirect.
    /// assert_eq!(code.len(), 32);
    /// mock.assert_oauth_refreshes(0);
    /// ```
    pub fn authorize(&self, redirect_uri: impl Into<String>) -> String {
        let now = self.now();
        self.service(|service| service.authorize(now, redirect_uri))
    }

    /// Returns the token pair of an app that was just authorized.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// let pair = mock.oauth_pair();
    /// mock.advance(Duration::from_secs(7200)); // the access token has expired and can be refreshed
    /// ```
    pub fn oauth_pair(&self) -> TokenPair {
        let now = self.now();
        self.service(|service| service.oauth_pair(now))
    }

    /// Makes the next asynchronous copy fail and copy nothing.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// mock.next_copy_fails();
    /// ```
    pub fn next_copy_fails(&self) {
        self.service(Service::next_copy_fails);
    }

    /// Sets how lists mark their last page from now on, if at all.
    ///
    /// ```
    /// use pan123_mock::{ListEnd, MockPan123};
    ///
    /// let mock = MockPan123::start_blocking();
    /// mock.set_list_end(ListEnd::Never);
    /// ```
    pub fn set_list_end(&self, end: ListEnd) {
        self.service(|service| service.set_list_end(end));
    }

    /// Adds this many files to a folder (0 is the root) and returns their ids in ascending order. They are named `1.bin`, `2.bin` and so
    /// on, and have as many bytes as the number in their name.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// let files = mock.add_files(0, 250); // three pages
    /// mock.trash_files(&files[..10]);
    /// ```
    pub fn add_files(&self, parent: u64, files: usize) -> Vec<u64> {
        let now = self.now();
        self.service(|service| service.add_files(now, parent, files))
    }

    /// Moves these files and folders to the trash. Unknown ids are ignored.
    pub fn trash_files(&self, ids: &[u64]) {
        let now = self.now();
        self.service(|service| service.trash_files(now, ids));
    }

    /// Asserts that exactly one offline download of this URL was created.
    ///
    /// # Panics
    ///
    /// If there are none or several. The message lists the requests.
    #[track_caller]
    pub fn assert_created_once(&self, url: &str) {
        self.assert_created(url, 1);
    }

    /// Asserts how many offline downloads of this URL were created.
    ///
    /// # Panics
    ///
    /// If the number differs. The message lists the requests.
    #[track_caller]
    pub fn assert_created(&self, url: &str, times: usize) {
        enforce(self.service(|service| service.check_created(url, times)));
    }

    /// Asserts how many tokens were issued to the developer.
    ///
    /// # Panics
    ///
    /// If the number differs.
    #[track_caller]
    pub fn assert_tokens_issued(&self, times: usize) {
        enforce(self.service(|service| service.check_tokens_issued(times)));
    }

    /// Asserts how many token pairs were refreshed.
    ///
    /// # Panics
    ///
    /// If the number differs.
    #[track_caller]
    pub fn assert_oauth_refreshes(&self, times: usize) {
        enforce(self.service(|service| service.check_refreshes(times)));
    }

    /// Asserts how many requests were sent to this path, whatever their response.
    ///
    /// # Panics
    ///
    /// If the number differs.
    #[track_caller]
    pub fn assert_requests(&self, path: &str, times: usize) {
        enforce(self.service(|service| service.check_requests(path, times)));
    }
}
