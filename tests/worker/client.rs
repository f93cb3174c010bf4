//! A process with one client: it asks who it is and says how that went.
//!
//! Arguments: `async` or `blocking`, the base URL, the token file, the time for the call and for a request in milliseconds.
//! Or `app`, the base URL, the token file and a refresh token: the same as an app that acts for a user; `dying-app` dies when a
//! pair is to be saved. Or `fork` and the base URL: after a call it forks, and both processes ask for the progress of tasks of their
//! own, which the server tells by their ids. Or `save`, the token file and the length of the longest token: it saves tokens until it is killed.

use std::time::Duration;

use pan123_mock::{CLIENT_ID, CLIENT_SECRET};
use pan123_proto::user::UserInfo;
use pan123_proto::{ClockSkew, Error, OAuth, OpenTokenStore};
use pan123_proto::{Pacing, RetryPolicy, TaskId};
use pan123_store::{Account, FileStore, StoreOp, StoreResult, StoredToken, TokenStore};

pub(crate) fn run(arguments: &[String]) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["save", file, longest] => save_until_killed(file, longest.parse().unwrap()),
        ["blocking", url, file, call, request] => {
            let builder = pan123_blocking::Client::builder()
                .credentials(CLIENT_ID, CLIENT_SECRET)
                .base_url(url)
                .token_store(FileStore::new(file))
                .call_timeout(millis(call))
                .request_timeout(millis(request));
            builder.build().unwrap().user_info()
        }
        ["async", url, file, call, request] => {
            let builder = pan123_async::Client::builder()
                .credentials(CLIENT_ID, CLIENT_SECRET)
                .base_url(url)
                .token_store(FileStore::new(file))
                .call_timeout(millis(call))
                .request_timeout(millis(request));
            let client = builder.build().unwrap();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build();
            runtime.unwrap().block_on(client.user_info())
        }
        ["fork", url] => ask_in_both_processes(url),
        ["app", url, file, token] => app(url, token, FileStore::new(file)),
        ["dying-app", url, file, token] => app(url, token, CrashingStore(FileStore::new(file))),
        _ => panic!("wrong arguments: {arguments:?}"),
    };
    match result {
        Ok(_) => println!("ok"),
        Err(error) => println!("{:?}: {error}", error.kind()),
    }
}

fn ask_in_both_processes(url: &str) -> Result<UserInfo, Error> {
    let client = pan123_blocking::Client::builder()
        .access_token("eyJ.of.somebody")
        .base_url(url)
        .pacing(Pacing::off())
        .build()
        .unwrap();
    let right = |task: u8| {
        let progress = client
            .offline_download()
            .progress(TaskId::new(u64::from(task)).unwrap());
        format!("{:?}", progress.unwrap()).contains(&format!("{task}.0"))
    };
    assert!(right(90), "a connection is kept from now on");
    let unknown = unknown_host();
    let failure = format!("{:?}", unknown.user_info().unwrap_err());
    let is_child = matches!(fork::fork(), Ok(fork::Fork::Child));
    let again = format!("{:?}", unknown.user_info().unwrap_err());
    assert_eq!(again, failure, "a lookup ends in either process");
    let tasks = if is_child { 11..31 } else { 41..61 };
    let right = tasks.filter(|task| right(*task)).count();
    println!("{right} of 20");
    std::process::exit(0)
}

/// A client of a host whose name is too long: its lookup fails at once, so that its thread is idle from then on.
fn unknown_host() -> pan123_blocking::Client {
    let builder = pan123_blocking::Client::builder()
        .access_token("eyJ.of.somebody")
        .base_url(format!("http://{}.invalid", "n".repeat(64)))
        .allow_credentials_over_plain_http(true)
        .retry(RetryPolicy::default().max_attempts(1))
        .connect_timeout(Duration::from_secs(2));
    builder.build().unwrap()
}

fn app(url: &str, refresh_token: &str, store: impl TokenStore) -> Result<UserInfo, Error> {
    let app = OAuth::new(CLIENT_ID, CLIENT_SECRET).refresh_token(refresh_token);
    let builder = pan123_blocking::Client::builder()
        .oauth(app)
        .base_url(url)
        .token_store(store);
    builder.build().unwrap().user_info()
}

/// A store that ends its process on a save, as a power cut would.
struct CrashingStore(FileStore);

impl TokenStore for CrashingStore {
    fn open(&self, account: &Account) -> Box<dyn OpenTokenStore> {
        struct Open(Box<dyn OpenTokenStore>);
        impl OpenTokenStore for Open {
            fn run(&mut self, op: StoreOp) -> StoreResult {
                match op {
                    StoreOp::Save(_) => std::process::abort(),
                    other => self.0.run(other),
                }
            }
        }
        Box::new(Open(self.0.open(account)))
    }
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().unwrap())
}

/// Tokens of very different lengths, so that a mixture of two would show.
fn save_until_killed(file: &str, longest: usize) -> Result<UserInfo, Error> {
    let account = Account::new("http://127.0.0.1", CLIENT_ID);
    let mut store = FileStore::new(file).open(&account);
    assert!(matches!(store.run(StoreOp::Lock), StoreResult::Locked));
    for round in 0_usize.. {
        let value = "x".repeat(1 + round * 7919 % longest);
        let token = StoredToken::new(
            account.clone(),
            value,
            None,
            ClockSkew::Ahead(Duration::ZERO),
        );
        let saved = store.run(StoreOp::Save(token));
        assert!(matches!(saved, StoreResult::Saved), "{saved:?}");
        if round == 0 {
            println!("saving");
        }
    }
    unreachable!("it is killed before")
}
