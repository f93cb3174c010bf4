//! Checks of URLs that are sent byte for byte as given, so without a parser that would rewrite them.

use core::net::Ipv6Addr;
use std::fmt;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use crate::error::{BuildError, UrlFault};
use crate::text::{find_invisible, is_blank, may_belong};

/// Accepts `http://…` and `https://…` with a host, and refuses what cannot be meant as one URL.
pub(crate) fn check_http_url(what: &'static str, url: &str) -> Result<(), BuildError> {
    match UrlParts::read(url) {
        Ok(_) => Ok(()),
        Err(fault) => Err(BuildError::Url { what, fault }),
    }
}

/// Where the parts of a URL are, in bytes.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
pub(crate) struct UrlParts {
    /// The user and the password.
    pub(crate) user: Range<usize>,
    /// The host and the port.
    pub(crate) host: Range<usize>,
}

impl UrlParts {
    pub(crate) fn read(url: &str) -> Result<UrlParts, UrlFault> {
        match UrlParts::read_plain(url) {
            Some(parts) => Ok(parts),
            None => UrlParts::read_carefully(url),
        }
    }

    /// Reads a URL in which nothing needs a closer look, as most are.
    fn read_plain(url: &str) -> Option<UrlParts> {
        let mut schemes = ["https://", "http://"].into_iter();
        let start = schemes.find(|scheme| url.starts_with(scheme))?.len();
        let bytes = &url.as_bytes()[start..];
        let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let end = bytes.iter().position(|byte| !is_host(byte))?;
        let (host, rest) = bytes.split_at(end);
        let mut labels = host.split(|byte| *byte == b'.');
        let is_plain = !labels.any(<[u8]>::is_empty)
            && matches!(rest, [b'/' | b'?' | b'#', ..])
            // As in `https://http//host`.
            && !rest.starts_with(b"//")
            && rest.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
        is_plain.then(|| UrlParts {
            user: start..start,
            host: start..start + end,
        })
    }

    fn read_carefully(url: &str) -> Result<UrlParts, UrlFault> {
        if url.chars().all(is_blank) {
            return Err(UrlFault::Empty);
        }
        if let Some(at) = second_url(url) {
            return Err(UrlFault::SecondUrl(position(url, at)));
        }
        if let Some((at, character)) = find_invisible(url) {
            return Err(UrlFault::Invisible(character, at));
        }
        if url.trim() != url {
            return Err(UrlFault::Whitespace);
        }
        if let Some((at, filler)) = filler_at_an_end(url) {
            return Err(UrlFault::Invisible(filler, at));
        }
        let start = after_scheme(url)?;
        let rest = &url[start..];
        let end = start + rest.find(['/', '?', '#']).unwrap_or(rest.len());
        if let Some((at, found)) = find(&url[start..end], |c| c.is_whitespace() || c == '\\') {
            let at = position(url, start + at);
            return Err(if found == '\\' {
                UrlFault::HostCharacter(found, at)
            } else {
                UrlFault::HostWhitespace(at)
            });
        }
        let at_sign = url[start..end].rfind('@').map(|at| start + at);
        let host = at_sign.map_or(start, |at| at + 1)..end;
        check_host_and_port(url, host.clone())?;
        let user = start..at_sign.unwrap_or(start);
        Ok(UrlParts { user, host })
    }
}

fn position(url: &str, at: usize) -> usize {
    url[..at].chars().count()
}

/// Returns a character at either end that only takes the room of one.
fn filler_at_an_end(url: &str) -> Option<(usize, char)> {
    let first = url.chars().next().map(|first| (0, first));
    let last = url.char_indices().next_back();
    let last = last.map(|(at, last)| (position(url, at), last));
    let mut ends = first.into_iter().chain(last);
    ends.find(|&(_, end)| is_blank(end) && !may_belong(end))
}

fn find(text: &str, is_it: impl Fn(char) -> bool) -> Option<(usize, char)> {
    text.char_indices().find(|&(_, character)| is_it(character))
}

