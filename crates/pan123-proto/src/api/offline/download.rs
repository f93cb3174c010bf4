//! `POST /api/v1/offline/download`: creates an offline download.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/he47hsq2o1xvgado>. Not idempotent: a second request
//! creates a second task, and the service can neither list nor cancel tasks.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::{DirId, TaskId};
use crate::wire::file_name::{check_file_name, propose_file_name};
use crate::wire::http_url::{RedactedUrl, check_http_url};
use crate::wire::json::{self, Names, Unreadable};

/// The key of the id of the new task.
const TASK: Names = &["taskID", "taskId"];

/// Creates an offline download.
///
/// The URL is sent byte for byte as given. With serde it needs a self-describing format such as JSON; deserializing checks it
/// again.
///
/// ```
/// use pan123_proto::{DirId, offline::Download};
///
/// let download = Download::new("https://example.com/video.mp4")?
///     .file_name("my_video.mp4")?
///     .save_to(DirId::new(456)?)
///     .callback("https://bot.example.org/pan123?job=7")?;
///
/// let error = Download::new("magnet:?xt=urn:btih:0").unwrap_err();
/// assert!(error.to_string().contains("`http://` and `https://` only"));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[doc(alias = "离线下载")]
#[doc(alias = "offline_download")]
pub struct Download {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(rename = "dirID", skip_serializing_if = "Option::is_none")]
    dir: Option<DirId>,
    #[serde(rename = "callBackUrl", skip_serializing_if = "Option::is_none")]
    callback: Option<String>,
}

impl Download {
    /// Creates the request for an `http://` or `https://` URL. By default the file is saved to the folder `来自:离线下载`, under a
    /// name that the service chooses.
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`] for another scheme, for a host or a port that cannot be one, for an invisible character, and for
    /// anything that is more than one URL. Spaces, brackets and characters beyond ASCII are sent as they are.
    pub fn new(url: impl Into<String>) -> Result<Download, BuildError> {
        let url = url.into();
        check_http_url("download URL", &url)?;
        Ok(Download {
            url,
            file_name: None,
            dir: None,
            callback: None,
        })
    }

    /// Sets the name of the file in the drive (`fileName`).
    ///
    /// # Errors
    ///
    /// [`BuildError::FileName`] if it is blank, `.`, `..` or longer than 255 characters, or contains an invisible character or one
    /// of `"\/:*?|><`.
    pub fn file_name(mut self, name: impl Into<String>) -> Result<Download, BuildError> {
        let name = name.into();
        check_file_name(&name).map_err(BuildError::FileName)?;
        self.file_name = Some(name);
        Ok(self)
    }

    /// Sets the folder of the drive to save the file to (`dirID`).
    #[doc(alias = "save_path")]
    pub fn save_to(mut self, dir: DirId) -> Download {
        self.dir = Some(dir);
        self
    }

    /// Sets the URL that the service posts a [`CallbackNotice`](crate::offline::CallbackNotice) to when the task ends
    /// (`callBackUrl`).
    ///
    /// The notice is not signed and names no task: put something unguessable into the URL that identifies the task, or have a
    /// `CallbackSigner` do so (feature `callback-signing`).
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`] as for [`Download::new`].
    #[doc(alias = "call_back_url")]
    #[doc(alias = "回调")]
    pub fn callback(mut self, url: impl Into<String>) -> Result<Download, BuildError> {
        let url = url.into();
        check_http_url("callback URL", &url)?;
        self.callback = Some(url);
        Ok(self)
    }

    /// Returns the URL to download.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the requested name, if any.
    pub fn name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// Returns the requested folder, if any.
    pub fn dir(&self) -> Option<DirId> {
        self.dir
    }

    /// Returns the callback URL, if any.
    pub fn callback_url(&self) -> Option<&str> {
        self.callback.as_deref()
    }

    /// Returns a file name made from the last segment of the URL's path: decoded, without invisible characters, without spaces at
    /// either end and dots at the end, with `_` for forbidden characters, and cut to 255 characters before its extension. `None`
    /// if nothing of the segment can be a name. The request does not use it: pass it to [`file_name`](Download::file_name) if it
    /// should.
    ///
    /// ```
    /// use pan123_proto::offline::Download;
    ///
    /// let download = Download::new("https://example.com/a/%E7%94%B5%E5%BD%B1%3F.mp4?sig=x")?;
    /// assert_eq!(download.suggested_file_name().as_deref(), Some("电影_.mp4"));
    /// # Ok::<(), pan123_proto::BuildError>(())
    /// ```
    pub fn suggested_file_name(&self) -> Option<String> {
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        let (_, rest) = self.url[..end].split_once("://")?;
        let (_, segment) = rest.rsplit_once('/')?;
        propose_file_name(segment)
    }
}

