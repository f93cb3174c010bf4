//! Lists of downloads, as people have them.
//!
//! | a line | is |
//! |---|---|
//! | `https://host/file` | a download |
//! | `https://host/file<TAB>name<TAB>folder` | one with a name and a folder of the drive, each of which may be empty |
//! | `https://host/file<TAB>https://mirror/file` | one with mirrors, as aria2 has it; the first URL counts |
//! | `  out=name` or `  dir=folder` | an option of the download before it, as aria2 has it |
//! | `{"url": …, "name": …, "to": …, "key": …}` | one as JSON |
//! | `# comment`, or nothing | ignored |

mod folder;
mod json;
mod lines;
mod links;
mod reason;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::BufRead;

use pan123_async::{Download, ItemKey};

pub(crate) use folder::Folder;
pub(crate) use lines::ListFault;
use lines::{Lines, RawLine};
pub(crate) use links::read_url;
pub(crate) use reason::Reason;

/// A download of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The number of its line, from 1.
    pub(crate) line: u64,
    pub(crate) download: Download,
    pub(crate) folder: Option<Folder>,
    pub(crate) key: Option<ItemKey>,
}

/// A line that is no download.
#[derive(Debug)]
pub(crate) struct BadLine {
    /// Its number, from 1.
    pub(crate) line: u64,
    pub(crate) reason: Reason,
}

/// So many different options are named.
const MAX_IGNORED: usize = 20;

/// Reads a list, entry by entry.
#[derive(Debug)]
pub(crate) struct Entries<R> {
    lines: Lines<R>,
    /// What was read last. Options may follow it.
    last: Option<Result<Entry, BadLine>>,
    /// The options of aria2 that mean nothing here.
    ignored: BTreeSet<String>,
}

impl<R: BufRead> Entries<R> {
    pub(crate) fn new(from: R) -> Entries<R> {
        Entries {
            lines: Lines::new(from),
            last: None,
            ignored: BTreeSet::new(),
        }
    }

    /// Returns the next download or the next bad line; none after the last one.
    ///
    /// # Errors
    ///
    /// If the text cannot be read, or is no list at all.
    pub(crate) fn next_entry(&mut self) -> Result<Option<Result<Entry, BadLine>>, ListFault> {
        while let Some((line, raw)) = self.lines.next_line()? {
            let entry = match raw {
                RawLine::TooLong => Err(Reason::TooLong),
                RawLine::Text(text) => match self.read(&text) {
                    Ok(Some((download, folder, key))) => Ok(Entry {
                        line,
                        download,
                        folder,
                        key,
                    }),
                    Ok(None) => continue,
                    Err(reason) => Err(reason),
                },
            };
            let entry = entry.map_err(|reason| BadLine { line, reason });
            if let Some(last) = self.last.replace(entry) {
                return Ok(Some(last));
            }
        }
        Ok(self.last.take())
    }

    /// Returns the names of the options of aria2 that were ignored so far.
    pub(crate) fn ignored(&self) -> &BTreeSet<String> {
        &self.ignored
    }

    /// Reads a line; none if it is no entry of its own.
    fn read(&mut self, text: &str) -> Result<Option<Fields>, Reason> {
        let trimmed = text.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return Ok(None);
        }
        if text.starts_with([' ', '\t'])
            && let Some((name, value)) = option(trimmed)
        {
            return self.set_option(name, value).map(|()| None);
        }
        if trimmed.starts_with('{') {
            return json::read(trimmed).map(Some);
        }
        read_fields(trimmed).map(Some)
    }

    /// Sets an option of the last entry. That of a bad line is bad with it.
    fn set_option(&mut self, name: &str, value: &str) -> Result<(), Reason> {
        let entry = match &mut self.last {
            Some(Ok(entry)) => entry,
            Some(Err(_)) => return Ok(()),
            None => return Err(Reason::LoneOption),
        };
        match name {
            "out" => match entry.download.clone().file_name(value) {
                Ok(download) => entry.download = download,
                Err(error) => self.spoil(Reason::Sdk(error)),
            },
            "dir" => match value.parse() {
                Ok(folder) => entry.folder = Some(folder),
                Err(reason) => self.spoil(reason),
            },
            _ if self.ignored.len() < MAX_IGNORED => drop(self.ignored.insert(name.to_owned())),
            _ => {}
        }
        Ok(())
    }

    /// Makes a bad line of the last entry.
    fn spoil(&mut self, reason: Reason) {
        if let Some(Ok(Entry { line, .. })) = self.last {
            self.last = Some(Err(BadLine { line, reason }));
        }
    }
}

/// What a line holds.
type Fields = (Download, Option<Folder>, Option<ItemKey>);

/// Splits `name=value`, if it is an option of aria2 by its form.
fn option(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    is_name.then_some((name, value.trim()))
}

fn read_fields(text: &str) -> Result<Fields, Reason> {
    let mut fields = text.split('\t').map(str::trim);
    let first = fields.next().unwrap_or_default();
    let rest: Vec<&str> = fields.collect();
    if rest.iter().any(|field| links::is_link(field)) {
        return read_mirrors(first, &rest);
    }
    if rest.len() > 2 {
        return Err(Reason::Fields(rest.len() + 1));
    }
    let mut download = read_url(first)?;
    let given = |at: usize| rest.get(at).copied().filter(|field| !field.is_empty());
    if let Some(name) = given(0) {
        download = download.file_name(name)?;
    }
    let folder = given(1).map(str::parse).transpose()?;
    Ok((download, folder, None))
}

/// Reads the URLs of one file, of which the first that the service takes counts.
fn read_mirrors(first: &str, rest: &[&str]) -> Result<Fields, Reason> {
    let mut urls = rest.iter().filter(|url| !url.is_empty());
    if !urls.clone().all(|url| links::is_link(url)) {
        return Err(Reason::Mixed);
    }
    match read_url(first) {
        Ok(download) => Ok((download, None, None)),
        Err(reason) => match urls.find_map(|url| read_url(url).ok()) {
            Some(download) => Ok((download, None, None)),
            None => Err(reason),
        },
    }
}
