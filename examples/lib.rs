//! What the examples share. The README's code is compiled and run with them, too.

use std::error::Error;

/// An error with all its causes on one line.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace(['\n', '\r'], " ")
}

/// The code blocks of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The code blocks of the Chinese README.
#[cfg(doctest)]
#[doc = include_str!("../README.zh-CN.md")]
pub struct ReadmeInChinese;
