//! From the start of a process to the end of its first call, with a token that an earlier one stored in a file: ours, and as floors the
//! bare reqwest and ureq that are given the token.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use pan123_proto::{ClockSkew, Pacing, Session, StoreOp, StoreResult, StoredToken, TokenStore};
use pan123_store::FileStore;

use crate::clients::{self, URL};
use crate::measure::{Spread, on_cpu, output, this_program};
use crate::stub::Stub;

const PAIRS: usize = 31;
const CLIENT: (&str, &str) = ("client id", "client secret");

pub(crate) fn table(out: &mut impl Write) -> io::Result<()> {
    let stub = Stub::start_by(&mut this_program(on_cpu("1"), &["stub"]));
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("token.json");
    store_token(&file, &stub.url());
    let file = file.to_str().expect("a path of characters");
    writeln!(
        out,
        "| start to first answer, medians of {PAIRS} pairs | ours | floor | difference |\n|---|---|---|---|"
    )?;
    for client in ["async", "blocking"] {
        let took = |subject| {
            let arguments = ["start", client, subject, file];
            let mut child = this_program(on_cpu("0"), &arguments);
            let began = Instant::now();
            output(child.env(URL, stub.url()));
            began.elapsed().as_secs_f64() * 1e3
        };
        let pairs: Vec<_> = (0..PAIRS).map(|_| (took("ours"), took("floor"))).collect();
        let ours = Spread::of(pairs.iter().map(|(ours, _)| *ours)).median;
        let floor = Spread::of(pairs.iter().map(|(_, floor)| *floor)).median;
        let more = Spread::of(pairs.iter().map(|(ours, floor)| ours - floor)).median;
        writeln!(
            out,
            "| {client} | {ours:.2} ms | {floor:.2} ms | {more:.2} ms |"
        )?;
        out.flush()?;
    }
    // Only the token of the file was used.
    let (_, requests) = stub.counts();
    assert_eq!(requests, 4 * PAIRS, "one request for each process");
    Ok(())
}

fn store_token(file: &Path, url: &str) {
    let session = Session::builder().credentials(CLIENT.0, CLIENT.1);
    let session = session.base_url(url).build().expect("a session");
    let account = session.account().expect("there are credentials");
    let mut store = FileStore::new(file).open(&account);
    let expires = SystemTime::now() + Duration::from_secs(30 * 24 * 3600);
    let token = StoredToken::new(
        account,
        clients::token(),
        Some(expires),
        ClockSkew::Ahead(Duration::ZERO),
    );
    for op in [StoreOp::Lock, StoreOp::Save(token), StoreOp::Unlock] {
        let result = store.run(op);
        assert!(
            matches!(
                result,
                StoreResult::Locked | StoreResult::Saved | StoreResult::Unlocked
            ),
            "{result:?}"
        );
    }
}

/// What a child process does: one call.
pub(crate) fn run(client: &str, subject: &str, file: &str) {
    let store = || FileStore::new(file);
    match (client, subject) {
        ("async", "ours") => {
            let builder = pan123_async::Client::builder().credentials(CLIENT.0, CLIENT.1);
            let builder = builder.token_store(store()).base_url(clients::base());
            let client = builder.pacing(Pacing::off()).build().expect("a client");
            let progress = client.offline_download().progress(clients::task());
            clients::on_tokio(progress).expect("a progress");
        }
        ("blocking", "ours") => {
            let builder = pan123_blocking::Client::builder().credentials(CLIENT.0, CLIENT.1);
            let builder = builder.token_store(store()).base_url(clients::base());
            let client = builder.pacing(Pacing::off()).build().expect("a client");
            let progress = client.offline_download().progress(clients::task());
            progress.expect("a progress");
        }
        ("async", "floor") => clients::floor_async_one(1),
        ("blocking", "floor") => clients::floor_blocking_one(1),
        _ => panic!("`async` or `blocking`, `ours` or `floor`"),
    }
}
