//! The lines of a list: bounded, and in UTF-8.

use std::fmt;
use std::io::{self, BufRead};

use crate::failure::Failure;
use crate::words::Lang;

/// The length of a line, in bytes.
pub(super) const MAX_LINE: u64 = 64 * 1024;

/// Why a text is no list.
#[derive(Debug)]
pub(crate) enum ListFault {
    Io(io::Error),
    /// It is UTF-16, or no text.
    Utf16,
    /// This line is not UTF-8.
    NotUtf8(u64),
    /// It is the content of a torrent file.
    Torrent,
}

impl ListFault {
    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            ListFault::Io(error) => lang.pick(
                format!("the list cannot be read: {error}"),
                format!("无法读取列表：{error}"),
            ),
            ListFault::Utf16 => lang
                .pick(
                    "the list is not UTF-8 but UTF-16 (\"Unicode\" in Windows Notepad), or no text: save it as UTF-8",
                    "列表不是 UTF-8，而是 UTF-16（Windows 记事本中的“Unicode”）或非文本文件：请另存为 UTF-8",
                )
                .to_owned(),
            ListFault::NotUtf8(line) => lang.pick(
                format!(
                    "line {line} of the list is not UTF-8, perhaps GB18030 (GBK): convert the list, such as with `iconv -f GB18030 -t UTF-8`"
                ),
                format!(
                    "列表第 {line} 行不是 UTF-8，可能是 GB18030（GBK）：请先转换，例如 `iconv -f GB18030 -t UTF-8`"
                ),
            ),
            ListFault::Torrent => lang
                .pick(
                    "this is a torrent file: the service downloads `http://` and `https://` URLs only",
                    "这是种子文件：服务端只支持 `http://` 和 `https://` 链接",
                )
                .to_owned(),
        }
    }

    pub(crate) fn into_failure(self, lang: Lang) -> Failure {
        Failure::usage(self.text(lang))
    }
}

impl From<io::Error> for ListFault {
    fn from(error: io::Error) -> ListFault {
        ListFault::Io(error)
    }
}

pub(super) enum RawLine {
    /// With what ends it.
    Text(String),
    TooLong,
}

pub(super) struct Lines<R> {
    from: R,
    /// How many lines were read.
    count: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Lines<R> {
        Lines { from, count: 0 }
    }

    /// Returns the next line with its number from 1; none after the last one.
    pub(super) fn next_line(&mut self) -> Result<Option<(u64, RawLine)>, ListFault> {
        let mut bytes = Vec::new();
        let mut from = io::Read::take(&mut self.from, MAX_LINE + 1);
        if from.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.count += 1;
        if self.count == 1 {
            check_start(&bytes)?;
            if bytes.starts_with(b"\xef\xbb\xbf") {
                bytes.drain(..3);
            }
        }
        if bytes.contains(&0) {
            return Err(ListFault::Utf16);
        }
        if bytes.len() as u64 > MAX_LINE && !bytes.ends_with(b"\n") {
            self.skip_rest()?;
            return Ok(Some((self.count, RawLine::TooLong)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some((self.count, RawLine::Text(text)))),
            Err(_) => Err(ListFault::NotUtf8(self.count)),
        }
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.from.fill_buf()?;
            let (count, is_end) = match bytes.iter().position(|&byte| byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (bytes.len(), bytes.is_empty()),
            };
            self.from.consume(count);
            if is_end {
                return Ok(());
            }
        }
    }
}

impl<R> fmt::Debug for Lines<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Tells by the first bytes what is no list.
fn check_start(bytes: &[u8]) -> Result<(), ListFault> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(ListFault::Utf16);
    }
    // A dictionary whose first key is a string: `d8:announce…`.
    let digits = bytes.strip_prefix(b"d").unwrap_or_default();
    let length = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if length > 0 && digits.get(length) == Some(&b':') {
        return Err(ListFault::Torrent);
    }
    Ok(())
}
