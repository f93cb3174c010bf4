//! What could not be built. Nothing was sent.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why a value or a request could not be built. Nothing was sent.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An invalid URL.
    #[error("the {what} {fault}")]
    #[non_exhaustive]
    Url {
        /// Which one: "download URL", "callback URL" or "base URL".
        what: &'static str,
        /// What is wrong with it.
        fault: UrlFault,
    },
    /// A file name that the service would reject.
    #[error("the file name {0}")]
    FileName(FileNameFault),
    /// The root directory as the target of an offline download.
    #[error(
        "directory 0 is the root, which offline download does not support: give the id of a folder, or none to save to \
         `来自:离线下载`"
    )]
    RootDirectory,
    /// The root of the image bed as the target of an offline download.
    #[error(
        "an empty id is the root of the image bed, which its offline download does not support: give the id of a folder, \
         or none to save to `来自:离线下载`"
    )]
    ImageBedRoot,
    /// An invalid id.
    #[error(
        "`{given}` is not a valid {what}: it must be a whole number from 1 to 18446744073709551615"
    )]
    #[non_exhaustive]
    Id {
        /// Which kind of id.
        what: &'static str,
        /// What was given.
        given: String,
    },
    /// A session without credentials, or with several kinds of them.
    #[error(
        "give a client id with its secret, an access token, or the OAuth settings of an app: {0}"
    )]
    Credentials(CredentialsFault),
    /// A value that an HTTP header cannot hold.
    #[error(
        "the {what} cannot be sent in an HTTP header: it must consist of printable ASCII characters"
    )]
    #[non_exhaustive]
    Header {
        /// Which value. The value itself may be a secret and is not shown.
        what: &'static str,
    },
    /// An invalid path of the drive.
    #[error("the path {given:?} {fault}")]
    #[non_exhaustive]
    Path {
        /// What was given.
        given: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// More or fewer ids, names or entries than the service accepts in one request.
    #[error("{given} {what} were given: the service accepts {min} to {max} in one request")]
    #[non_exhaustive]
    Count {
        /// Of what.
        what: &'static str,
        /// How many were given.
        given: usize,
        /// The minimum.
        min: usize,
        /// The maximum.
        max: usize,
    },
    /// A setting out of its range.
    #[error("{what} is {given}: {allowed}")]
    #[non_exhaustive]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What was given.
        given: String,
        /// What it may be.
        allowed: &'static str,
    },
    /// A request body without a JSON form.
    #[error("the request body could not be encoded as JSON: {0}")]
    Body(#[source] Arc<serde_json::Error>),
    /// The HTTP client of an adapter could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[source] Arc<dyn std::error::Error + Send + Sync>),
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFault {
    /// It has another scheme, or none.
    Scheme(Option<String>),
    /// It has no host.
    NoHost,
    /// It has a control character at this position, counted in characters from 0.
    Control(usize),
    /// It starts or ends with whitespace.
    Whitespace,
    /// It has a parameter that the callback signer adds.
    Reserved(&'static str),
    /// The base URL has a user, a query or a fragment, or is not a URI.
    NotABaseUrl,
    /// The base URL is plain `http://` to another machine: the credentials could be read on the way.
    PlainHttp,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlFault::Scheme(Some(scheme)) => write!(
                f,
                "has the scheme `{scheme}:`, but the service accepts `http://` and `https://` only \
                 (no magnet, ed2k, ftp or thunder links)"
            ),
            UrlFault::Scheme(None) => f.write_str(
                "must start with `http://` or `https://` (no magnet, ed2k, ftp or thunder links)",
            ),
            UrlFault::NoHost => {
                f.write_str("has no host: it must look like `https://host/path`")
            }
            UrlFault::Control(at) => write!(
                f,
                "has a control character at position {at}: remove it or percent-encode it"
            ),
            UrlFault::Whitespace => f.write_str("starts or ends with whitespace: remove it"),
            UrlFault::Reserved(name) => write!(
                f,
                "already has the parameter `{name}`, which the signer adds: remove it"
            ),
            UrlFault::NotABaseUrl => f.write_str(
                "must look like `https://host`, `https://host:port` or `https://host/prefix`, without user, query or fragment",
            ),
            UrlFault::PlainHttp => f.write_str(
                "is plain `http://` to another machine, where the credentials could be read on the way: use `https://`; \
                 plain `http://` is for `localhost`, `127.0.0.1` (or any other 127.x.x.x) and `[::1]`, and for anything else \
                 only if the builder says `allow_credentials_over_plain_http(true)`",
            ),
        }
    }
}

/// What is wrong with a file name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileNameFault {
    /// It is empty.
    Empty,
    /// It has more than 255 characters (Unicode scalar values): this many.
    TooLong(usize),
    /// It has a control character, or one of the characters that the service rejects.
    Forbidden(char),
    /// It does not end in an image format, which the image bed requires.
    NotAnImage,
}

impl fmt::Display for FileNameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileNameFault::Empty => f.write_str("is empty: give 1 to 255 characters, or no name"),
            FileNameFault::TooLong(length) => {
                write!(f, "has {length} characters: at most 255 are allowed")
            }
            FileNameFault::Forbidden(character) => write!(
                f,
                "contains {character:?}: none of \" \\ / : * ? | > < and no control character is allowed"
            ),
            FileNameFault::NotAnImage => f.write_str(
                "does not end in an image format: the image bed accepts png, gif, jpeg, tiff, webp, jpg, tif, svg and bmp",
            ),
        }
    }
}

/// What is wrong with a path of the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathFault {
    /// It names the root.
    Root,
    /// It contains `.` or `..`, which mean nothing on the drive.
    Relative,
    /// A folder of it does not exist and cannot be created: the service would reject its name. No other folder was created, either.
    #[non_exhaustive]
    Missing {
        /// The name of the folder.
        name: String,
        /// What is wrong with the name.
        fault: FileNameFault,
    },
    /// It starts with the service's own folder, `来自:离线下载`, which does not exist, and which only the service can create.
    NoDefaultDir,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathFault::Root => {
                f.write_str("names the root, which always exists and has no id: name something below it")
            }
            PathFault::Relative => f.write_str(
                "contains `.` or `..`, which mean nothing on the drive: write the path out from the root",
            ),
            PathFault::Missing { name, fault } => write!(
                f,
                "cannot be created: its folder {name:?} does not exist, and the name {fault}"
            ),
            PathFault::NoDefaultDir => f.write_str(
                "cannot be created: its folder `来自:离线下载` does not exist yet, and the service creates it itself, with the first \
                 download that is given no folder",
            ),
        }
    }
}

/// What is wrong with the credentials of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsFault {
    /// None were given.
    Missing,
    /// Several kinds were given.
    Conflicting,
    /// One of them is empty.
    Empty,
}

impl fmt::Display for CredentialsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialsFault::Missing => "none of them was given",
            CredentialsFault::Conflicting => "several were given, and only one is allowed",
            CredentialsFault::Empty => "the one given is empty",
        })
    }
}
