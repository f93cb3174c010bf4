//! What the mock makes, and tells of.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, Refused, Shared, refused};
use crate::Service;

/// So many files are put at once: more would hold everybody up.
const MOST_FILES: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    parent: u64,
    files: usize,
}

pub(super) fn files(shared: &Shared, asked: &Asked<'_>) -> Result<Value, Refused> {
    let Files { parent, files } = asked.json()?;
    if files > MOST_FILES {
        return Err(refused(format!("at most {MOST_FILES} files at once")));
    }
    let now = shared.face.now();
    let put = |service: &mut Service| service.put_files(now, parent, files);
    Ok(json!({ "ids": shared.face.update(put) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorize {
    redirect_uri: String,
}

pub(super) fn oauth_code(shared: &Shared, asked: &Asked<'_>) -> Result<Value, Refused> {
    let Authorize { redirect_uri } = asked.json()?;
    let now = shared.face.now();
    let authorize = |service: &mut Service| service.authorize(now, redirect_uri);
    Ok(json!({ "code": shared.face.update(authorize) }))
}

pub(super) fn oauth_pair(shared: &Shared, _: &Asked<'_>) -> Value {
    let now = shared.face.now();
    let pair = shared.face.update(|service| service.oauth_pair(now));
    json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token})
}
