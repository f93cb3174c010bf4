use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::words::Lang;

/// Reads a list whole: its downloads, and its bad lines as text.
fn read_all(list: impl AsRef<[u8]>) -> Result<(Vec<Entry>, Vec<String>), ListFault> {
    let mut entries = Entries::new(Cursor::new(list));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while let Some(entry) = entries.next_entry()? {
        match entry {
            Ok(entry) => good.push(entry),
            Err(BadLine { line, reason }) => {
                assert!(!reason.text(Lang::Chinese).is_empty());
                bad.push(format!("{line}: {}", reason.text(Lang::English)));
            }
        }
    }
    Ok((good, bad))
}

/// A download as `line url name folder key`.
fn shown(entry: &Entry) -> String {
    let folder = entry.folder.as_ref().map(ToString::to_string);
    format!(
        "{} {} {} {} {}",
        entry.line,
        entry.download.url(),
        entry.download.name().unwrap_or("-"),
        folder.as_deref().unwrap_or("-"),
        entry.key.as_ref().map_or("-", ItemKey::as_str),
    )
}

#[track_caller]
fn assert_reads(list: &str, expected: &[&str]) {
    let (good, bad) = read_all(list).unwrap();
    assert_eq!(bad, Vec::<String>::new());
    assert_eq!(good.iter().map(shown).collect::<Vec<_>>(), expected);
}

/// Asserts that the only line of a list is bad for this reason.
#[track_caller]
fn assert_bad(line: &str, expected: &str) {
    let (good, bad) = read_all(line).unwrap();
    assert_eq!(good, []);
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(bad[0].contains(expected), "{bad:?} has no {expected:?}");
}

fn wrap(scheme: &str, text: &[u8]) -> String {
    format!("{scheme}://{}", BASE64_STANDARD.encode(text))
}

#[test]
fn urls_stand_one_a_line_among_comments_and_blanks() {
    let list = "\u{feff}https://a.example/1\r\n\r\n# https://a.example/2\n  https://a.example/3?x=y  \r\n\thttps://a.example/4\n   \n\n  # no\nHTTP://a.example/5";
    assert_reads(
        list,
        &[
            "1 https://a.example/1 - - -",
            "4 https://a.example/3?x=y - - -",
            "5 https://a.example/4 - - -",
            "9 HTTP://a.example/5 - - -",
        ],
    );
}

#[test]
fn fields_are_url_name_and_folder() {
    assert_reads(
        "https://a.example/1\t 电影 一.mp4 \t/videos//2026/\nhttps://a.example/2\t\t456\nhttps://a.example/3\t x.bin\t\n",
        &[
            "1 https://a.example/1 电影 一.mp4 /videos/2026 -",
            "2 https://a.example/2 - 456 -",
            "3 https://a.example/3 x.bin - -",
        ],
    );
}

#[test]
fn an_input_file_of_aria2_has_mirrors_and_options() {
    let list = "https://a.example/1\thttps://b.example/1\thttps://c.example/1\n  out=one.bin\n\tdir=/videos\n  split=5\n  header=Cookie: secret\nmagnet:?xt=urn:btih:0\thttps://d.example/2\n dir=7\nhttps://e.example/3\n";
    assert_reads(
        list,
        &[
            "1 https://a.example/1 one.bin /videos -",
            "6 https://d.example/2 - 7 -",
            "8 https://e.example/3 - - -",
        ],
    );
    let mut entries = Entries::new(Cursor::new(list));
    while entries.next_entry().unwrap().is_some() {}
    let ignored: Vec<_> = entries.ignored().iter().collect();
    assert_eq!(ignored, ["header", "split"]);
}

#[test]
fn a_bad_option_makes_its_download_bad_and_no_other() {
    let list = "https://a.example/1\n  out=a/b\n  dir=/videos\nhttps://a.example/2\n out=b\nftp://a.example/3\n  out=c\n";
    let (good, bad) = read_all(list).unwrap();
    assert_eq!(good.len(), 1);
    assert_eq!(shown(&good[0]), "4 https://a.example/2 b - -");
    assert_eq!(bad.len(), 2, "{bad:?}");
    assert!(
        bad[0].starts_with("1: ") && bad[0].contains("'/'"),
        "{bad:?}"
    );
    assert!(
        bad[1].starts_with("6: ") && bad[1].contains("FTP"),
        "{bad:?}"
    );
}

