//! `pan123 login`.

mod oauth;

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueHint;
use pan123_async::Client;
use pan123_async::proto::user::UserInfo;
use pan123_store::{FileStore, MemoryStore, StoreOp, StoreResult, TokenStore};
use serde::Deserialize;
use serde_json::json;

use crate::account::{self, Credentials, Kind, Secret};
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folders;
use crate::ledgers::{Choice, ServerArgs};
use crate::output::Output;
use crate::words::{Lang, shown};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Read the client id and the client secret from standard input: two lines, or JSON with `client_id` and `client_secret`
    #[arg(long, conflicts_with = "file")]
    stdin: bool,
    /// Read them from a file of the same form
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Act for a user who authorizes an app in a browser; the credentials are then the app's
    #[arg(long)]
    oauth: bool,
    /// Where the browser brings the code: a port of this machine, as it is registered for the app; port 0 takes a free one
    #[arg(long, value_name = "URL", default_value = oauth::REDIRECT_URI, requires = "oauth")]
    redirect_uri: String,
    /// Credentials are never taken from here; this only catches them.
    #[arg(hide = true, allow_hyphen_values = true, value_hint = ValueHint::Other)]
    misplaced: Vec<Secret>,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    if !args.misplaced.is_empty() {
        return Err(misplaced(app.out));
    }
    let mut credentials = read(app, &args).await?;
    if args.oauth {
        credentials.kind = Kind::Oauth;
    }
    let store = MemoryStore::new();
    let client = credentials.client(store.clone())?;
    if args.oauth {
        oauth::authorize(app, &client, &credentials, &args.redirect_uri).await?;
    }
    let user = client.user_info().await?;
    keep_token(app, &client, &store, &credentials)?;
    credentials.save()?;
    report(app.out, &user)?;
    Ok(Exit::Success)
}

/// Refuses credentials on the command line, without repeating them.
fn misplaced(out: Output) -> Failure {
    Failure::usage(out.lang.pick(
        "`login` takes no credentials on the command line, where other users see them in `ps` and the shell keeps them in its history: \
         run `pan123 login` to be asked for them, or use --stdin, --file FILE, or PAN123_CLIENT_ID and PAN123_CLIENT_SECRET; it has no \
         other arguments",
        "`login` 不接受命令行中的凭据：其他用户可以用 `ps` 看到它们，shell 也会把它们记入历史。请运行 `pan123 login` 按提示输入，或使用 \
         --stdin、--file FILE，或 PAN123_CLIENT_ID 和 PAN123_CLIENT_SECRET；它没有其他参数",
    ))
}

async fn read(app: &App, args: &Args) -> Result<Credentials, Failure> {
    let (lang, base_url) = (app.out.lang, app.base_url.clone());
    let Pair {
        client_id,
        client_secret,
    } = if args.stdin {
        read_input(lang).await?
    } else if let Some(file) = &args.file {
        Pair::read_file(file, lang)?
    } else if let Some(found) = account::credentials_of_environment(lang, base_url.clone())? {
        return Ok(found);
    } else {
        ask(app.out).await?
    };
    Ok(Credentials {
        kind: Kind::Developer,
        client_id,
        client_secret,
        base_url,
    })
}

/// A client id and its secret.
#[derive(Debug, Deserialize)]
struct Pair {
    #[serde(alias = "clientID", alias = "clientId")]
    client_id: String,
    #[serde(alias = "clientSecret")]
    client_secret: Secret,
}

impl Pair {
    /// Reads two lines, or a JSON object.
    fn parse(text: &str, lang: Lang) -> Result<Pair, Failure> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.starts_with('{') {
            // The error of the parser would quote the secret.
            return serde_json::from_str(text).map_err(|_| {
                Failure::usage(lang.pick(
                    "the JSON must be an object with the strings `client_id` and `client_secret`",
                    "JSON 应为含有字符串 `client_id` 和 `client_secret` 的对象",
                ))
            });
        }
        let lines = text.lines().map(str::trim).filter(|it| !it.is_empty());
        match lines.collect::<Vec<_>>()[..] {
            [id, secret] => Ok(Pair {
                client_id: id.to_owned(),
                client_secret: Secret::new(secret),
            }),
            ref lines => Err(not_two_lines(lang, lines.len())),
        }
    }

    fn read_file(path: &Path, lang: Lang) -> Result<Pair, Failure> {
        let text = fs::read_to_string(path).map_err(|error| Failure {
            exit: Exit::Usage,
            ..folders::failed("read", path, &error)
        })?;
        Pair::parse(&text, lang)
    }
}

