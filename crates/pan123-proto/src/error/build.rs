//! What could not be built. Nothing was sent.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why a value or a request could not be built. Nothing was sent.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An invalid URL.
    #[error("the {what} {}", fault.shown(what))]
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
    /// A client id, a secret, a token or a code that cannot be meant as it was given.
    #[error("the {what} {fault}")]
    #[non_exhaustive]
    Credential {
        /// Which one. It may be a secret and is not shown.
        what: &'static str,
        /// What is wrong with it.
        fault: CredentialFault,
    },
    /// A value that an HTTP header cannot hold.
    #[error(
        "the {what} cannot be sent in an HTTP header: it must consist of printable ASCII characters, and the one at position \
         {position} is none"
    )]
    #[non_exhaustive]
    Header {
        /// Which value. The value itself may be a secret and is not shown.
        what: &'static str,
        /// The position of the first character that is not allowed, counted in characters from 0.
        position: usize,
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

/// What is wrong with a URL. Positions are counted in characters from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFault {
    /// It is empty or blank.
    Empty,
    /// It has another scheme, or none. A text before a colon that need not be a scheme may be a secret and is not named.
    Scheme(Option<String>),
    /// It is a host with a port, without a scheme.
    HostWithPort,
    /// It is a path of a Windows computer, such as `C:\\file`.
    WindowsPath,
    /// Something stands before its scheme, which is at this position.
    Prefix(usize),
    /// It has two schemes, as in `http://https://host`.
    RepeatedScheme,
    /// This full-width character at this position stands for one of `http://`.
    FullWidth(char, usize),
    /// A second URL follows at this position.
    SecondUrl(usize),
    /// It has this invisible character at this position.
    Invisible(char, usize),
    /// It starts or ends with white space.
    Whitespace,
    /// It has no host.
    NoHost,
    /// It has white space in its host, or before it, at this position.
    HostWhitespace(usize),
    /// It has this character in its host at this position.
    HostCharacter(char, usize),
    /// Its host has nothing between two dots, or before the first one.
    HostDots,
    /// Its port is not a number from 1 to 65535.
    Port,
    /// It has a bracket without the other, or no IPv6 address between the two.
    Brackets,
    /// It has a parameter that the callback signer adds.
    Reserved(&'static str),
    /// The base URL has a user, a query or a fragment, or is too long for a URI.
    NotABaseUrl,
    /// The base URL has this character at this position, which no URI has as it is.
    BaseCharacter(char, usize),
    /// The base URL contains the path of the API, such as `/api/v1`.
    ApiPath,
    /// The base URL is plain `http://` to another machine: the credentials could be read on the way.
    PlainHttp,
}

/// What the error for a base URL says of it.
pub(crate) const BASE_URL: &str = "base URL";

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.cause(), self.remedy())
    }
}

impl UrlFault {
    /// Returns the text for a URL of this kind: a base URL has neither a path of its own nor anything that may be escaped.
    fn shown(&self, what: &str) -> String {
        let remedy = match self {
            UrlFault::ApiPath | UrlFault::PlainHttp | UrlFault::BaseCharacter(..) => self.remedy(),
            _ if what == BASE_URL => {
                ": it must look like `https://host`, `https://host:port` or `https://host/prefix`, without user, query or fragment"
            }
            _ => self.remedy(),
        };
        format!("{}{remedy}", self.cause())
    }