/// Returns where another URL begins: after white space, or glued to the first one. A URL in the path or the query of another
/// stands behind a sign, as in `https://proxy/https://host` and `?url=https://host`.
fn second_url(url: &str) -> Option<usize> {
    let host = url.find("://")? + "://".len();
    let mut colons = url[host..].match_indices(':').map(|(at, _)| host + at);
    colons.find_map(|colon| {
        let (before, rest) = (&url[host..colon], &url[colon..]);
        let at = host + before.trim_end_matches(is_scheme_character).len();
        let scheme = &url[at..colon];
        let is_url = rest.starts_with("://") && is_scheme(scheme) || starts_magnet(scheme, rest);
        if is_url && is_apart(&url[..at]) {
            return Some(at);
        }
        let glued = GLUED.iter().find(|glued| ends_with(scheme, glued))?;
        let is_url = rest.starts_with("://") || starts_magnet(glued, rest);
        let at = colon - glued.len();
        (is_url && glues(&url[..at])).then_some(at)
    })
}

/// The schemes of links that people write one after the other without a space. A longer one stands before its own end.
const GLUED: [&str; 5] = ["https", "http", "magnet", "ed2k", "thunder"];

fn starts_magnet(scheme: &str, rest: &str) -> bool {
    scheme.eq_ignore_ascii_case("magnet") && rest.starts_with(":?")
}

/// Whether this ends in white space, be there an opening quote or bracket after it.
fn is_apart(before: &str) -> bool {
    let before = before.trim_end_matches(|c| "\"'`([{<“‘「『（【《〈＜".contains(c));
    before.ends_with(is_blank)
}

/// Whether a URL that follows this is not part of it, though no white space stands between.
fn glues(before: &str) -> bool {
    let is_escape = before
        .as_bytes()
        .last_chunk::<3>()
        .is_some_and(|[percent, digits @ ..]| {
            *percent == b'%' && digits.iter().all(u8::is_ascii_hexdigit)
        });
    before.ends_with(['，', '。', '、', '；', '：'])
        || before.ends_with(char::is_alphanumeric) && !is_escape
}

fn ends_with(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|found| found.eq_ignore_ascii_case(end))
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|found| found.eq_ignore_ascii_case(start))
}

fn starts_with_http(text: &str) -> bool {
    starts_with(text, "http://") || starts_with(text, "https://")
}

/// Returns where the host, or the user before it, begins.
fn after_scheme(url: &str) -> Result<usize, UrlFault> {
    if let Some((at, character)) = full_width_start(url) {
        return Err(UrlFault::FullWidth(character, at));
    }
    let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
    if !["https", "http"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http))
    {
        return Err(scheme_fault(url, scheme.to_ascii_lowercase(), rest));
    }
    let after_slashes = rest.trim_start_matches('/');
    let is_repeated = ["https", "http"].into_iter().any(|again| {
        let is_host = |rest: &str| rest.starts_with(":/") || rest.starts_with("//");
        starts_with(after_slashes, again) && is_host(&after_slashes[again.len()..])
    });
    if is_repeated {
        return Err(UrlFault::RepeatedScheme);
    }
    if !rest.starts_with("//") {
        return Err(UrlFault::NoHost);
    }
    Ok(scheme.len() + "://".len())
}

fn scheme_fault(url: &str, scheme: String, rest: &str) -> UrlFault {
    let http = ["http://", "https://"]
        .into_iter()
        .filter_map(|http| url.find(http))
        .min();
    let is_prefix = |before: &str| !before.contains(['/', '?']);
    match http {
        Some(at)
            if starts_with_http(rest.trim_start())
                || !is_scheme(&scheme) && is_prefix(&url[..at]) =>
        {
            UrlFault::Prefix(position(url, at))
        }
        _ if is_windows_path(url) => UrlFault::WindowsPath,
        _ if is_host_with_port(&scheme, rest) => UrlFault::HostWithPort,
        _ if may_be_quoted(&scheme, rest) => UrlFault::Scheme(Some(scheme)),
        _ => UrlFault::Scheme(None),
    }
}

