//! Secrets that cannot be mistaken for anything else, and a check that a text holds none.

use std::error::Error;
use std::fmt::{Debug, Write};

use pan123_proto::offline::Download;

pub(crate) const CLIENT_SECRET: &str = "canary-client-secret-4711";
pub(crate) const ISSUED: &str = "canary.issued-token_4711";
pub(crate) const GIVEN: &str = "canary.given-token_4711";
/// A key that signs callback URLs.
pub(crate) const SIGNING_KEY: &str = "canary-signing-key-of-32-bytes-4711";
/// A source URL with user, password, a token in its path, signature and fragment.
pub(crate) const SOURCE: &str = "https://canary-user:canary-word@files.example/bot7:canary-bot/f.mp4?sig=canary%2Fsig%3D#canary-part";
pub(crate) const CALLBACK: &str = "https://bot.example/cb?job=7&key=canary%2Bkey";

pub(crate) fn download() -> Download {
    let download = Download::new(SOURCE).expect("a URL");
    download.callback(CALLBACK).expect("a URL")
}

/// A value in both of its `Debug` forms.
pub(crate) fn debugged(value: &impl Debug) -> String {
    format!("{value:?}\n{value:#?}")
}

/// All texts of an error and of its sources.
pub(crate) fn error_texts(error: &(impl Error + 'static)) -> String {
    let mut text = String::new();
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        writeln!(text, "{error:?}\n{error:#?}\n{error}").expect("a string takes it");
        cause = error.source();
    }
    text
}

/// Fails if a canary is in the text, as it is or encoded.
#[track_caller]
pub(crate) fn assert_hidden(text: &str, what: &str) {
    let lower = text.to_lowercase();
    // In base64 it contains one of these, whatever precedes it.
    let base64 = ["y2fuyxj5", "nhbmfyes", "jyw5hcn"];
    let bytes = "99, 97, 110, 97, 114, 121";
    let hex = ["63616e617279", "6361 6e61 7279", "63 61 6e 61 72 79"];
    for sign in ["canary", bytes].iter().chain(&hex).chain(&base64) {
        assert!(!lower.contains(sign), "{sign} in {what}: {text}");
    }
}
