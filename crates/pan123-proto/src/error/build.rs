//! What could not be built: said before anything is sent.

use std::fmt;

use thiserror::Error;

/// Why a value or a request could not be built. Nothing was sent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A URL that the service cannot use.
    #[error("the {what} {fault}")]
    #[non_exhaustive]
    Url {
        /// Which one: "download URL", "callback URL" or "base URL".
        what: &'static str,
        /// What is wrong with it.
        fault: UrlFault,
    },
    /// A file name that the service refuses.
    #[error("the file name {0}")]
    FileName(FileNameFault),
    /// The root directory as the target of an offline download.
    #[error(
        "directory 0 is the root, which offline download does not support: give the id of a folder, or no directory at all \
         to land in `来自:离线下载`"
    )]
    RootDirectory,
    /// The root of the image bed as the target of an offline download.
    #[error(
        "an empty id is the root of the image bed, which its offline download does not support: give the id of a folder, \
         or none at all to land in `来自:离线下载`"
    )]
    ImageBedRoot,
    /// An id that no object of the service has.
    #[error("`{given}` is no {what}: an id is a whole number from 1 to 18446744073709551615")]
    #[non_exhaustive]
    Id {
        /// Which kind of id.
        what: &'static str,
        /// What was given.
        given: String,
    },
    /// A session without a way to prove who it is, or with several.
    #[error(
        "give a client id with its secret, an access token, or the OAuth settings of an app: {0}"
    )]
    Credentials(CredentialsFault),
    /// A value that cannot stand in an HTTP header.
    #[error("the {what} cannot stand in an HTTP header: printable ASCII characters only")]
    #[non_exhaustive]
    Header {
        /// Which value. The value itself may be a secret and is not shown.
        what: &'static str,
    },
    /// A path of the drive that names nothing there.
    #[error("the path {given:?} {fault}")]
    #[non_exhaustive]
    Path {
        /// What was given.
        given: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// More or fewer ids, names or entries than the service takes at once.
    #[error("{given} {what}: the service takes {least} to {most} in one request")]
    #[non_exhaustive]
    Count {
        /// Of what.
        what: &'static str,
        /// How many were given.
        given: usize,
        /// The fewest.
        least: usize,
        /// The most.
        most: usize,
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
    /// A request body that did not become JSON.
    #[error("the request body could not be written as JSON: {0}")]
    Body(#[source] serde_json::Error),
    /// The HTTP client under an adapter could not be made.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFault {
    /// It begins with another scheme, or with none.
    Scheme(Option<String>),
    /// No host stands after the scheme.
    NoHost,
    /// A control character, with its place counted in characters from 0.
    Control(usize),
    /// White space at the beginning or the end.
    Whitespace,
    /// A parameter that a callback's signer adds.
    Reserved(&'static str),
    /// A base URL with a user, a query or a fragment, or one that is no URI at all.
    NotABaseUrl,
    /// A base URL of plain `http://` to another machine: the credentials could be read on the way.
    PlainHttp,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UrlFault::Scheme(Some(scheme)) => write!(
                f,
                "begins with `{scheme}:`, but the service takes `http://` and `https://` only \
                 (no magnet, ed2k, ftp or thunder links)"
            ),
            UrlFault::Scheme(None) => f.write_str(
                "must begin with `http://` or `https://` (no magnet, ed2k, ftp or thunder links)",
            ),
            UrlFault::NoHost => {
                f.write_str("names no host: it must look like `https://host/path`")
            }
            UrlFault::Control(at) => write!(
                f,
                "has a control character at position {at}: leave it out or percent-encode it"
            ),
            UrlFault::Whitespace => f.write_str("begins or ends with white space: leave that out"),
            UrlFault::Reserved(name) => write!(
                f,
                "has the parameter `{name}` already: the signer adds it, so leave it out"
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
    /// Nothing in it.
    Empty,
    /// More than 255 characters (Unicode scalar values); how many there were.
    TooLong(usize),
    /// One of the characters that the service refuses, or a control character.
    Forbidden(char),
    /// For the image bed: another ending than those of pictures.
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
                "ends in no format of a picture: the image bed takes png, gif, jpeg, tiff, webp, jpg, tif, svg and bmp",
            ),
        }
    }
}

/// What is wrong with a path of the drive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathFault {
    /// No name in it: it is the root.
    Root,
    /// `.` or `..`, which name nothing on the drive.
    Relative,
    /// A folder that the service would refuse to make.
    Name(FileNameFault),
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathFault::Root => {
                f.write_str("names the root, which is always there and has no id: name something below it")
            }
            PathFault::Relative => f.write_str(
                "has `.` or `..` in it, which name nothing on the drive: write the path out from the root",
            ),
            PathFault::Name(fault) => write!(f, "cannot be made: one of its names {fault}"),
        }
    }
}

/// What is wrong with what a session was given to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsFault {
    /// None of them was given.
    Missing,
    /// Several were given.
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
