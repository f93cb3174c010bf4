//! `pan123 serve`: a service that speaks aria2's RPC.

mod books;
mod events;
mod folders;
mod gate;
mod guard;
mod health;
mod listener;
mod metrics;
mod mirror;
mod names;
mod queue;
mod rpc;
mod service;
mod site;
mod socket;
mod web;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use pan123_async::proto::batch::{BatchPolicy, BatchReport};
use pan123_async::proto::offline::{CallbackKey, CallbackSigner};
use pan123_async::{Client, WatchPolicy};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::account::Secret;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folders as files;
use crate::ledgers::{Choice, ServerArgs, Store};
use crate::output::Output;
use crate::words::Lang;
use books::Books;
use events::{OpenBatch, Runner};
use folders::{Folders, MappedDir};
use gate::{Gate, PublicUrl};
use guard::{Guard, secret_in};
use health::Health;
use metrics::Metrics;
use names::CALLBACK_KEY;
use queue::{Callbacks, Queue};
use service::Service;
use site::Site;
use web::Web;

/// How long tasks are still followed after a stop: they go on at the service, and the next start follows them.
const GRACE: Duration = Duration::from_secs(1);
/// How long requests may take to end after a stop.
const REQUEST_GRACE: Duration = Duration::from_secs(5);

/// The intervals of polls if callbacks tell of ends.
const CALLBACK_INTERVAL: Duration = Duration::from_secs(15);
const MAX_CALLBACK_INTERVAL: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address and port to listen on
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6800")]
    listen: SocketAddr,
    /// The file of the secret that clients need; made at the first start [default: rpc-secret in the folder of the credentials]
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The ledger of the queue and the history, by its name or as a path, or the URL of one on PostgreSQL, which several machines share:
    /// postgres://USER@HOST:PORT/DATABASE [default: PAN123_LEDGER, or that of `pan123 download`]
    #[arg(long, value_name = "LEDGER")]
    ledger: Option<String>,
    /// The folder of the drive for downloads whose client names none
    #[arg(long, value_name = "PATH", value_parser = folders::drive_path)]
    dir: Option<String>,
    /// What a folder that clients name is in the drive, such as /downloads=/videos; may be repeated
    #[arg(long, value_name = "FROM=TO")]
    map_dir: Vec<MappedDir>,
    /// Serve a web page from this folder, such as AriaNg
    #[arg(long, value_name = "DIR")]
    ui: Option<PathBuf>,
    /// The URL at which 123pan reaches this service, to be told of ends; a proxy in front must keep the Host
    #[arg(long, value_name = "URL", value_parser = PublicUrl::parse)]
    public_url: Option<PublicUrl>,
    /// A host name by which clients reach this service, besides localhost and addresses; may be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// An origin whose pages may call, such as https://ui.example, `null` for a page in a file, or `*`; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let choice = Choice::new(app, args.ledger.as_deref(), &args.server)?;
    let client = app.client_on(&choice)?;
    let ledger = choice.find_or_default(app, &client)?.ledger;
    let secret_file = match args.secret_file.clone() {
        Some(path) => path,
        None => files::config()?.join("rpc-secret"),
    };
    let guard = Guard::new(&secret_in(&secret_file)?);
    let site = args.ui.as_deref().map_or(Ok(Site::BuiltIn), site_in)?;
    let listener = listen(args.listen).await?;
    let address = listener.local_addr()?;

    let ledger = Arc::new(ledger);
    let mut books = Books::open(Arc::clone(&ledger), &client.session().ledger_account())?;
    let public = args.public_url.as_ref();
    let callbacks = public.map(|public| callbacks(public, &mut books));
    let callbacks = callbacks.transpose()?;
    let open = batches(&client, &ledger, callbacks.is_some());
    let batch = open()?;
    let health = Arc::new(Health::new(app.requests.clone()));
    let queue = Queue::new(books, batch.handle(), callbacks, Arc::clone(&health));
    let service = Service::new(
        queue.clone(),
        guard,
        client.clone(),
        Folders::new(client.clone(), args.map_dir),
        args.dir,
        app.stop.clone(),
    )
    .map_err(io::Error::from)?;
    let gate = Gate {
        hosts: args.allow_host,
        origins: args.allow_origin,
        public: args.public_url,
    };
    let (close, closing) = watch::channel(false);
    let metrics = Arc::new(Metrics::new(app.requests.clone()));
    let web = Web::new(
        service,
        gate,
        site,
        Arc::clone(&metrics),
        Arc::clone(&health),
        closing,
    );
    let web = Arc::new(web);
    started(app.out, address, &secret_file, &ledger.place())?;

    let answer = move |request| web::handle(Arc::clone(&web), request);
    let serving = tokio::spawn(listener::serve(listener, app.stop.clone(), answer));
    let runner = Runner {
        queue: queue.clone(),
        client,
        metrics,
        health,
        stop: app.stop.clone(),
        open,
        out: app.out,
    };
    let mut working = tokio::spawn(runner.run(batch));
    let early = tokio::select! {
        () = app.stop.requested() => None,
        report = &mut working => Some(report),
    };
    app.stop.request();
    close.send_replace(true);
    queue.batch().stop();
    // What does not end in time is cut off.
    let _ = timeout(REQUEST_GRACE, serving).await;
    let report = match early {
        Some(report) => report,
        None => working.await,
    };
    ended(app.out, report.ok().flatten())
}

