//! A download as a line of JSON.

use pan123_async::{Download, ItemKey};
use serde_json::{Map, Value};

use super::{Fields, Reason, read_url};

const FIELDS: [&str; 4] = ["url", "name", "to", "key"];

pub(super) fn read(text: &str) -> Result<Fields, Reason> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        // The text of the error would quote the line.
        Reason::NotJson(error.column())
    })?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Reason::UnknownField(unknown.chars().take(40).collect()));
    }
    let url = text_of(&fields, "url")?.ok_or(Reason::NoUrl)?;
    let mut download: Download = read_url(&url)?;
    if let Some(name) = text_of(&fields, "name")? {
        download = download.file_name(name)?;
    }
    let folder = text_of(&fields, "to")?;
    let folder = folder.map(|folder| folder.parse()).transpose()?;
    let key = text_of(&fields, "key")?.map(ItemKey::new).transpose()?;
    Ok((download, folder, key))
}

/// Returns a field, which is a text or a whole number; none if it is missing or null.
fn text_of(fields: &Map<String, Value>, name: &'static str) -> Result<Option<String>, Reason> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) if number.is_u64() && name != "url" => {
            Ok(Some(number.to_string()))
        }
        Some(_) => Err(Reason::NotText(name)),
    }
}
