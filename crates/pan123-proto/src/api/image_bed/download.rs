//! `POST /api/v1/oss/offline/download`: creates an offline download into the image bed.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/ctigc3a08lqzsfnq>. Not idempotent: a second request
//! creates a second task, and the service can neither list nor cancel tasks.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::{BuildError, FileNameFault};
use crate::ids::{ImageBedDirId, ImageBedTaskId};
use crate::wire::file_name::check_file_name;
use crate::wire::http_url::{RedactedUrl, check_http_url};
use crate::wire::json::{self, Names, Unreadable};

/// The key of the id of the new task.
const TASK: Names = &["taskID", "taskId"];

/// The extensions that the name of an image may have.
const IMAGE_EXTENSIONS: [&str; 9] = [
    "png", "gif", "jpeg", "tiff", "webp", "jpg", "tif", "svg", "bmp",
];

/// Creates an offline download into the image bed. The service accepts images of at most 100 MB, and overwrites an existing one
/// of the same content and size.
///
/// The URL is sent byte for byte as given. With serde it needs a self-describing format such as JSON; deserializing checks it
/// again.
///
/// ```
/// use pan123_proto::{ImageBedDirId, image_bed::ImageBedDownload};
///
/// let download = ImageBedDownload::new("https://example.com/a")?
///     .file_name("a.png")?
///     .save_to(ImageBedDirId::new("yk6baz03t0l000d7w33fbyt8704m2bohDIYPAIDOBIY0DcxvDwFO")?);
///
/// let error = download.file_name("a.mp4").unwrap_err();
/// assert!(error.to_string().contains("png, gif, jpeg"));
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[doc(alias = "图床")]
#[doc(alias = "离线下载")]
pub struct ImageBedDownload {
    url: String,
    r#type: ImageBedType,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(rename = "businessDirID", skip_serializing_if = "Option::is_none")]
    dir: Option<ImageBedDirId>,
    #[serde(rename = "callBackUrl", skip_serializing_if = "Option::is_none")]
    callback: Option<String>,
}

/// The type of an image bed: the service knows one only.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ImageBedType;

impl Serialize for ImageBedType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl ImageBedDownload {
    /// Creates the request for an `http://` or `https://` URL. By default the image is saved to the folder `来自:离线下载` of the
    /// image bed, under a name that the service chooses.
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`] for another scheme, for a host or a port that cannot be one, for an invisible character, and for
    /// anything that is more than one URL. Spaces, brackets and characters beyond ASCII are sent as they are.
    pub fn new(url: impl Into<String>) -> Result<ImageBedDownload, BuildError> {
        let url = url.into();
        check_http_url("download URL", &url)?;
        Ok(ImageBedDownload {
            url,
            r#type: ImageBedType,
            file_name: None,
            dir: None,
            callback: None,
        })
    }

    /// Sets the name of the image in the image bed (`fileName`). It must end in png, gif, jpeg, tiff, webp, jpg, tif, svg or bmp.
    ///
    /// # Errors
    ///
    /// [`BuildError::FileName`] if it has another ending, is blank, `.`, `..` or longer than 255 characters, or contains an
    /// invisible character or one of `"\/:*?|><`.
    pub fn file_name(mut self, name: impl Into<String>) -> Result<ImageBedDownload, BuildError> {
        let name = name.into();
        check_image_name(&name).map_err(BuildError::FileName)?;
        self.file_name = Some(name);
        Ok(self)
    }

    /// Sets the folder of the image bed to save the image to (`businessDirID`).
    #[doc(alias = "save_path")]
    pub fn save_to(mut self, dir: ImageBedDirId) -> ImageBedDownload {
        self.dir = Some(dir);
        self
    }

    /// Sets the URL that the service posts a [`CallbackNotice`](crate::offline::CallbackNotice) to when the task ends
    /// (`callBackUrl`).
    ///
    /// The notice is not signed and names no task: put something unguessable into the URL that identifies the task.
    ///
    /// # Errors
    ///
    /// [`BuildError::Url`] as for [`ImageBedDownload::new`].
    #[doc(alias = "call_back_url")]
    #[doc(alias = "回调")]
    pub fn callback(mut self, url: impl Into<String>) -> Result<ImageBedDownload, BuildError> {
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
    pub fn dir(&self) -> Option<&ImageBedDirId> {
        self.dir.as_ref()
    }

    /// Returns the callback URL, if any.
    pub fn callback_url(&self) -> Option<&str> {
        self.callback.as_deref()
    }
}

fn check_image_name(name: &str) -> Result<(), FileNameFault> {
    check_file_name(name)?;
    let is_image = name.rsplit_once('.').is_some_and(|(_, extension)| {
        IMAGE_EXTENSIONS
            .iter()
            .any(|allowed| extension.eq_ignore_ascii_case(allowed))
    });
    is_image.then_some(()).ok_or(FileNameFault::NotAnImage)
}

impl Endpoint for ImageBedDownload {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/oss/offline/download";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("oss/offline/download", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::NonIdempotent;
    const SECRET_FIELDS: &'static [&'static str] = &["url", "callBackUrl"];
    const AMBIGUOUS_ADVICE: &'static str =
        "the task may exist, and the service can neither list nor cancel offline downloads";
    const CREATED_ID: Names = TASK;
    type Response = CreatedImageBedDownload;

