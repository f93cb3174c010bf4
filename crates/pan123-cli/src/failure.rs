//! How a command ends.

use std::io;
use std::process::ExitCode;

use pan123_async::{BuildError, Error};

/// The exit codes, from the best to the worst: of several items, the worst one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All succeeded.
    Success,
    /// Something failed.
    Failed,
    TimedOut,
    /// The network or the service is down.
    Unavailable,
    /// A download may have been created, and nothing tells whether it was.
    Unconfirmed,
    /// The service rejects the credentials, or there are none.
    Credentials,
    /// The command line or its input is wrong. Nothing was sent.
    Usage,
    /// Stopped by Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Returns the number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Credentials => 3,
            Exit::Unconfirmed => 4,
            Exit::Unavailable => 5,
            Exit::TimedOut => 6,
            Exit::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        exit.code().into()
    }
}

/// Why a command ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A text without secrets.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Failure {
        Failure::usage(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::new(Exit::Failed, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::new(exit_of(&error), error.to_string())
    }
}

/// What an error of a call means for the exit code.
pub(crate) fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Build(_) => Exit::Usage,
        Error::Stopped => Exit::Interrupted,
        Error::Ambiguous(_) => Exit::Unconfirmed,
        Error::TokenRejected(_) => Exit::Credentials,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_exits_the_worst_counts() {
        let mut exits = [
            Exit::Failed,
            Exit::TimedOut,
            Exit::Credentials,
            Exit::Unavailable,
            Exit::Success,
            Exit::Unconfirmed,
        ];
        exits.sort();
        assert_eq!(exits.map(Exit::code), [0, 1, 6, 5, 4, 3]);
    }
}
