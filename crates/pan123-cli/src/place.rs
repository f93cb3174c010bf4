//! How a file or a folder is named on the command line.

use std::fmt;
use std::str::FromStr;

use pan123_async::proto::EntryId;

use crate::words::{Lang, shown};

/// A file or folder of the drive, as the user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// 0 is the root.
    Id(u64),
    Path(String),
}

impl Place {
    pub(crate) fn is_root(&self) -> bool {
        match self {
            Place::Id(id) => *id == 0,
            Place::Path(path) => path.chars().all(|c| c == '/'),
        }
    }

    /// Returns the id; `None` for a path and for the root.
    pub(crate) fn entry_id(&self) -> Option<EntryId> {
        match self {
            Place::Id(id) => EntryId::new(*id).ok(),
            Place::Path(_) => None,
        }
    }

    /// Returns it as a path; `None` for an id.
    pub(crate) fn path(&self) -> Option<&str> {
        match self {
            Place::Id(_) => None,
            Place::Path(path) => Some(path),
        }
    }

    /// Returns it as it may stand in a heading.
    pub(crate) fn heading(&self) -> String {
        self.path().map_or_else(|| self.to_string(), shown)
    }

    /// Splits a path into its folder and its last name; `None` for an id and for the root.
    pub(crate) fn split(&self) -> Option<(Place, &str)> {
        let path = self.path()?.trim_end_matches('/');
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = Place::Path(format!("{folder}/"));
        (!name.is_empty()).then_some((folder, name))
    }

    /// Returns whether it can name a folder only: a path that ends with a slash.
    pub(crate) fn is_marked_as_folder(&self) -> bool {
        self.path().is_some_and(|path| path.ends_with('/'))
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let lang = Lang::of_environment();
        let number = text.strip_prefix("id:").unwrap_or(text);
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if text.is_empty() {
            let message = lang.pick(
                "give a path such as `/videos`, or an id such as `id:123`",
                "请给出路径（如 `/videos`）或 id（如 `id:123`）",
            );
            return Err(message.to_owned());
        }
        if !is_number && text.starts_with("id:") {
            let message = lang.pick("after `id:` comes a whole number", "`id:` 之后应为整数");
            return Err(message.to_owned());
        }
        if !is_number {
            return Ok(Place::Path(text.to_owned()));
        }
        number.parse().map(Place::Id).map_err(|_| {
            lang.pick(
                format!("no id is that large; if it is the name of a file in the root, write `/{number}`"),
                format!("没有这么大的 id；如果这是根目录中文件的名称，请写作 `/{number}`"),
            )
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Id(id) => write!(f, "id:{id}"),
            Place::Path(path) => write!(f, "`{}`", shown(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Place {
        Place::Path(text.to_owned())
    }

    #[test]
    fn number_is_an_id_and_everything_else_a_path() {
        for (text, place) in [
            ("id:123", Place::Id(123)),
            ("123", Place::Id(123)),
            ("0", Place::Id(0)),
            ("/123", path("/123")),
            ("a/123", path("a/123")),
            ("-1", path("-1")),
            ("12x", path("12x")),
            ("/id:1", path("/id:1")),
            ("ID:1", path("ID:1")),
            ("/视频", path("/视频")),
            ("１２", path("１２")),
        ] {
            assert_eq!(text.parse(), Ok(place), "{text}");
        }
        for text in ["", "id:", "id:x", "id:-1", "id:1/a", "99999999999999999999"] {
            text.parse::<Place>().unwrap_err();
        }
    }

    #[test]
    fn root_is_recognized() {
        for (text, is_root) in [
            ("/", true),
            ("//", true),
            ("id:0", true),
            ("/a", false),
            ("1", false),
        ] {
            assert_eq!(text.parse::<Place>().unwrap().is_root(), is_root, "{text}");
        }
    }

    #[test]
    fn path_is_split_into_folder_and_name() {
        for (text, folder, name) in [
            ("/a/b", "/a/", "b"),
            ("a/b/", "a/", "b"),
            ("b", "/", "b"),
            ("/b//", "/", "b"),
        ] {
            assert_eq!(path(text).split(), Some((path(folder), name)), "{text}");
        }
        for place in [path("/"), path("//"), Place::Id(1)] {
            assert_eq!(place.split(), None);
        }
    }
}