impl Endpoint for Download {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/offline/download";
    const RATE: RateClass = RateClass::new("offline/download", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::NonIdempotent;
    const SECRET_FIELDS: &'static [&'static str] = &["url", "callBackUrl"];
    const AMBIGUOUS_ADVICE: &'static str =
        "the task may exist, and the service can neither list nor cancel offline downloads";
    const CREATED_ID: Names = TASK;
    type Response = CreatedDownload;

    fn created_id(response: &CreatedDownload) -> Option<String> {
        Some(response.task.to_string())
    }

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// Shows scheme, host and port of the URLs only: the rest may hold keys.
impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("url", &RedactedUrl(&self.url))
            .field("file_name", &self.file_name)
            .field("dir", &self.dir)
            .field("callback", &self.callback.as_deref().map(RedactedUrl))
            .finish()
    }
}

/// The response to a [`Download`]: the task was accepted, and may still fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedDownload {
    /// The id of the new task.
    pub task: TaskId,
}

impl<'de> Deserialize<'de> for CreatedDownload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [task] = json.fields([TASK])?;
            Ok::<_, Unreadable>(CreatedDownload {
                task: task.essential(TaskId::read)?,
            })
        })
    }
}

/// A deserialized request before it is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    url: String,
    file_name: Option<String>,
    #[serde(rename = "dirID")]
    dir: Option<DirId>,
    #[serde(rename = "callBackUrl")]
    callback: Option<String>,
}

impl<'de> Deserialize<'de> for Download {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire: Wire = json::deserialize_object(deserializer)?;
        wire.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<Wire> for Download {
    type Error = BuildError;

    fn try_from(wire: Wire) -> Result<Download, BuildError> {
        let mut download = Download::new(wire.url)?;
        if let Some(name) = wire.file_name {
            download = download.file_name(name)?;
        }
        if let Some(url) = wire.callback {
            download = download.callback(url)?;
        }
        download.dir = wire.dir;
        Ok(download)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download() -> Download {
        Download::new("https://example.com/a").unwrap()
    }

    #[test]
    fn file_name_is_checked() {
        for character in "\"\\/:*?|><".chars() {
            let error = download().file_name(format!("a{character}b")).unwrap_err();
            assert!(
                error.to_string().contains(&format!("{character:?}")),
                "{error}"
            );
        }
        let error = download().file_name("").unwrap_err().to_string();
        assert_eq!(
            error,
            "the file name is empty: give 1 to 255 characters, or no name"
        );
        let error = download()
            .file_name("影".repeat(256))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "the file name has 256 characters: at most 255 are allowed"
        );
        for name in [
            "影".repeat(255).as_str(),
            "video.mp4",
            "a.zip",
            "测试https离线下载.mp4",
        ] {
            assert_eq!(download().file_name(name).unwrap().name(), Some(name));
        }
    }

    #[test]
    fn callback_url_is_checked() {
        let error = download().callback("/relative").unwrap_err().to_string();
        assert!(
            error.starts_with("the callback URL must start with"),
            "{error}"
        );
    }

    #[test]
    fn deserializing_checks_again() {
        let full = download()
            .file_name("a.mp4")
            .unwrap()
            .save_to(DirId::new(7).unwrap())
            .callback("https://b/?k=1")
            .unwrap();
        let json = serde_json::to_string(&full).unwrap();
        assert_eq!(serde_json::from_str::<Download>(&json).unwrap(), full);
        let root = r#"{"url":"https://a/","dirID":0}"#;
        let error = serde_json::from_str::<Download>(root)
            .unwrap_err()
            .to_string();
        assert!(error.contains("root"), "{error}");
        serde_json::from_str::<Download>(r#"{"url":"ftp://a/"}"#).unwrap_err();
    }

    #[test]
    fn name_is_suggested_from_the_last_segment_only() {
        let suggest = |url: &str| Download::new(url).unwrap().suggested_file_name();
        assert_eq!(suggest("https://h/a/b.mp4#f").as_deref(), Some("b.mp4"));
        assert_eq!(suggest("https://h/a%2Fb").as_deref(), Some("a_b"));
        for url in [
            "https://h",
            "https://h/",
            "https://h/a/",
            "https://h/%FF",
            "https://h?x=/y",
        ] {
            assert_eq!(suggest(url), None, "{url}");
        }
        let long = format!("https://h/{}", "x".repeat(300));
        assert_eq!(suggest(&long).unwrap().chars().count(), 255);
    }

    #[test]
    fn paths_and_queries_are_not_printed() {
        let download = Download::new("https://h/canary?sig=canary")
            .unwrap()
            .callback("https://b/?k=canary");
        let shown = format!("{download:?}");
        assert!(
            shown.contains("https://h/…") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
