//! `pan123 login --oauth`: the user authorizes an app in a browser, which brings the code back to this machine.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use pan123_async::{Client, OAuth};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::account::Credentials;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::words::{Lang, hex, shown};

/// Where the browser comes back to, unless the user says otherwise.
pub(super) const REDIRECT_URI: &str = "http://127.0.0.1:12353/";

/// How long the browser may take to get its last page.
const LAST_PAGE: Duration = Duration::from_secs(2);

/// What the browser brings back: the code, or why there is none.
type Answer = Result<String, String>;

/// Has the user authorize the app of this client, whose token store then holds the first pair.
pub(super) async fn authorize(
    app: &App,
    client: &Client,
    credentials: &Credentials,
    redirect_uri: &str,
) -> Result<(), Failure> {
    let (listener, redirect_uri) = listen(app.out.lang, redirect_uri).await?;
    let state = unguessable()?;
    let oauth = OAuth::new(&credentials.client_id, credentials.client_secret.expose());
    let page = oauth.authorize_url(&redirect_uri, &state)?;
    let text = app.out.lang.pick(
        format!(
            "open this page in a browser on this machine, and authorize the app there:\n{page}"
        ),
        format!("请在本机的浏览器中打开此页面并授权：\n{page}"),
    );
    app.out
        .result(&text, &json!({ "type": "authorize", "url": page }))?;
    let code = wait_for_code(app.out.lang, listener, state).await?;
    Ok(client.authorize(&code, &redirect_uri).await?)
}

/// Listens where the redirect URI leads to: its port of this machine. Returns the URI, in which a port of 0 has become the one that was free.
async fn listen(lang: Lang, redirect_uri: &str) -> Result<(TcpListener, String), Failure> {
    let wrong = || {
        Failure::usage(lang.pick(
            format!("the redirect URI must lead to a port of this machine, such as `{REDIRECT_URI}`, and be registered for the app"),
            format!("重定向 URI 必须指向本机的端口（如 `{REDIRECT_URI}`），并已为该应用登记"),
        ))
    };
    let uri: Uri = redirect_uri.parse().map_err(|_| wrong())?;
    let is_plain = uri.scheme_str() == Some("http") && uri.query().is_none();
    let (Some(host), Some(port), true) = (uri.host(), uri.port_u16(), is_plain) else {
        return Err(wrong());
    };
    let address = match host {
        "127.0.0.1" | "localhost" => "127.0.0.1",
        "[::1]" => "::1",
        _ => return Err(wrong()),
    };
    let listener = TcpListener::bind((address, port)).await.map_err(|error| {
        let message = lang.pick(
            format!(
                "cannot listen on port {port} for the browser: {error}; --redirect-uri sets another"
            ),
            format!("无法监听端口 {port} 以等待浏览器：{error}；可用 --redirect-uri 指定其他端口"),
        );
        Failure::new(Exit::Failed, message)
    })?;
    let port = listener.local_addr()?.port();
    let uri = format!("http://{host}:{port}{}", uri.path());
    Ok((listener, uri))
}

/// Returns 128 random bits in hexadecimal digits.
fn unguessable() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Failed, format!("no random numbers: {error}")))?;
    Ok(hex(&bytes))
}

/// What the page that the browser comes back to needs.
#[derive(Debug)]
struct Expected {
    state: String,
    answers: mpsc::Sender<Answer>,
}

/// Serves the page that the browser comes back to, until it brings the code.
async fn wait_for_code(
    lang: Lang,
    listener: TcpListener,
    state: String,
) -> Result<String, Failure> {
    let (send, mut answers) = mpsc::channel(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let expected = Arc::new(Expected {
        state,
        answers: send,
    });
    // At any path: the state tells whether it is the page.
    let pages = Router::new().fallback(came_back).with_state(expected);
    let server = axum::serve(listener, pages).with_graceful_shutdown(async {
        // It fails once the code is there, too.
        let _ = stopped.await;
    });
    let serving = tokio::spawn(server.into_future());
    let answer = answers.recv().await;
    drop(stop);
    // The browser still gets its page; a connection that it keeps for later is not waited for.
    let _ = tokio::time::timeout(LAST_PAGE, serving).await;
    match answer {
        Some(Ok(code)) => Ok(code),
        Some(Err(reason)) => {
            let reason = shown(&reason);
            Err(Failure::credentials(lang.pick(
                format!("the app was not authorized: {reason}"),
                format!("应用未获授权：{reason}"),
            )))
        }
        None => Err(Failure::new(
            Exit::Failed,
            "the page for the browser has failed",
        )),
    }
}

/// The page that the browser comes back to. What comes with another state was not asked for from here.
async fn came_back(State(expected): State<Arc<Expected>>, uri: Uri) -> (StatusCode, &'static str) {
    let mut fields = [None, None, None];
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if let Some(index) = ["state", "code", "error"].iter().position(|it| *it == name) {
            fields[index] = Some(value.into_owned());
        }
    }
    let [state, code, error] = fields;
    if state.as_ref() != Some(&expected.state) {
        return (
            StatusCode::BAD_REQUEST,
            "This is not the page that pan123 waits for.\n",
        );
    }
    let answer = match (code, error) {
        (Some(code), None) => Ok(code),
        (_, Some(error)) => Err(error),
        (None, None) => Err("no code came back".to_owned()),
    };
    // Only the first answer counts.
    let _ = expected.answers.try_send(answer);
    (
        StatusCode::OK,
        "pan123 has the answer. You can close this page. / pan123 已收到结果，可以关闭此页面。\n",
    )
}
