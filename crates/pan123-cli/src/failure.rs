//! How a command ends.

use std::io;
use std::process::ExitCode;

use pan123_async::proto::ledger::LedgerFault;
use pan123_async::{BuildError, Error, ErrorCode, WatchError};

use crate::words::Lang;

/// The exit codes, from the best to the worst: of several items, the worst one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All succeeded.
    Success,
    /// Something failed.
    Failed,
    TimedOut,
    /// The network or the service is down, or the service asks to wait.
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
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// A text without secrets; empty if nobody is left to read it.
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

    pub(crate) fn credentials(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Credentials, message)
    }

    /// The same with the worse one of two exit codes.
    pub(crate) fn at_least(mut self, exit: Exit) -> Failure {
        self.exit = self.exit.max(exit);
        self
    }

    /// Ctrl-C, where there is nothing to go on with but the same command.
    pub(crate) fn interrupted(lang: Lang) -> Failure {
        let message = lang.pick(
            "stopped by Ctrl-C; run the same command again to go on",
            "已被 Ctrl-C 停止；再次运行同一命令即可继续",
        );
        Failure::new(Exit::Interrupted, message)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Failure {
        Failure::new(exit_of_build(&error), error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let message = match error.kind() {
            io::ErrorKind::BrokenPipe => String::new(),
            _ => error.to_string(),
        };
        Failure::new(Exit::Failed, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = match &error {
            Error::AuthorizationRequired(rejected) => authorization_required(rejected.as_deref()),
            _ => error.to_string(),
        };
        Failure::new(exit_of(&error), message)
    }
}

impl From<WatchError> for Failure {
    fn from(error: WatchError) -> Failure {
        Failure::new(exit_of_watch(&error), error.to_string())
    }
}

impl From<LedgerFault> for Failure {
    fn from(fault: LedgerFault) -> Failure {
        let exit = match &fault {
            LedgerFault::Down(_) => Exit::Unavailable,
            _ => Exit::Failed,
        };
        Failure::new(exit, text_of_fault(&fault))
    }
}

/// What the SDK calls so is an option or a command here.
const HERE: [(&str, &str); 5] = [
    // What is wrong may be a setting.
    ("the ledger is broken:", "the ledger cannot be used:"),
    (
        "PostgresLedger::confirm_server",
        "`pan123 batch confirm-server LEDGER`",
    ),
    (
        "Postgres::password",
        "PGPASSWORD, ~/.pgpass or --ledger-password-file",
    ),
    ("Postgres::root_certificates", "--ledger-root-cert"),
    (
        "was written with another ledger of this account",
        "was written with another ledger of this account: another database needs another folder, --spill DIR",
    ),
];

/// Says why a ledger is of no use, in the words of the command.
pub(crate) fn text_of_fault(fault: &LedgerFault) -> String {
    HERE.iter().fold(fault.to_string(), |text, (there, here)| {
        text.replace(there, here)
    })
}

#[cfg(feature = "postgres")]
impl From<pan123_ledger::PostgresError> for Failure {
    fn from(error: pan123_ledger::PostgresError) -> Failure {
        Failure::new(Exit::Failed, error.to_string())
    }
}

fn authorization_required(rejected: Option<&Error>) -> String {
    let lang = Lang::of_environment();
    match rejected {
        None => lang.pick(
            "the user has not authorized the app yet: run `pan123 login --oauth`".to_owned(),
            "用户尚未授权该应用：请运行 `pan123 login --oauth`".to_owned(),
        ),
        Some(rejected) => lang.pick(
            format!(
                "the user has to authorize the app again: run `pan123 login --oauth` ({rejected})"
            ),
            format!("用户需要重新授权该应用：请运行 `pan123 login --oauth`（{rejected}）"),
        ),
    }
}

/// What an error of a call means for the exit code. What went wrong last counts, however deeply it is wrapped.
pub(crate) fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Build(error) => exit_of_build(error),
        Error::Api(error) => exit_of_code(error.code()),
        Error::Unauthorized(_)
        | Error::TokenRejected(_)
        | Error::Credentials(_)
        | Error::AuthorizationRequired(_)
        | Error::TokenBackoff { .. } => Exit::Credentials,
        Error::Token(inner) => exit_of(inner),
        Error::RetriesExhausted { last, .. } => exit_of(last),
        Error::QueueTooLong { .. } => Exit::TimedOut,
        Error::Deadline { last, .. } => match last.as_deref().map(exit_of) {
            Some(Exit::Unavailable) => Exit::Unavailable,
            _ => Exit::TimedOut,
        },
        Error::Http(response) if response.http_status().is_server_error() => Exit::Unavailable,
        Error::Transport(_) | Error::RateLimited { .. } => Exit::Unavailable,
        Error::Ambiguous(_) => Exit::Unconfirmed,
        Error::Watch(error) => exit_of_watch(error),
        Error::Stopped => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

/// What the end of a watch means for the exit code.
pub(crate) fn exit_of_watch(error: &WatchError) -> Exit {
    match error {
        WatchError::Polls { error, .. } => exit_of(error),
        WatchError::Deadline { .. } | WatchError::Stalled { .. } => Exit::TimedOut,
        WatchError::Stopped { .. } => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn exit_of_build(error: &BuildError) -> Exit {
    match error {
        BuildError::Credentials(_) | BuildError::Credential { .. } | BuildError::Header { .. } => {
            Exit::Credentials
        }
        BuildError::Client(_) => Exit::Failed,
        _ => Exit::Usage,
    }
}

fn exit_of_code(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::Unauthorized | ErrorCode::InvalidClient | ErrorCode::InvalidGrant => {
            Exit::Credentials
        }
        ErrorCode::RateLimited => Exit::Unavailable,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests;