    fn created_id(response: &CreatedImageBedDownload) -> Option<String> {
        Some(response.task.to_string())
    }

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// Shows scheme, host and port of the URLs only: the rest may hold keys.
impl fmt::Debug for ImageBedDownload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageBedDownload")
            .field("url", &RedactedUrl(&self.url))
            .field("file_name", &self.file_name)
            .field("dir", &self.dir)
            .field("callback", &self.callback.as_deref().map(RedactedUrl))
            .finish_non_exhaustive()
    }
}

/// The response to an [`ImageBedDownload`]: the task was accepted, and may still fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedImageBedDownload {
    /// The id of the new task.
    pub task: ImageBedTaskId,
}

impl<'de> Deserialize<'de> for CreatedImageBedDownload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [task] = json.fields([TASK])?;
            Ok::<_, Unreadable>(CreatedImageBedDownload {
                task: task.essential(ImageBedTaskId::read)?,
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
    #[serde(rename = "businessDirID")]
    dir: Option<ImageBedDirId>,
    #[serde(rename = "callBackUrl")]
    callback: Option<String>,
}

impl<'de> Deserialize<'de> for ImageBedDownload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire: Wire = json::deserialize_object(deserializer)?;
        wire.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<Wire> for ImageBedDownload {
    type Error = BuildError;

    fn try_from(wire: Wire) -> Result<ImageBedDownload, BuildError> {
        let mut download = ImageBedDownload::new(wire.url)?;
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

    fn download() -> ImageBedDownload {
        ImageBedDownload::new("https://example.com/a").unwrap()
    }

    #[test]
    fn name_must_end_in_an_image_format() {
        for format in IMAGE_EXTENSIONS {
            for extension in [format.to_owned(), format.to_uppercase()] {
                let name = format!("图 1.{extension}");
                let named = download().file_name(&name).unwrap();
                assert_eq!(named.name(), Some(&*name));
            }
        }
        for name in [
            "a",
            "png",
            "a.mp4",
            "a.png.zip",
            "a.png.",
            "a.apng",
            "a.png ",
        ] {
            let error = download().file_name(name).unwrap_err().to_string();
            assert_eq!(
                error,
                "the file name does not end in an image format: the image bed accepts png, gif, jpeg, tiff, webp, jpg, tif, svg and bmp",
                "{name}"
            );
        }
        let error = download().file_name("a/b.png").unwrap_err().to_string();
        assert!(error.contains("contains '/'"), "{error}");
        let error = download().file_name("").unwrap_err().to_string();
        assert!(error.contains("is empty"), "{error}");
    }

    #[test]
    fn both_urls_are_checked() {
        let error = ImageBedDownload::new("ftp://a/b.png").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the download URL has the scheme")
        );
        let error = download().callback("/relative").unwrap_err().to_string();
        assert!(
            error.starts_with("the callback URL must start with"),
            "{error}"
        );
    }

    #[test]
    fn deserializing_checks_again() {
        let full = download()
            .file_name("a.png")
            .unwrap()
            .save_to(ImageBedDirId::new("yk6baz03t0l").unwrap())
            .callback("https://b/?k=1")
            .unwrap();
        for download in [full, download()] {
            let json = serde_json::to_string(&download).unwrap();
            let back: ImageBedDownload = serde_json::from_str(&json).unwrap();
            assert_eq!(back, download);
        }
        for json in [
            r#"{"url":"ftp://a/"}"#,
            r#"{"url":"https://a/","fileName":"a.mp4"}"#,
            r#"{"url":"https://a/","businessDirID":""}"#,
            r#"{"url":"https://a/","callBackUrl":"b"}"#,
        ] {
            serde_json::from_str::<ImageBedDownload>(json).unwrap_err();
        }
    }

    #[test]
    fn paths_and_queries_are_not_printed() {
        let download = ImageBedDownload::new("https://h/canary?sig=canary")
            .unwrap()
            .callback("https://b/?k=canary")
            .unwrap();
        let shown = format!("{download:?}");
        assert!(
            shown.contains("https://h/…") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