    fn cause(&self) -> String {
        let code = |character: &char| format!("U+{:04X}", u32::from(*character));
        match self {
            UrlFault::Empty => "is empty".to_owned(),
            UrlFault::Scheme(Some(scheme)) => format!("has the scheme `{scheme}:`"),
            UrlFault::Scheme(None) => "must start with `http://` or `https://`".to_owned(),
            UrlFault::HostWithPort => "is a host with a port, and `https://` is missing".to_owned(),
            UrlFault::WindowsPath => "is a path of a Windows computer".to_owned(),
            UrlFault::Prefix(at) => {
                format!("must start with `http://` or `https://`, which is at position {at}")
            }
            UrlFault::RepeatedScheme => {
                "has a scheme twice, as in `http://https://host`".to_owned()
            }
            UrlFault::FullWidth(character, at) => format!(
                "has the full-width character `{character}` ({}) at position {at}",
                code(character)
            ),
            UrlFault::SecondUrl(at) => format!("is followed by a second one at position {at}"),
            UrlFault::Invisible(character, at) => {
                format!(
                    "has the invisible character {} at position {at}",
                    code(character)
                )
            }
            UrlFault::Whitespace => "starts or ends with white space".to_owned(),
            UrlFault::NoHost => "has no host".to_owned(),
            UrlFault::HostWhitespace(at) => {
                format!("has white space in its host at position {at}")
            }
            UrlFault::HostCharacter(character, at) => {
                format!(
                    "has `{character}` ({}) in its host at position {at}",
                    code(character)
                )
            }
            UrlFault::HostDots => {
                "has nothing between two dots of its host, or before the first one".to_owned()
            }
            UrlFault::Port => "has a port that is not a number from 1 to 65535".to_owned(),
            UrlFault::Brackets => {
                "has brackets in its host without an IPv6 address between the two".to_owned()
            }
            UrlFault::Reserved(name) => format!("already has the parameter `{name}`"),
            UrlFault::NotABaseUrl => "has a user, a query or a fragment, or is too long".to_owned(),
            UrlFault::BaseCharacter(character, at) => {
                format!(
                    "has `{}` ({}) at position {at}",
                    character.escape_debug(),
                    code(character)
                )
            }
            UrlFault::ApiPath => "contains the path of the API, such as `/api/v1`".to_owned(),
            UrlFault::PlainHttp => "is plain `http://` to another machine".to_owned(),
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            UrlFault::Empty | UrlFault::NoHost => ": it must look like `https://host/path`",
            UrlFault::Scheme(Some(scheme)) => match scheme.as_str() {
                "magnet" | "ed2k" | "thunder" | "ftp" => {
                    ", but the service accepts `http://` and `https://` only (no magnet, ed2k, ftp or thunder links)"
                }
                _ => ", but the service accepts `http://` and `https://` only",
            },
            UrlFault::Scheme(None) => "",
            UrlFault::HostWithPort => ": write `https://` or `http://` before it",
            UrlFault::WindowsPath => {
                ", which the service cannot reach: it must be a URL that starts with `http://` or `https://`"
            }
            UrlFault::Prefix(_) => {
                ": remove what stands before it, and the quote or bracket after it, if there is one"
            }
            UrlFault::RepeatedScheme => ": remove the first one",
            UrlFault::FullWidth(..) => ": type `http://` or `https://` in half width",
            UrlFault::SecondUrl(_) => {
                ": give one URL at a time, or percent-encode what stands there if it is only one"
            }
            UrlFault::Invisible(..) => ": remove it, or percent-encode it if it belongs there",
            UrlFault::Whitespace => ": remove it",
            UrlFault::HostWhitespace(_) => ": remove it, or write the missing `/` before the path",
            UrlFault::HostCharacter(..) => {
                ": correct the host, or write the missing `/` before the path"
            }
            UrlFault::HostDots => ": correct the host",
            UrlFault::Port => {
                ": correct it or remove it; an IPv6 address needs brackets, and a `/`, `?` or `#` in a password must be \
                 percent-encoded"
            }
            UrlFault::Brackets => ": it must look like `https://[2001:db8::1]/path`",
            UrlFault::Reserved(_) => ", which the signer adds: remove it",
            UrlFault::NotABaseUrl => {
                ": it must look like `https://host`, `https://host:port` or `https://host/prefix`"
            }
            UrlFault::BaseCharacter(..) => {
                ": write a host in ASCII (an international one as `xn--…`), and percent-encode what belongs into a prefix"
            }
            UrlFault::ApiPath => {
                ", which every request adds itself: end it before that, as in `https://host` or `https://host/prefix`"
            }
            UrlFault::PlainHttp => {
                ", where the credentials could be read on the way: use `https://`; plain `http://` is for `localhost`, \
                 `127.0.0.1` (or any other 127.x.x.x) and `[::1]`, and for anything else only if the builder says \
                 `allow_credentials_over_plain_http(true)`"
            }
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
    /// It shows nothing: it has only white space, invisible characters and fillers.
    Blank,
    /// It is `.` or `..`.
    Dots,
    /// It has this invisible character at this position, counted in characters from 0.
    Invisible(char, usize),
    /// It has one of the characters that the service rejects.
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
            FileNameFault::Blank => f.write_str("shows nothing: give at least one visible character"),
            FileNameFault::Dots => f.write_str(
                "is `.` or `..`, which many systems take for a folder: give another name",
            ),
            FileNameFault::Invisible(character, at) => write!(
                f,
                "has the invisible character U+{:04X} at position {at}: remove it",
                u32::from(*character)
            ),
            FileNameFault::Forbidden(character) => write!(
                f,
                "contains {character:?}: none of \" \\ / : * ? | > < is allowed"
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
}

impl fmt::Display for CredentialsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CredentialsFault::Missing => "none of them was given",
            CredentialsFault::Conflicting => "several were given, and only one is allowed",
        })
    }
}

/// What is wrong with a client id, a secret, a token or a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialFault {
    /// It is empty or blank.
    Empty,
    /// It starts or ends with white space, such as a line feed.
    Whitespace,
    /// It has this invisible character at this position, counted in characters from 0.
    Invisible(char, usize),
    /// It starts or ends with a quotation mark.
    Quoted,
    /// It starts with `Bearer`.
    Bearer,
    /// It is pasted with its name, as in `client_id=…`, or is a JSON object or a URL.
    Labeled,
    /// It is a variable that was not replaced, such as `$CLIENT_SECRET`, or a placeholder such as `<your secret>`.
    Placeholder,
}

impl fmt::Display for CredentialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialFault::Empty => f.write_str("is empty: give the one that the service issued"),
            CredentialFault::Whitespace => {
                f.write_str("starts or ends with white space, such as a line feed: remove it")
            }
            CredentialFault::Invisible(character, at) => write!(
                f,
                "has the invisible character U+{:04X} at position {at}: remove it",
                u32::from(*character)
            ),
            CredentialFault::Quoted => {
                f.write_str("starts or ends with a quotation mark: remove the quotation marks")
            }
            CredentialFault::Bearer => {
                f.write_str("starts with `Bearer`: remove that word, which the request adds")
            }
            CredentialFault::Labeled => f.write_str(
                "is more than the value, such as `name=value`, a JSON object or a URL: give the value alone",
            ),
            CredentialFault::Placeholder => f.write_str(
                "is a variable that was not replaced, or a placeholder: give the value that belongs in its place",
            ),
        }
    }
}