#[test]
fn lines_of_json_may_name_their_key() {
    assert_reads(
        "{\"url\":\"https://a.example/1\",\"name\":\"电影.mp4\",\"to\":\"/v\",\"key\":\"row 17\"}\n  {\"url\": \" https://a.example/2 \", \"name\": null, \"to\": 7, \"key\": 18}\n",
        &[
            "1 https://a.example/1 电影.mp4 /v row 17",
            "2 https://a.example/2 - 7 18",
        ],
    );
}

#[test]
fn links_that_hold_a_url_are_opened() {
    let url = "https://a.example/电影.mp4?k=1";
    let thunder = wrap("thunder", format!("AA{url}ZZ").as_bytes());
    let links = [
        thunder.clone(),
        thunder.replace("thunder", "Thunder"),
        format!("{thunder}/"),
        thunder.trim_end_matches('=').to_owned(),
        thunder.replace('=', "%3D"),
        thunder
            .replace('+', "-")
            .replace('/', "_")
            .replace(":__", "://"),
        wrap("flashget", format!("[FLASHGET]{url}[FLASHGET]").as_bytes()) + "&abc",
        wrap("qqdl", url.as_bytes()),
    ];
    for link in links {
        assert_eq!(read_url(&link).unwrap().url(), url, "{link}");
    }
}

#[test]
fn what_the_service_does_not_take_is_refused_by_name() {
    let http_only = "`http://` and `https://` URLs only";
    for (line, name) in [
        ("magnet:?xt=urn:btih:0123", "magnet"),
        ("MAGNET:?xt=urn:btih:0123", "magnet"),
        ("ed2k://|file|a|1|0|/", "ed2k"),
        ("ftp://a.example/1", "FTP"),
        ("sftp://a.example/1", "SFTP"),
        ("film.torrent", "torrent"),
        ("file:///home/me/film.TORRENT", "torrent"),
        (r"C:\film.torrent", "torrent"),
        (&wrap("thunder", b"AAmagnet:?xt=urn:btih:0ZZ"), "magnet"),
        (
            &wrap("thunder", b"AAed2k://|file|a|1|0|/ZZ"),
            "thunder link",
        ),
        (
            &wrap("qqdl", wrap("thunder", b"AAhttps://a/ZZ").as_bytes()),
            "thunder",
        ),
    ] {
        assert_bad(line, name);
        assert_bad(line, http_only);
    }
}

#[test]
fn bad_lines_say_what_is_wrong_and_quote_no_url() {
    let long = format!("https://a.example/{}", "x".repeat(70_000));
    let gbk = wrap("thunder", b"AAhttp://a.example/\xb5\xe7\xd3\xb0ZZ");
    for (line, expected) in [
        ("a.example/secret", "must start with `http://`"),
        (
            "https://a.example/secret https://b.example",
            "followed by a second one",
        ),
        ("https://a.example/secret\ta\tb\tc", "has 4 fields"),
        (
            "https://a.example/secret\thttps://b.example\tname",
            "URLs and other texts",
        ),
        ("https://a.example/secret\ta|b", "'|'"),
        (
            "https://a.example/secret\ta\t/x/../y",
            "without `.` and `..`",
        ),
        ("https://a.example/secret\ta\t/", "below the root"),
        ("https://a.example/secret\ta\t0", "root"),
        ("https://a.example/secret\ta\tD:\\x", "`\\`"),
        ("  out=secret", "no URL before it"),
        (
            "{\"url\":\"https://a.example/secret\"",
            "is no JSON object from column",
        ),
        (
            "{\"url\":\"https://a.example/secret\",\"URL\":1}",
            "the field `URL`",
        ),
        (
            "{\"url\":[\"https://a.example/secret\"]}",
            "a `url` that is no text",
        ),
        ("{\"name\":\"secret\"}", "has no `url`"),
        (
            "{\"url\":\"https://a.example/\",\"key\":\"\"}",
            "1 to 256 bytes",
        ),
        ("thunder://secret!", "incomplete or damaged"),
        ("thunder://", "incomplete or damaged"),
        (&wrap("thunder", b"https://a.example/secret"), "damaged"),
        (&gbk, "probably GBK"),
        (&long, "longer than 65536 bytes"),
    ] {
        assert_bad(line, expected);
        let (_, bad) = read_all(line).unwrap();
        assert!(!bad[0].contains("secret"), "{bad:?}");
    }
}