fn not_two_lines(lang: Lang, count: usize) -> Failure {
    Failure::usage(lang.pick(
        format!(
            "expected two lines, the client id and the client secret, or a JSON object with `client_id` and `client_secret`; got {count} \
             lines"
        ),
        format!(
            "应为两行（client id 和 client secret），或含有 `client_id` 和 `client_secret` 的 JSON 对象；实际为 {count} 行"
        ),
    ))
}

async fn read_input(lang: Lang) -> Result<Pair, Failure> {
    let read = tokio::task::spawn_blocking(|| io::read_to_string(io::stdin()));
    let text = read.await.map_err(io::Error::other)?.map_err(|error| {
        Failure::usage(lang.pick(
            format!("standard input cannot be read: {error}"),
            format!("无法读取标准输入：{error}"),
        ))
    })?;
    Pair::parse(&text, lang)
}

/// Asks at the terminal, the secret without echo.
async fn ask(out: Output) -> Result<Pair, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(out.lang.pick(
            "there is no terminal to ask for the credentials at: use --stdin, --file FILE, or PAN123_CLIENT_ID and PAN123_CLIENT_SECRET",
            "没有可供输入凭据的终端：请使用 --stdin、--file FILE，或 PAN123_CLIENT_ID 和 PAN123_CLIENT_SECRET",
        )));
    }
    let asked = tokio::task::spawn_blocking(move || {
        write!(io::stderr(), "client id: ")?;
        let mut id = String::new();
        io::stdin().lock().read_line(&mut id)?;
        let secret = rpassword::prompt_password("client secret: ")?;
        Ok::<_, io::Error>((id, secret))
    });
    let (id, secret) = match asked.await.map_err(io::Error::other)? {
        // Ctrl-C at the prompt without echo.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            return Err(Failure::interrupted(out.lang));
        }
        asked => asked?,
    };
    Ok(Pair {
        client_id: id.trim().to_owned(),
        client_secret: Secret::new(secret.trim()),
    })
}

/// Stores the token that proved the credentials, so that the commands to come need no other: on the server of the environment's ledger,
/// or in a file of this machine.
fn keep_token(
    app: &App,
    client: &Client,
    store: &MemoryStore,
    credentials: &Credentials,
) -> Result<(), Failure> {
    let account = client.session().account();
    let Some((account, token)) = account.and_then(|it| store.token(&it).map(|token| (it, token)))
    else {
        return Ok(());
    };
    let ledger = Choice::new(app, None, &ServerArgs::default())?;
    let mut kept = if let Some(server) = ledger.server() {
        server.open_tokens(&account)
    } else {
        let path = credentials.token_file()?;
        folders::create_private(&folders::config()?)?;
        FileStore::new(path).open(&account)
    };
    check_stored(&kept.run(StoreOp::Lock))?;
    check_stored(&kept.run(StoreOp::Save(token)))
}

fn check_stored(result: &StoreResult) -> Result<(), Failure> {
    let message = match result {
        StoreResult::Busy => "another process uses the token just now: run the command again",
        StoreResult::Failed(text) | StoreResult::Unavailable(text) => text,
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::Failed, message))
}

fn report(out: Output, user: &UserInfo) -> Result<(), Failure> {
    let name = shown(&user.nickname);
    let text = out.lang.pick(
        format!("logged in as {name} (account {})", user.uid),
        format!("已登录：{name}（账号 {}）", user.uid),
    );
    let object = json!({ "type": "login", "uid": user.uid, "nickname": user.nickname });
    Ok(out.result(&text, &object)?)
}