/// Whether this can only be a scheme: the text before a colon may as well be a user's name or the start of a secret.
fn may_be_quoted(scheme: &str, rest: &str) -> bool {
    const KNOWN: [&str; 14] = [
        "about",
        "blob",
        "data",
        "ed2k",
        "file",
        "flashget",
        "ftp",
        "javascript",
        "magnet",
        "mailto",
        "qqdl",
        "sftp",
        "thunder",
        "urn",
    ];
    const MAX_QUOTED: usize = 12;
    let is_short = is_scheme(scheme) && scheme.len() <= MAX_QUOTED;
    KNOWN.contains(&scheme) || is_short && rest.starts_with('/')
}

/// Whether this is `C:\file`, `D:/file` or `\\server\share`.
fn is_windows_path(url: &str) -> bool {
    let url = url.trim_start_matches(['"', '\'']);
    let [drive, colon, slash, ..] = url.as_bytes() else {
        return false;
    };
    let is_drive = drive.is_ascii_alphabetic() && *colon == b':' && matches!(slash, b'\\' | b'/');
    is_drive || url.starts_with("\\\\")
}

/// Whether this is a scheme by RFC 3986, and not longer than any.
fn is_scheme(text: &str) -> bool {
    text.len() <= 20
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(is_scheme_character)
}

fn is_scheme_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.')
}

/// Whether this is `host:80` rather than a scheme.
fn is_host_with_port(host: &str, rest: &str) -> bool {
    let port = rest.split(['/', '?', '#']).next().unwrap_or("");
    let is_port = !port.is_empty() && check_port(port).is_ok();
    is_port && !host.is_empty() && host.chars().all(may_be_in_host)
}

/// Returns the first full-width character of an `http://` that was typed with some.
fn full_width_start(url: &str) -> Option<(usize, char)> {
    if url.is_ascii() {
        return None;
    }
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    };
    let start: String = url.chars().take("https://".len()).map(narrow).collect();
    let wide = url.chars().enumerate().find(|&(_, c)| narrow(c) != c)?;
    (starts_with_http(&start) && !starts_with_http(url)).then_some(wide)
}

fn check_host_and_port(url: &str, range: Range<usize>) -> Result<(), UrlFault> {
    let text = &url[range.clone()];
    if let Some(address) = text.strip_prefix('[') {
        let (address, port) = address.split_once(']').ok_or(UrlFault::Brackets)?;
        let (address, _zone) = address.split_once('%').unwrap_or((address, ""));
        if address.parse::<Ipv6Addr>().is_err() {
            return Err(UrlFault::Brackets);
        }
        return match port.strip_prefix(':') {
            Some(port) => check_port(port),
            None if port.is_empty() => Ok(()),
            None => Err(UrlFault::Brackets),
        };
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    if host.is_empty() {
        return Err(UrlFault::NoHost);
    }
    if let Some((at, character)) = find(host, |c| !may_be_in_host(c) && c != '%') {
        let at = position(url, range.start + at);
        return Err(UrlFault::HostCharacter(character, at));
    }
    check_port(port)?;
    let decoded = percent_decode_str(host).decode_utf8().ok();
    let is_host = |host: &str| host.chars().all(may_be_in_host) && find_invisible(host).is_none();
    let Some(decoded) = decoded.filter(|host| is_host(host)) else {
        let percent = range.start + host.find('%').unwrap_or(0);
        return Err(UrlFault::HostCharacter('%', position(url, percent)));
    };
    let dots = ['.', '。', '．', '｡'];
    let labels = decoded.strip_suffix(dots).unwrap_or(&decoded);
    if labels.split(dots).any(str::is_empty) {
        return Err(UrlFault::HostDots);
    }
    Ok(())
}

/// A port may be left out after its colon.
fn check_port(port: &str) -> Result<(), UrlFault> {
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = is_number && port.parse::<u16>().is_ok_and(|port| port > 0);
    if port.is_empty() || is_port {
        Ok(())
    } else {
        Err(UrlFault::Port)
    }
}

/// Whether the name of a host may have this character. Beyond ASCII anything may be in a name, except what ends one in a text.
fn may_be_in_host(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_');
    }
    !is_blank_in_host(character)
        && !"，、；：！？（）【】《》〈〉「」『』“”‘’…—／＼＠＃％＜＞＂＇".contains(character)
}

