//! Objects with odd members, for every type of response that is an object.

use std::fmt::Debug;

use crate::support::reading::read;
use crate::support::{download, progress};
use pan123_proto::access_token::IssueToken;
use pan123_proto::file::{
    CopyFile, CopyFiles, CreateDir, GetCopyProgress, GetDetail, GetDownloadUrl, ListFilesV1,
};
use pan123_proto::image_bed::ImageBedDownload;
use pan123_proto::oauth::RefreshTokenGrant;
use pan123_proto::offline::{Download, ExpectedFile};
use pan123_proto::user::GetUserInfo;
use pan123_proto::{CopyTaskId, Endpoint, EntryId, FileId, Parent, ResponseFormat};
use serde::de::DeserializeOwned;

/// A key in its spellings, its value, another value, and whether the response needs it.
type Member = (
    &'static [&'static str],
    &'static str,
    &'static str,
    Importance,
);

#[derive(Clone, Copy, PartialEq)]
enum Importance {
    Essential,
    Optional,
}

use Importance::{Essential, Optional};

/// The value that was read, or the text of the error.
fn outcome<E: Endpoint>(endpoint: &E, data: &str) -> Result<String, String>
where
    E::Response: Debug,
{
    let body = match E::RESPONSE_FORMAT {
        ResponseFormat::Flat => data.to_owned(),
        _ => format!(r#"{{"code":0,"message":"ok","data":{data}}}"#),
    };
    match read(endpoint, &body) {
        Ok(value) => Ok(format!("{value:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn check<E: Endpoint>(endpoint: &E, members: &[Member])
where
    E::Response: Debug,
{
    let spelled = |(names, value, ..): &Member| format!("\"{}\":{value}", names[0]);
    let object = |members: &[String]| format!("{{{}}}", members.join(","));
    let good: Vec<String> = members.iter().map(spelled).collect();
    let expected = outcome(endpoint, &object(&good)).unwrap();

    let values: Vec<&str> = members.iter().map(|(_, value, ..)| *value).collect();
    let array = format!("[{}]", values.join(","));
    outcome(endpoint, &array).unwrap_err();

    let with = |more: &[String]| outcome(endpoint, &object(&[&good, more].concat()));
    let damaged = [r#""x":"\ud800""#, r#""\udc00":1e999"#, r#""y":[{}]"#].map(str::to_owned);
    assert_eq!(with(&damaged), Ok(expected.clone()));

    for (index, (names, value, other, importance)) in members.iter().enumerate() {
        let but = |value: Option<&str>| {
            let mut members = good.clone();
            match value {
                Some(value) => members[index] = format!("\"{}\":{value}", names[0]),
                None => drop(members.remove(index)),
            }
            outcome(endpoint, &object(&members))
        };
        for name in *names {
            let same = with(&[format!("\"{name}\":{value}")]);
            assert_eq!(same, Ok(expected.clone()), "{name}");
            let null = with(&[format!("\"{name}\":null")]);
            assert_eq!(null, Ok(expected.clone()), "{name}");
            let different = with(&[format!("\"{name}\":{other}")]);
            match importance {
                Essential if E::SECRET_RESPONSE => {
                    let error = different.unwrap_err();
                    assert!(!error.contains(value.trim_matches('"')), "{error}");
                }
                Essential => {
                    let error = different.unwrap_err();
                    assert!(error.contains(&format!("`{name}`")), "{error}");
                    assert!(error.contains("different values"), "{error}");
                }
                Optional => assert_eq!(different, but(None), "{name}"),
            }
        }
        for unreadable in ["null", "{}", "[7]"] {
            match importance {
                Essential => drop(but(Some(unreadable)).unwrap_err()),
                Optional => assert_eq!(but(Some(unreadable)), but(None), "{names:?}: {unreadable}"),
            }
        }
        for damaged in [r#""\ud800""#, "1e999"] {
            let is_read = but(Some(damaged)).is_ok();
            assert!(is_read || *importance == Essential, "{names:?}: {damaged}");
        }
        assert_eq!(but(None).is_err(), *importance == Essential, "{names:?}");
    }
}

#[test]
fn tasks_and_copies() {
    const ID: &[&str] = &["taskID", "taskId"];
    check(&download(), &[(ID, "7", "8", Essential)]);
    let image = ImageBedDownload::new("https://example.com/a.png").unwrap();
    check(&image, &[(ID, "7", "8", Essential)]);
    let file = FileId::new(7).unwrap();
    let copies = CopyFiles::new([file], Parent::Root).unwrap();
    check(&copies, &[(ID, "7", "8", Essential)]);
    let process = (&["process"][..], "37.5", "38", Optional);
    check(&progress(), &[process, (&["status"], "3", "2", Essential)]);
    let status = (&["status"][..], "3", "2", Essential);
    check(
        &GetCopyProgress::new(CopyTaskId::new(7).unwrap()),
        &[status],
    );
    let source = (&["sourceFileId", "sourceFileID"][..], "7", "9", Optional);
    let target = (&["targetFileId", "targetFileID"][..], "8", "9", Essential);
    check(&CopyFile::new(file, Parent::Root), &[source, target]);
    let dir = (&["dirID", "dirId"][..], "7", "8", Essential);
    check(&CreateDir::new(Parent::Root, "a").unwrap(), &[dir]);
}

#[test]
fn tokens() {
    let token = |key: &'static [&'static str]| (key, r#""a-token""#, r#""another""#, Essential);
    let date = (
        &["expiredAt"][..],
        r#""2025-03-23 15:48:37""#,
        r#""2026-03-23 15:48:37""#,
        Optional,
    );
    let issue = IssueToken::new("id", "secret");
    check(&issue, &[token(&["accessToken"]), date]);
    let refresh = RefreshTokenGrant::new("id", "secret", "used");
    let pair = [
        token(&["access_token"]),
        token(&["refresh_token"]),
        (&["expires_in"], "7200", "7201", Optional),
        (&["scope"], r#""s""#, r#""t""#, Optional),
        (&["token_type"], r#""Bearer""#, r#""other""#, Optional),
    ];
    check(&refresh, &pair);
}

#[test]
fn users_and_files() {
    let date = r#""2025-03-23 15:48:37""#;
    let user = [
        (&["uid"][..], "7", "8", Essential),
        (&["nickname"], r#""a""#, r#""b""#, Optional),
        (&["spaceUsed"], "7", "8", Optional),
        (
            &["spaceTempExpr"],
            date,
            r#""2026-03-23 15:48:37""#,
            Optional,
        ),
        (&["vip"], "true", "false", Optional),
    ];
    check(&GetUserInfo, &user);
    let url = (
        &["downloadUrl", "downloadURL"][..],
        r#""https://h/a""#,
        r#""https://h/b""#,
        Essential,
    );
    check(&GetDownloadUrl::new(FileId::new(7).unwrap()), &[url]);
    let entry = [
        (&["fileId", "fileID"][..], "7", "8", Essential),
        (&["filename", "fileName"], r#""a""#, r#""b""#, Essential),
        (&["type"], "0", "1", Essential),
        (&["parentFileId", "parentFileID"], "0", "9", Optional),
        (&["size"], "7", "8", Optional),
        (&["etag"], r#""a""#, r#""b""#, Optional),
        (&["category"], "1", "2", Optional),
        (&["status"], "1", "2", Optional),
        (&["trashed"], "1", "0", Optional),
        (&["createAt"], date, r#""2026-03-23 15:48:37""#, Optional),
        (&["updateAt"], date, r#""2026-03-23 15:48:37""#, Optional),
    ];
    check(&GetDetail::new(EntryId::new(7).unwrap()), &entry);
    let total = (&["total"][..], "7", "8", Essential);
    check(&ListFilesV1::of(Parent::Root), &[total]);
}

#[test]
fn no_type_takes_an_array_for_a_stored_object() {
    fn check<T: DeserializeOwned>(members: &[&str]) {
        let object = format!("{{{}}}", members.join(","));
        serde_json::from_str::<T>(&object).expect("a stored object");
        let values = members.iter().filter_map(|member| member.split_once(':'));
        let values: Vec<&str> = values.map(|(_, value)| value).collect();
        let error = serde_json::from_str::<T>(&format!("[{}]", values.join(",")));
        let error = error.err().expect("an array").to_string();
        assert!(error.contains("expected an object"), "{error}");
    }
    check::<Download>(&[
        r#""url":"https://example.com/a""#,
        r#""fileName":"a.mp4""#,
        r#""dirID":7"#,
        r#""callBackUrl":null"#,
    ]);
    check::<ImageBedDownload>(&[
        r#""url":"https://example.com/a.png""#,
        r#""fileName":null"#,
        r#""businessDirID":null"#,
        r#""callBackUrl":null"#,
    ]);
    check::<ExpectedFile>(&[
        r#""dirID":7"#,
        r#""fileName":"a.mp4""#,
        r#""guessedName":null"#,
        r#""created":"2026-11-27T09:00:00Z""#,
        r#""fileID":8"#,
    ]);
}
