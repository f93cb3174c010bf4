//! Errors as aria2 words and numbers them.

use pan123_async::{BuildError, Error};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};

/// An error of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) struct RpcError {
    pub(in crate::serve) code: i32,
    /// A text without secrets.
    pub(in crate::serve) message: String,
}

impl RpcError {
    /// aria2's one code for whatever goes wrong inside a method.
    pub(in crate::serve) fn new(message: impl Into<String>) -> RpcError {
        RpcError {
            code: 1,
            message: message.into(),
        }
    }

    pub(in crate::serve) fn unauthorized() -> RpcError {
        RpcError::new("Unauthorized")
    }

    pub(in crate::serve) fn no_such_method(method: &str) -> RpcError {
        RpcError::new(format!("No such method: {method}"))
    }

    pub(super) fn invalid_request() -> RpcError {
        RpcError {
            code: -32600,
            message: "Invalid Request.".to_owned(),
        }
    }

    pub(super) fn invalid_params() -> RpcError {
        RpcError {
            code: -32602,
            message: "Invalid params.".to_owned(),
        }
    }

    pub(super) fn parse_error() -> RpcError {
        RpcError {
            code: -32700,
            message: "Parse error.".to_owned(),
        }
    }

    /// Returns the HTTP status of an answer that is this error.
    pub(in crate::serve) fn http_status(&self) -> u16 {
        match self.code {
            -32602 | -32700 => 500,
            _ => 400,
        }
    }

    pub(in crate::serve) fn to_value(&self) -> Value {
        json!({ "code": self.code, "message": self.message })
    }
}

/// At the start, before anybody calls.
impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Failure {
        Failure::new(Exit::Failed, error.message)
    }
}

impl From<BuildError> for RpcError {
    fn from(error: BuildError) -> RpcError {
        RpcError::new(error.to_string())
    }
}

impl From<Error> for RpcError {
    fn from(error: Error) -> RpcError {
        RpcError::new(error.to_string())
    }
}