/// What may belong to the characters beside it is checked in the whole URL.
fn is_blank_in_host(character: char) -> bool {
    is_blank(character) && !may_belong(character)
}

/// Prints scheme, host and port of a URL: its other parts may be secret.
pub(crate) struct RedactedUrl<'a>(pub(crate) &'a str);

impl fmt::Debug for RedactedUrl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        let Ok(parts) = UrlParts::read(url) else {
            return f.write_str("\"…\"");
        };
        let user = if parts.user.is_empty() { "" } else { "…@" };
        let tail = match &url[parts.host.end..] {
            "" => "",
            "/" => "/",
            _ => "/…",
        };
        let (scheme, host) = (&url[..parts.user.start], &url[parts.host]);
        write!(f, "\"{scheme}{user}{host}{tail}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However a URL is read, it is the same.
    fn fault(url: &str) -> Option<UrlFault> {
        let carefully = UrlParts::read_carefully(url);
        if let Some(plain) = UrlParts::read_plain(url) {
            assert_eq!(carefully.as_ref(), Ok(&plain), "{url}");
        }
        carefully.err()
    }

    #[test]
    fn url_that_is_read_plainly_is_a_careful_one() {
        let mut rng = fastrand::Rng::with_seed(7);
        let parts = [
            "https://", "http://", "HTTP://", "a", "b.c", "例", ".", "-", "_", ":", ":80", "/",
            "?", "#", "@", "%41", " ", "\t", "[::1]", "magnet:?", "ed2k", "https", "x=1&y=2", "~",
            "\"", "\\",
        ];
        let mut plain = 0;
        for _ in 0..20_000 {
            let mut part = || *rng.choice(&parts).unwrap();
            let rest: String = (0..4).map(|_| part()).collect();
            let end: String = (0..4).map(|_| part()).collect();
            for url in [
                format!("https://{rest}"),
                format!("http://a.b{rest}"),
                format!("{rest}{end}"),
            ] {
                fault(&url);
                plain += usize::from(UrlParts::read_plain(&url).is_some());
            }
        }
        assert!(plain > 1_000, "{plain}");
    }

    #[test]
    fn http_urls_are_accepted() {
        let long = format!("https://a/{}", "页/".repeat(16 * 1024));
        for url in [
            "http://a",
            "https://example.com/video.mp4?sig=%E6%B5%8B&x=1#f",
            "HTTPS://例子.测试/视频 1.mp4",
            "https://例子。测试/",
            "https://user:pw@host:8443/",
            "https://us|er:p@ss@host/",
            "http://[::1]:8080/x",
            "http://[fe80::1%25eth0]/x",
            "http://[::ffff:1.2.3.4]",
            "https://host:/empty-port",
            "https://host:00080/",
            "https://host:65535",
            "https://example.com./",
            "https://a_b-c.example/",
            "https://%E4%BE%8B%E5%AD%90.example/",
            "https://می\u{200c}خواهم.example/",
            "https://💩.example/👨\u{200d}👩\u{200d}👧.mp4",
            "https://a/[x] (1)|{2} <b> \"c\" \\d ^`.mp4",
            "https://a/b。",
            "https://a/b\u{a0}c\u{3000}d",
            "https://a/Magnet: a story.mp4",
            "https://a/re: https x: ftp.mp4",
            "https://a/?u=magnet:?xt=1",
            "https://a/?u=ftp://b",
            "https://a/അവന്\u{200d}.mp4",
            "https://a/क्\u{200d}",
            "https://क्\u{200d}.example/",
            "https://a/葛\u{e0100}.mp4",
            "https://🏴\u{e0067}\u{e0062}\u{e007f}.example/",
            "https://a/b\u{2800}c\u{3164}d",
            "https://proxy/https://b/y",
            "https://proxy/?https://b/y",
            "https://proxy/?u=https://b/y&v=http://c",
            "https://proxy/?u=%22https://b/y%22",
            "https://proxy/fetch:https://b/y",
            "https://archive/web/2020id_/https://b/y",
            "https://a/?urls=https://b/y,https://c/z",
            "https://https.example/http/",
            "https://a/x.http",
            "http://http:8080/x",
            &long,
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
    }

    #[test]
    fn invalid_url_is_rejected_with_its_fault() {
        for (url, expected) in [
            ("", UrlFault::Empty),
            (" \u{3000}\u{200b}\n", UrlFault::Empty),
            ("\"https://a/\"", UrlFault::Prefix(1)),
            ("<https://a/>", UrlFault::Prefix(1)),
            ("[a](https://a/)", UrlFault::Prefix(4)),
            ("下载：https://a/", UrlFault::Prefix(3)),
            ("url:https://a/", UrlFault::Prefix(4)),
            ("https：//a/", UrlFault::FullWidth('：', 5)),
            ("https:／／a/", UrlFault::FullWidth('／', 6)),
            ("http:example.com", UrlFault::NoHost),
            ("https:/a/b", UrlFault::NoHost),
            ("https:\\\\a\\b", UrlFault::NoHost),
            ("http://", UrlFault::NoHost),
            ("https:///path", UrlFault::NoHost),
            ("https://user@/path", UrlFault::NoHost),
            ("https://:80/path", UrlFault::NoHost),
            (" https://a/", UrlFault::Whitespace),
            ("https://a/ ", UrlFault::Whitespace),
            ("https://a/\u{3000}", UrlFault::Whitespace),
            ("https://a/\n", UrlFault::Invisible('\n', 10)),
            ("https://a/\u{7f}", UrlFault::Invisible('\u{7f}', 10)),
            ("https://a/\u{85}b", UrlFault::Invisible('\u{85}', 10)),
            ("\u{feff}https://a/", UrlFault::Invisible('\u{feff}', 0)),
            (
                "https://a/页\u{200b}/b",
                UrlFault::Invisible('\u{200b}', 11),
            ),
            ("https://a/\u{2800}", UrlFault::Invisible('\u{2800}', 10)),
            ("\u{3164}https://a/", UrlFault::Invisible('\u{3164}', 0)),
            ("https://a/\u{e0100}", UrlFault::Invisible('\u{e0100}', 10)),
            ("https://a\u{202e}/b", UrlFault::Invisible('\u{202e}', 9)),
            ("http://https://a/", UrlFault::RepeatedScheme),
            ("https:https://a/", UrlFault::RepeatedScheme),
            ("https://http//a/", UrlFault::RepeatedScheme),
            ("HTTP://HTTP:/a/", UrlFault::RepeatedScheme),
            ("https://a b/", UrlFault::HostWhitespace(9)),
            ("https:// a/", UrlFault::HostWhitespace(8)),
            ("https://a\u{3000}/", UrlFault::HostWhitespace(9)),
            ("https://u ser@a/", UrlFault::HostWhitespace(9)),
            ("https://a%20b/", UrlFault::HostCharacter('%', 9)),
            ("https://a%2Fb/", UrlFault::HostCharacter('%', 9)),
            ("https://a%zz/", UrlFault::HostCharacter('%', 9)),
            ("https://a%E2%80%8D/", UrlFault::HostCharacter('%', 9)),
            ("https://a%E2%80%8B/", UrlFault::HostCharacter('%', 9)),
            ("https://<host>/", UrlFault::HostCharacter('<', 8)),
            ("https://a,b/", UrlFault::HostCharacter(',', 9)),
            ("https://a\\b", UrlFault::HostCharacter('\\', 9)),
            ("https://a，下载", UrlFault::HostCharacter('，', 9)),
            ("https://a：80/", UrlFault::HostCharacter('：', 9)),
            ("https://a[b/", UrlFault::HostCharacter('[', 9)),
            ("https://a]/", UrlFault::HostCharacter(']', 9)),
            ("https://.../x", UrlFault::HostDots),
            ("https://./", UrlFault::HostDots),
            ("https://a..b/", UrlFault::HostDots),
            ("https://.a/", UrlFault::HostDots),
            ("https://。。/", UrlFault::HostDots),
            ("https://a:abc/", UrlFault::Port),
            ("https://a:99999/", UrlFault::Port),
            ("https://a:-1/", UrlFault::Port),
            ("https://a:+80/", UrlFault::Port),
            ("https://a:0/", UrlFault::Port),
            ("https://a:80:80/", UrlFault::Port),
            ("https://a:８０/", UrlFault::Port),
            ("https://user:pass/word@a/", UrlFault::Port),
            ("https://2001:db8::1/", UrlFault::Port),
            ("https://[::1]:x/", UrlFault::Port),
            ("https://[::1/", UrlFault::Brackets),
            ("https://[::1]x/", UrlFault::Brackets),
            ("https://[]/", UrlFault::Brackets),
            ("https://[abc]/", UrlFault::Brackets),
            ("https://[1.2.3.4]/", UrlFault::Brackets),
        ] {
            assert_eq!(fault(url), Some(expected), "{url:?}");
        }
    }

    #[test]
    fn a_scheme_is_named_only_where_it_must_be_one() {
        let scheme = |scheme: &str| UrlFault::Scheme(Some(scheme.to_owned()));
        for (url, expected) in [
            ("example.com/file", UrlFault::Scheme(None)),
            ("example.com/?u=https://b/", UrlFault::Scheme(None)),
            ("//example.com/file", UrlFault::Scheme(None)),
            ("localhost:8080/x", UrlFault::HostWithPort),
            ("example.com:80/x", UrlFault::HostWithPort),
            ("127.0.0.1:9000", UrlFault::HostWithPort),
            ("例子.测试:443?x", UrlFault::HostWithPort),
            ("example.com:x", UrlFault::Scheme(None)),
            ("example.com:99999/x", UrlFault::Scheme(None)),
            ("C:\\x", UrlFault::WindowsPath),
            ("D:/x", UrlFault::WindowsPath),
            ("\"c:\\a b.mp4\"", UrlFault::WindowsPath),
            ("\\\\nas\\x", UrlFault::WindowsPath),
            ("eyJhbGciOi:x", UrlFault::Scheme(None)),
            ("eyJhbGciOiJIUzI1://x", UrlFault::Scheme(None)),
            ("s3cret:", UrlFault::Scheme(None)),
            ("user:s3cret@host/", UrlFault::Scheme(None)),
            ("MAGNET:x", scheme("magnet")),
            ("mailto:a@b", scheme("mailto")),
            ("s3:/b", scheme("s3")),
            ("wss://a/", scheme("wss")),
            ("magnet:?xt=urn:btih:0&tr=http://t/", scheme("magnet")),
            ("ed2k://|file|a|1|b|/", scheme("ed2k")),
            ("ftp://host/file", scheme("ftp")),
            ("thunder://QUFodHRw", scheme("thunder")),
            ("FILE:///etc/passwd", scheme("file")),
            ("xhttps://a/", scheme("xhttps")),
        ] {
            assert_eq!(fault(url), Some(expected), "{url:?}");
        }
    }

    #[test]
    fn a_second_url_is_found_with_its_position() {
        for (url, at) in [
            ("https://a/x https://b/y", 12),
            ("https://a/x\thttp://b/y", 12),
            ("https://a/x\r\nHTTPS://b/y", 13),
            ("https://a/x ftp://b/y", 12),
            ("https://a/x magnet:?xt=1", 12),
            ("https://a/x\u{200b}https://b", 12),
            ("https://a/x MAGNET:?xt=1", 12),
            ("https://a/x\u{3000}magnet:?xt=1", 12),
            ("https://a/x\u{a0}Magnet:?xt=1", 12),
            ("https://a/x\nmagnet:?xt=1", 12),
            ("https://a/x\u{a0}https://b", 12),
            ("https://a/x\u{3000}HTTPS://b", 12),
            ("https://a/x\u{2003}Ftp://b", 12),
            ("https://a/x\u{2028}ED2K://|f", 12),
            ("https://a/x\u{202f}thunder://Q", 12),
            ("https://a/x\u{2800}http://b", 12),
            ("https://a/x \"https://b\"", 13),
            ("https://a/x <magnet:?xt=1>", 13),
            ("https://a/x magnet:?a https://b", 12),
            ("https://a/xmagnet:?xt=1", 11),
            ("https://a/xED2K://|f", 11),
            ("https://a/x：https://b", 12),
            ("https://a magnet:?xt=1", 10),
            ("https://a/xhttps://b/y", 11),
            ("https://a/页https://b/y", 11),
            ("https://a/x.mp4http://b/y", 15),
            ("https://a/x，https://b/y", 12),
            ("http://a.bhttps://c", 10),
        ] {
            assert_eq!(fault(url), Some(UrlFault::SecondUrl(at)), "{url:?}");
        }
    }

    #[test]
    fn faults_say_what_to_do() {
        let message = |url| check_http_url("download URL", url).unwrap_err().to_string();
        assert_eq!(
            message("https://a/\u{200b}"),
            "the download URL has the invisible character U+200B at position 10: remove it, or percent-encode it if it belongs there"
        );
        assert_eq!(
            message("magnet:?xt=1"),
            "the download URL has the scheme `magnet:`, but the service accepts `http://` and `https://` only (no magnet, ed2k, \
             ftp or thunder links)"
        );
        assert_eq!(
            message("localhost:8080/x"),
            "the download URL is a host with a port, and `https://` is missing: write `https://` or `http://` before it"
        );
        let path = "the download URL is a path of a Windows computer, which the service cannot reach: it must be a URL that starts \
                    with `http://` or `https://`";
        assert_eq!(message("C:\\x"), path);
        for url in [
            "example.com/a",
            "file:///a",
            "",
            "\"https://a\"",
            "data:x",
            "C:\\x",
        ] {
            assert!(!message(url).contains("magnet"), "{url}");
        }
        // A password with a slash looks like a port.
        let text = message("https://user:canary/word@host");
        assert!(
            !text.contains("canary") && text.contains("password"),
            "{text}"
        );
    }

    #[test]
    fn only_scheme_host_and_port_are_printed() {
        let shown = |url| format!("{:?}", RedactedUrl(url));
        assert_eq!(shown("https://h/p?key=s3cret"), r#""https://h/…""#);
        assert_eq!(shown("https://u:s3cret@h:1/p@q#f"), r#""https://…@h:1/…""#);
        assert_eq!(shown("https://h?s3cret"), r#""https://h/…""#);
        assert_eq!(shown("https://h"), r#""https://h""#);
        assert_eq!(shown("https://h/"), r#""https://h/""#);
        assert_eq!(shown("http://s3cret@h"), r#""http://…@h""#);
        for url in [
            "https:/u:s3cret@h",
            "https://u:s3/cret@h",
            "https://u:s3cret?x@h",
            "https:u:s3cret@h",
            "s3cret",
        ] {
            assert_eq!(shown(url), r#""…""#, "{url}");
        }
    }
}
