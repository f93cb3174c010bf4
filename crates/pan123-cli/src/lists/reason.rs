//! What is wrong with a line of a list.

use pan123_async::BuildError;

use super::lines::MAX_LINE;
use crate::words::Lang;

/// What is wrong with a line. Its text quotes nothing that may be a secret.
#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// What the SDK refuses.
    Sdk(BuildError),
    /// A link of a kind that the service does not take.
    Refused(&'static str),
    /// The path of a torrent file.
    Torrent,
    /// What is wrong inside a link of this scheme.
    Wrapped(&'static str, Box<Reason>),
    /// No link can be read out of a link.
    Damaged,
    /// The link inside is in another encoding.
    NotUtf8,
    TooLong,
    /// It has so many fields.
    Fields(usize),
    /// It has URLs and other texts.
    Mixed,
    /// An option without a URL before it.
    LoneOption,
    /// It is no JSON from this column on.
    NotJson(usize),
    UnknownField(String),
    NoUrl,
    /// This field is no text.
    NotText(&'static str),
    /// A folder with a backslash.
    Backslash,
    /// A folder that is none, or the root.
    Path,
}

impl From<BuildError> for Reason {
    fn from(error: BuildError) -> Reason {
        Reason::Sdk(error)
    }
}

impl Reason {
    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            Reason::Sdk(error) => error.to_string(),
            Reason::Wrapped(scheme, inner) => {
                let inner = inner.text(lang);
                lang.pick(
                    format!("the {scheme} link: {inner}"),
                    format!("{scheme} 链接：{inner}"),
                )
            }
            Reason::Refused(name) => lang.pick(
                format!(
                    "{name} links are not supported: the service downloads `http://` and `https://` URLs only"
                ),
                format!("不支持 {name} 链接：服务端只支持 `http://` 和 `https://` 链接"),
            ),
            Reason::Fields(count) => lang.pick(
                format!(
                    "has {count} fields: write `URL<TAB>name<TAB>folder`, of which name and folder may be left out"
                ),
                format!("有 {count} 个字段：格式为 `URL<TAB>文件名<TAB>目录`，后两项可省略"),
            ),
            Reason::NotJson(column) => lang.pick(
                format!("is no JSON object from column {column} on"),
                format!("从第 {column} 列起不是 JSON 对象"),
            ),
            Reason::UnknownField(name) => {
                let name = name.escape_debug();
                lang.pick(
                    format!("has the field `{name}`: only `url`, `name`, `to` and `key` are known"),
                    format!("含未知字段 `{name}`：只支持 `url`、`name`、`to` 和 `key`"),
                )
            }
            Reason::NotText(name) => lang.pick(
                format!("has a `{name}` that is no text"),
                format!("`{name}` 不是字符串"),
            ),
            Reason::TooLong => lang.pick(
                format!("is longer than {MAX_LINE} bytes"),
                format!("超过 {MAX_LINE} 字节"),
            ),
            fixed => fixed.fixed(lang).to_owned(),
        }
    }

    /// Returns the texts without a part of their own.
    fn fixed(&self, lang: Lang) -> &'static str {
        match self {
            Reason::Torrent => lang.pick(
                "is a torrent file: the service downloads `http://` and `https://` URLs only",
                "是种子文件：服务端只支持 `http://` 和 `https://` 链接",
            ),
            Reason::Damaged => lang.pick(
                "is incomplete or damaged, so that no URL can be read out of it: copy it again",
                "不完整或已损坏，无法解出其中的链接：请重新复制",
            ),
            Reason::NotUtf8 => lang.pick(
                "the URL in it is not UTF-8, but probably GBK, as old programs wrote it: give the URL itself",
                "其中的链接不是 UTF-8，可能是旧程序写入的 GBK：请直接给出原链接",
            ),
            Reason::Mixed => lang.pick(
                "has URLs and other texts: write `URL<TAB>name<TAB>folder`, or URLs of one file only",
                "既有链接又有其他内容：请写 `URL<TAB>文件名<TAB>目录`，或只写同一文件的多个链接",
            ),
            Reason::LoneOption => lang.pick(
                "is an option, and there is no URL before it",
                "是选项，但前面没有链接",
            ),
            Reason::NoUrl => lang.pick("has no `url`", "缺少 `url`"),
            Reason::Backslash => lang.pick(
                "names a folder with a `\\`: write a path of the drive, such as `/videos/2026`",
                "目录中有 `\\`：请写云盘路径，例如 `/videos/2026`",
            ),
            Reason::Path => lang.pick(
                "names no folder below the root: write a path of the drive such as `/videos/2026`, without `.` and `..`, or an id",
                "目录不是根目录之下的目录：请写云盘路径，例如 `/videos/2026`（不含 `.` 和 `..`），或目录 ID",
            ),
            _ => "",
        }
    }
}
