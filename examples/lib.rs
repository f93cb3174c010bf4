//! Code that the examples share. The doctests of this library are the code blocks of the READMEs.

/// Prints a line to the standard output as `std::println!` does. If nobody reads it any more, as after `| head -1`, the program ends
/// without an error.
#[macro_export]
macro_rules! println {
    ($($line:tt)*) => {
        $crate::print_line(format_args!($($line)*))
    };
}

/// Prints a line to the standard error as `std::eprintln!` does, but does not care whether anybody reads it.
#[macro_export]
macro_rules! eprintln {
    ($($line:tt)*) => {
        $crate::print_error_line(format_args!($($line)*))
    };
}

#[path = "shared/callback.rs"]
pub mod callback;
#[path = "shared/demo.rs"]
pub mod demo;
#[path = "shared/settings.rs"]
pub mod settings;

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::{self, ExitCode};

/// See [`println!`].
pub fn print_line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{line}") {
        process::exit(i32::from(error.kind() != ErrorKind::BrokenPipe));
    }
}

/// See [`eprintln!`].
pub fn print_error_line(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Turns the result of a program into its exit code, and prints the error.
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
