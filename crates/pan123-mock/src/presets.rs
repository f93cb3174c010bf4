//! Ready-made scenes and assertions on a mock that runs.

use crate::MockPan123;
use crate::service::{ListEnd, Service, TokenPair, enforce};

impl MockPan123 {
    /// Tasks succeed from now on: the poll number `polls`, counted from 1, is told of it.
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
    /// assert_eq!(offline.progress(task)?.percent, 0.0);
    /// assert_eq!(offline.progress(task)?.percent, 100.0);
    /// mock.assert_created_once("https://example.com/a.mp4");
    /// # Ok(())
    /// # }
    /// ```
    pub fn tasks_succeed_after(&self, polls: u32) {
        self.service(|service| service.tasks_succeed_after(polls));
    }

    /// Tasks fail from now on, as their first poll is told; the reason is in the callback alone.
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

    /// All tokens that live now are pushed out, as by another process with the same client id: the next request with one of them is
    /// answered with code 401 and `tokens number has exceeded the limit`.
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
    /// client.user_info()?; // fetches a token once more, and says nothing of it
    /// mock.assert_tokens_issued(2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn revoke_tokens(&self) {
        let now = self.now();
        self.service(|service| service.revoke_tokens(now));
    }

    /// The next so many requests are answered with code 429, whatever they ask for.
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

    /// Somebody authorises the app, as on the service's web page: gives the `code` that comes back with the redirect to this URI. It is
    /// good for one pair of tokens, for ten minutes.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// let code = mock.authorize("https://example.com/back");
    /// // Give it to your client: it asks for a pair of tokens, with the same redirect.
    /// assert_eq!(code.len(), 32);
    /// mock.assert_oauth_refreshes(0);
    /// ```
    pub fn authorize(&self, redirect_uri: impl Into<String>) -> String {
        let now = self.now();
        self.service(|service| service.authorize(now, redirect_uri))
    }

    /// A pair of tokens as an app has it that was authorised just now.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// let pair = mock.oauth_pair();
    /// mock.advance(Duration::from_secs(7200)); // its access token is expired, and can be refreshed
    /// ```
    pub fn oauth_pair(&self) -> TokenPair {
        let now = self.now();
        self.service(|service| service.oauth_pair(now))
    }

    /// The next copy of several files fails where it would have ended well, and copies nothing.
    ///
    /// ```
    /// let mock = pan123_mock::MockPan123::start_blocking();
    /// mock.next_copy_fails();
    /// ```
    pub fn next_copy_fails(&self) {
        self.service(Service::next_copy_fails);
    }

    /// How lists end from now on: also with 0, or not at all.
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

    /// Puts so many files into a folder, and gives their ids, which rise. 0 is the root. They are called `1.bin`, `2.bin` and so on, and
    /// have as many bytes as their name says.
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

    /// Puts these files and folders into the trash; what is not there is left out.
    pub fn trash_files(&self, ids: &[u64]) {
        let now = self.now();
        self.service(|service| service.trash_files(now, ids));
    }

    /// Passes if exactly one offline download of this URL was created.
    ///
    /// # Panics
    ///
    /// If there are none or several: the message lists what was asked for and what came of it.
    #[track_caller]
    pub fn assert_created_once(&self, url: &str) {
        self.assert_created(url, 1);
    }

    /// Passes if so many offline downloads of this URL were created.
    ///
    /// # Panics
    ///
    /// If there are more or fewer: the message lists what was asked for and what came of it.
    #[track_caller]
    pub fn assert_created(&self, url: &str, times: usize) {
        enforce(self.service(|service| service.check_created(url, times)));
    }

    /// Passes if so many tokens were minted.
    ///
    /// # Panics
    ///
    /// If there were more or fewer.
    #[track_caller]
    pub fn assert_tokens_issued(&self, times: usize) {
        enforce(self.service(|service| service.check_tokens_issued(times)));
    }

    /// Passes if so many pairs of tokens were given out for the refresh token of another.
    ///
    /// # Panics
    ///
    /// If there were more or fewer.
    #[track_caller]
    pub fn assert_oauth_refreshes(&self, times: usize) {
        enforce(self.service(|service| service.check_refreshes(times)));
    }

    /// Passes if so many requests came to this path, whatever became of them.
    ///
    /// # Panics
    ///
    /// If there were more or fewer.
    #[track_caller]
    pub fn assert_requests(&self, path: &str, times: usize) {
        enforce(self.service(|service| service.check_requests(path, times)));
    }
}