fn policy(has_callbacks: bool) -> BatchPolicy {
    let policy = BatchPolicy::default().grace(GRACE);
    if !has_callbacks {
        return policy;
    }
    let watch = WatchPolicy::default()
        .interval(CALLBACK_INTERVAL)
        .max_interval(MAX_CALLBACK_INTERVAL);
    policy.watch(watch)
}

fn site_in(folder: &Path) -> Result<Site, Failure> {
    Site::folder(folder).map_err(|error| {
        let folder = folder.display();
        Failure::usage(Lang::of_environment().pick(
            format!("the folder {folder} of --ui cannot be served: {error}"),
            format!("无法提供 --ui 的文件夹 {folder}：{error}"),
        ))
    })
}

/// Returns how the batch is opened: once at the start, and again after a fault of a ledger that machines share.
fn batches(client: &Client, ledger: &Arc<Store>, has_callbacks: bool) -> Arc<OpenBatch> {
    let (client, ledger) = (client.clone(), Arc::clone(ledger));
    Arc::new(move || {
        let offline = client.offline_download();
        offline.batch_of_stream(&*ledger, stream::pending(), policy(has_callbacks))
    })
}

/// The key that signs is kept, so that callbacks of tasks of earlier runs count, and is that of all machines that share the ledger.
fn callbacks(public: &PublicUrl, books: &mut Books) -> Result<Callbacks, Failure> {
    let key = secret_in(&files::config()?.join("callback-key"))?;
    let key = match books.shared_secret(CALLBACK_KEY, key.expose())? {
        Some(shared) => Secret::new(shared),
        None => key,
    };
    Ok(Callbacks {
        signer: CallbackSigner::new([CallbackKey::new("1", key.expose())?])?,
        url: public.url.clone(),
    })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let lang = Lang::of_environment();
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => lang.pick(
                "; stop the program that uses it, perhaps aria2, or choose another with --listen",
                "；请停止占用它的程序（可能是 aria2），或用 --listen 另选地址",
            ),
            _ => "",
        };
        let message = lang.pick(
            format!("{address} cannot be listened on: {error}{hint}"),
            format!("无法监听 {address}：{error}{hint}"),
        );
        Failure::new(Exit::Failed, message)
    })
}

fn started(out: Output, address: SocketAddr, secret: &Path, ledger: &str) -> io::Result<()> {
    let url = format!("http://{address}/jsonrpc");
    let secret = secret.display();
    out.result(
        &out.lang.pick(
            format!(
                "listening on {url}\nthe secret for clients is in {secret}\nthe ledger is {ledger}"
            ),
            format!("正在监听 {url}\n客户端所需的密钥在 {secret}\n台账是 {ledger}"),
        ),
        &json!({
            "type": "serving",
            "url": url,
            "secret_file": secret.to_string(),
            "ledger": ledger,
        }),
    )?;
    if !address.ip().is_loopback() {
        out.note(out.lang.pick(
            "other machines reach this address, and the secret is sent to it unencrypted: use it in a network you trust, or behind a proxy with TLS",
            "其他机器可以访问该地址，而密钥以明文传送：请只在可信网络中使用，或放在带 TLS 的代理之后",
        ));
    }
    Ok(())
}

/// A stop that somebody asked for is a success.
fn ended(out: Output, report: Option<BatchReport>) -> Result<Exit, Failure> {
    let Some(report) = report else {
        let message = out
            .lang
            .pick("the batch ended without a report", "批处理结束，但没有结果");
        return Err(Failure::new(Exit::Failed, message));
    };
    if let Some(fault) = report.fault {
        return Err(fault.into());
    }
    let counts = report.to_string();
    let object = json!({ "type": "stopped", "report": counts });
    out.result(
        &out.lang
            .pick(format!("stopped: {counts}"), format!("已停止：{counts}")),
        &object,
    )?;
    Ok(Exit::Success)
}
