//! What the service posts to the callback URL when a task ends.
//!
//! Described with `callBackUrl` at <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/he47hsq2o1xvgado>.

#[cfg(feature = "callback-signing")]
mod refusal;
#[cfg(feature = "callback-signing")]
mod signer;

use std::fmt;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

#[cfg(feature = "callback-signing")]
pub use refusal::CallbackRefusal;
#[cfg(feature = "callback-signing")]
pub use signer::{CallbackKey, CallbackSigner, VerifiedCallback};

use crate::ids::FileId;
use crate::wire::http_url::RedactedUrl;
use crate::wire::lenient::{Text, Whole};
use crate::wire::redaction::Secrets;

/// The most characters of a reason: strangers may send any.
const MOST_REASON: usize = 1000;

/// A notice that a task ended. It names no task and is not signed: take it as a hint and ask for the progress.
///
/// ```
/// use pan123_proto::offline::{CallbackNotice, CallbackOutcome};
///
/// let body = br#"{"url":"http://dc.com/resource.jpg","status":0,"failReason":"","fileID":100}"#;
/// let notice = CallbackNotice::parse(body)?;
/// assert!(matches!(notice.outcome, CallbackOutcome::Succeeded { file: Some(id), .. } if id.get() == 100));
/// # Ok::<(), pan123_proto::offline::CallbackError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackNotice {
    /// The URL that was to be fetched, if the notice names it.
    pub url: Option<String>,
    /// How the task ended.
    pub outcome: CallbackOutcome,
}

/// How a task ended, as a callback numbers it. Its progress numbers otherwise: [`TaskStatus`](super::TaskStatus).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackOutcome {
    /// 0: the file is in the drive.
    #[non_exhaustive]
    Succeeded {
        /// Its id, if the notice names it.
        file: Option<FileId>,
    },
    /// 1: it failed.
    #[non_exhaustive]
    Failed {
        /// Why, in the service's words, if it says: at most 1000 characters, without the query of the URL.
        reason: Option<String>,
    },
    /// Any other number.
    #[non_exhaustive]
    Other {
        /// The number.
        status: i64,
        /// A file id, if the notice names one.
        file: Option<FileId>,
        /// A reason, if the notice names one.
        reason: Option<String>,
    },
}

impl CallbackOutcome {
    /// Returns the outcome for the `status` of a notice. A file id counts unless the task failed, a reason unless it succeeded.
    pub fn new(status: i64, file: Option<FileId>, reason: Option<String>) -> CallbackOutcome {
        match status {
            0 => CallbackOutcome::Succeeded { file },
            1 => CallbackOutcome::Failed { reason },
            status => CallbackOutcome::Other {
                status,
                file,
                reason,
            },
        }
    }
}

/// Without the query of the URL, which may hold keys.
impl fmt::Debug for CallbackNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackNotice")
            .field("url", &self.url.as_deref().map(RedactedUrl))
            .field("outcome", &self.outcome)
            .finish()
    }
}

/// A body that is no notice. Only the place of the fault is told: what a parser says quotes the body.
#[derive(Debug, Error)]
#[error(
    "this is no notice of the service, which has a `status` in a JSON object: line {line} column {column}"
)]
pub struct CallbackError {
    line: usize,
    column: usize,
}

impl CallbackNotice {
    /// Reads a body, with `failReason` or `fileReason` as the reason, and the file id as number, text, null or absent.
    ///
    /// # Errors
    ///
    /// [`CallbackError`] if it is no JSON object or has no readable `status`.
    pub fn parse(body: &[u8]) -> Result<CallbackNotice, CallbackError> {
        serde_json::from_slice(body).map_err(|error| CallbackError {
            line: error.line(),
            column: error.column(),
        })
    }
}

impl<'de> Deserialize<'de> for CallbackNotice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            url: Option<Text>,
            status: Whole<i64>,
            #[serde(
                rename = "fileID",
                alias = "fileId",
                default,
                deserialize_with = "file_id"
            )]
            file: Option<FileId>,
            fail_reason: Option<Text>,
            file_reason: Option<Text>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let said = |text: Option<Text>| text.map(|text| text.0).filter(|text| !text.is_empty());
        let url = said(wire.url);
        let mut secrets = Secrets::default();
        secrets.push_url(url.as_deref().unwrap_or_default());
        let reason = said(wire.fail_reason).or(said(wire.file_reason));
        let reason = reason.map(|reason| secrets.redact(&reason, MOST_REASON));
        Ok(CallbackNotice {
            url,
            outcome: CallbackOutcome::new(wire.status.0, wire.file, reason),
        })
    }
}

/// No id is as good as an unreadable one: the notice still says how the task ended.
fn file_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FileId>, D::Error> {
    let Text(id) = Text::deserialize(deserializer)?;
    Ok(id.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(body: &str) -> CallbackOutcome {
        CallbackNotice::parse(body.as_bytes()).unwrap().outcome
    }

    #[test]
    fn a_file_id_may_come_in_any_shape_or_not_at_all() {
        let file = Some(FileId::new(100).unwrap());
        for id in ["100", "\"100\""] {
            let body = format!(r#"{{"status":0,"fileID":{id}}}"#);
            assert_eq!(outcome(&body), CallbackOutcome::Succeeded { file }, "{id}");
        }
        for body in [
            r#"{"status":0}"#,
            r#"{"status":"0","fileID":null}"#,
            r#"{"status":0,"fileID":0}"#,
            r#"{"status":0,"fileID":""}"#,
        ] {
            assert_eq!(
                outcome(body),
                CallbackOutcome::Succeeded { file: None },
                "{body}"
            );
        }
    }

    #[test]
    fn the_reason_has_two_spellings() {
        let reason = Some("下载失败".to_owned());
        for body in [
            r#"{"status":1,"failReason":"下载失败"}"#,
            r#"{"status":1,"fileReason":"下载失败"}"#,
            r#"{"status":1,"failReason":"","fileReason":"下载失败"}"#,
        ] {
            assert_eq!(
                outcome(body),
                CallbackOutcome::Failed {
                    reason: reason.clone()
                },
                "{body}"
            );
        }
        assert_eq!(
            outcome(r#"{"status":1}"#),
            CallbackOutcome::Failed { reason: None }
        );
    }

    #[test]
    fn of_a_long_reason_the_start_is_kept() {
        let long = "页".repeat(2000);
        let CallbackOutcome::Failed { reason } =
            outcome(&format!(r#"{{"status":1,"failReason":"{long}"}}"#))
        else {
            panic!("1 is a failure");
        };
        assert_eq!(reason, Some("页".repeat(1000)));
    }

    #[test]
    fn the_numbers_of_progress_mean_nothing_here() {
        let other = outcome(r#"{"status":2,"fileID":7}"#);
        let file = Some(FileId::new(7).unwrap());
        assert_eq!(
            other,
            CallbackOutcome::Other {
                status: 2,
                file,
                reason: None
            }
        );
    }

    #[test]
    fn what_is_no_notice_is_refused() {
        for body in [
            "",
            "status=0",
            "[]",
            "null",
            "{}",
            r#"{"status":null}"#,
            r#"{"status":"ok"}"#,
        ] {
            CallbackNotice::parse(body.as_bytes()).unwrap_err();
        }
    }
}
