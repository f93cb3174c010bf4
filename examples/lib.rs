//! Code that the examples share. The doctests of this library are the code blocks of the READMEs.

#[path = "shared/callback.rs"]
pub mod callback;
#[path = "shared/demo.rs"]
pub mod demo;
#[path = "shared/settings.rs"]
pub mod settings;

use std::error::Error;
use std::process::ExitCode;

/// Turns the result of a program into its exit code, and prints the error.
#[allow(clippy::print_stderr, reason = "shared by programs for a terminal")]
pub fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Returns an error with all its causes on one line.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace(char::is_control, " ")
}

/// The code blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The code blocks of the Chinese README.
#[cfg(doctest)]
#[doc = include_str!("../README.zh-CN.md")]
pub struct ReadmeInChinese;