#[test]
fn a_line_of_the_maximum_length_is_read_and_one_after_a_longer_one() {
    let url = format!("https://a.example/{}", "x".repeat(64 * 1024 - 19));
    let list = format!("{url}\n{url}xx\n{url}\n");
    let (good, bad) = read_all(&list).unwrap();
    assert_eq!(
        good.iter().map(|entry| entry.line).collect::<Vec<_>>(),
        [1, 3]
    );
    assert!(bad[0].starts_with("2: is longer"), "{bad:?}");
}

#[test]
fn other_encodings_and_torrent_files_are_told() {
    let utf16: Vec<u8> = "https://a.example/\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let with_mark = [b"\xff\xfe", &utf16[..]].concat();
    let gb18030 = b"https://a.example/1\nhttps://a.example/2\t\xb5\xe7\xd3\xb0.mp4\n";
    for (list, expected) in [
        (&with_mark[..], "UTF-16"),
        (&utf16, "UTF-16"),
        (gb18030, "line 2 of the list is not UTF-8, perhaps GB18030"),
        (
            b"d8:announce35:http://tracker.example/announce",
            "torrent file",
        ),
    ] {
        let fault = read_all(list).unwrap_err();
        let text = fault.text(Lang::English);
        assert!(text.contains(expected), "{text}");
        assert!(!fault.text(Lang::Chinese).is_empty());
    }
}

/// A text that is nearly a list.
fn nearly_a_list() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("https://a.example/x".to_owned()),
        Just("thunder://QUFodHRwOi8v".to_owned()),
        Just("thunder:".to_owned()),
        Just("flashget://".to_owned()),
        Just("magnet:?".to_owned()),
        Just("\t".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n  ".to_owned()),
        Just("out=".to_owned()),
        Just("dir=/".to_owned()),
        Just("{\"url\":".to_owned()),
        Just("\"}".to_owned()),
        Just("d8:".to_owned()),
        Just("\u{feff}".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(list in proptest::collection::vec(any::<u8>(), 0..300)) {
        drop(read_all(list));
    }

    #[test]
    fn no_text_panics_and_each_line_counts_once(list in nearly_a_list()) {
        if let Ok((good, bad)) = read_all(&list) {
            let lines = list.lines().count();
            prop_assert!(good.len() + bad.len() <= lines);
            let mut last = 0;
            for entry in good {
                prop_assert!(entry.line > last && entry.line <= lines as u64);
                last = entry.line;
            }
        }
    }

    #[test]
    fn no_link_panics(link in "(thunder|flashget|qqdl|Thunder)?:?/{0,3}\\PC*") {
        drop(read_url(&link));
    }

    #[test]
    fn what_is_written_as_a_list_is_read_from_it(
        downloads in proptest::collection::vec(
            ("[a-z]{1,8}", proptest::option::of("[a-z电影]{1,8}"), proptest::option::of("/[a-z电影]{1,8}")),
            0..20,
        ),
        form in 0..3,
        end in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let mut lines = Vec::new();
        for (path, name, folder) in &downloads {
            let url = format!("https://a.example/{path}");
            let given_name = name.as_deref().unwrap_or_default();
            let given_folder = folder.as_deref().unwrap_or_default();
            match form {
                0 => lines.push(format!("{url}\t{given_name}\t{given_folder}")),
                1 => {
                    lines.push(url);
                    lines.extend(name.iter().map(|name| format!("  out={name}")));
                    lines.extend(folder.iter().map(|folder| format!("  dir={folder}")));
                }
                _ => lines.push(json!({"url": url, "name": name, "to": folder}).to_string()),
            }
        }
        let list = lines.join(end);
        let (good, bad) = read_all(&list).unwrap();
        prop_assert_eq!(bad, Vec::<String>::new());
        let read: Vec<_> = good
            .iter()
            .map(|entry| {
                let folder = entry.folder.as_ref().map(ToString::to_string);
                (
                    entry.download.url().trim_start_matches("https://a.example/").to_owned(),
                    entry.download.name().map(str::to_owned),
                    folder,
                )
            })
            .collect();
        prop_assert_eq!(read, downloads);
    }
}
