//! Real processes that share one token file.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]
#![allow(clippy::print_stdout, reason = "the figures are what one looks for")]

#[cfg(unix)]
mod batches;
#[cfg(unix)]
mod fleet;
#[cfg(unix)]
mod machines;
mod mounts;

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pan123_mock::{CLIENT_ID, CannedResponse, MockPan123, TcpServer, TokenPair, path};
use pan123_store::{Account, FileStore, StoreOp, StoreResult, TokenStore};

/// The program that is started.
const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const PROCESSES: usize = 10;
/// Longer than any test takes on a busy machine.
const LONG_TIMEOUT: Duration = Duration::from_secs(300);

struct TokenFile {
    _directory: tempfile::TempDir,
    file: PathBuf,
}

fn token_file() -> TokenFile {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token.json");
    TokenFile {
        _directory: directory,
        file,
    }
}

impl TokenFile {
    fn command(&self, kind: &str, url: &str, call: Duration, request: Duration) -> Command {
        let mut command = Command::new(WORKER);
        command
            .args(["client", kind, url])
            .arg(&self.file)
            .args([call, request].map(|time| time.as_millis().to_string()))
            .stdout(Stdio::piped());
        command
    }

    fn start(&self, kind: &str, url: &str, call: Duration, request: Duration) -> Child {
        self.command(kind, url, call, request).spawn().unwrap()
    }

    /// Both kinds of client, one after the other.
    fn start_all(&self, number: usize, url: &str) -> Vec<Child> {
        let kinds = ["blocking", "async"].into_iter().cycle();
        let start = |kind| self.start(kind, url, LONG_TIMEOUT, LONG_TIMEOUT);
        kinds.take(number).map(start).collect()
    }

    /// Returns the stored token, which must be complete or absent.
    fn stored(&self, account: &Account) -> Option<String> {
        match FileStore::new(&self.file).open(account).run(StoreOp::Load) {
            StoreResult::Loaded(token) => token.map(|token| token.expose().to_owned()),
            other => panic!("{other:?}"),
        }
    }
}

impl TokenFile {
    fn start_app(&self, kind: &str, mock: &MockPan123, pair: &TokenPair) -> Child {
        let mut command = Command::new(WORKER);
        command
            .args(["client", kind, &mock.base_url()])
            .arg(&self.file)
            .arg(&pair.refresh_token)
            .stdout(Stdio::piped());
        command.spawn().unwrap()
    }
}

fn output_of(process: Child) -> String {
    let output = process.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn assert_all_ok(processes: Vec<Child>) {
    for process in processes {
        assert_eq!(output_of(process), "ok");
    }
}

fn issued(mock: &MockPan123) -> usize {
    mock.service(|service| service.tokens_issued())
}

fn token_requests(mock: &MockPan123) -> usize {
    requests_to(mock, path::ACCESS_TOKEN)
}

fn pairs_asked_for(mock: &MockPan123) -> usize {
    requests_to(mock, path::OAUTH_TOKEN)
}

fn requests_to(mock: &MockPan123, path: &str) -> usize {
    let requests = mock.requests();
    let asked = requests.iter().filter(|request| request.path() == path);
    asked.count()
}

/// Blocks until a token was requested.
fn until_asked(mock: &MockPan123) {
    let asked = mock.wait_for(LONG_TIMEOUT, |service| {
        let mut requests = service.requests().iter();
        requests
            .find(|request| request.path() == path::ACCESS_TOKEN)
            .map(drop)
    });
    asked.expect("a request for a token");
}

#[test]
fn ten_processes_with_an_empty_store_issue_one_token() {
    let (mock, token_file) = (MockPan123::start_blocking(), token_file());
    assert_all_ok(token_file.start_all(PROCESSES, &mock.base_url()));
    assert_eq!((issued(&mock), token_requests(&mock)), (1, 1));

    assert_all_ok(token_file.start_all(2, &mock.base_url()));
    assert_eq!(issued(&mock), 1, "a restart issues none");
}

/// Some know the file by its path, the others by a link to it.
#[cfg(unix)]
#[test]
fn ten_processes_of_which_some_follow_a_link_issue_one_token() {
    let mock = MockPan123::start_blocking();
    let [token_file, other] = [token_file(), token_file()];
    std::os::unix::fs::symlink(&token_file.file, &other.file).unwrap();
    let mut processes = token_file.start_all(PROCESSES / 2, &mock.base_url());
    processes.extend(other.start_all(PROCESSES / 2, &mock.base_url()));
    assert_all_ok(processes);
    assert_eq!((issued(&mock), token_requests(&mock)), (1, 1));
    assert!(other.file.is_symlink());
}

#[test]
fn path_that_cannot_hold_a_token_is_a_fault_of_the_store_before_one_is_issued() {
    let mock = MockPan123::start_blocking();
    let pair = mock.oauth_pair();
    let new_is_taken = token_file();
    std::fs::create_dir(new_is_taken.file.with_file_name("token.json.new")).unwrap();
    let mut no_path = token_file();
    no_path.file = PathBuf::new();
    for (token_file, part) in [
        (new_is_taken, "token.json.new is not a file"),
        (no_path, "the path of the token file is empty"),
    ] {
        let mut processes = token_file.start_all(2, &mock.base_url());
        processes.push(token_file.start_app("app", &mock, &pair));
        for process in processes {
            let output = output_of(process);
            assert!(
                output.starts_with("TokenStore") && output.contains(part),
                "{output}"
            );
        }
    }
    assert_eq!(mock.requests().len(), 0);
}

#[test]
fn one_process_issues_a_token_after_the_lock_holder_is_killed() {
    for kind in ["blocking", "async"] {
        let (mock, token_file) = (MockPan123::start_blocking(), token_file());
        let never = CannedResponse::envelope(1, "nobody reads this").delay(LONG_TIMEOUT);
        mock.respond_next(path::ACCESS_TOKEN, never);
        let mut holder = token_file.start(kind, &mock.base_url(), LONG_TIMEOUT, LONG_TIMEOUT);
        until_asked(&mock);
        let others = token_file.start_all(PROCESSES - 1, &mock.base_url());
        holder.kill().unwrap();
        holder.wait().unwrap();
        assert_all_ok(others);
        assert_eq!((issued(&mock), token_requests(&mock)), (1, 2), "{kind}");
    }
}

#[test]
fn ten_processes_of_an_app_use_one_refresh_token() {
    let (mock, token_file) = (MockPan123::start_blocking(), token_file());
    let pair = mock.oauth_pair();
    let start = |_| token_file.start_app("app", &mock, &pair);
    assert_all_ok((0..PROCESSES).map(start).collect());
    assert_eq!(pairs_asked_for(&mock), 1);
    mock.assert_oauth_refreshes(1);
}

#[test]
fn pair_lost_with_its_process_requires_authorization() {
    let (mock, token_file) = (MockPan123::start_blocking(), token_file());
    let pair = mock.oauth_pair();
    assert_eq!(
        output_of(token_file.start_app("dying-app", &mock, &pair)),
        ""
    );
    mock.assert_oauth_refreshes(1);
    for asked in 2..4 {
        let output = output_of(token_file.start_app("app", &mock, &pair));
        assert!(output.starts_with("AuthorizationRequired"), "{output}");
        assert!(output.contains("Authorize again"), "{output}");
        assert!(!output.contains(&pair.refresh_token), "{output}");
        assert_eq!(pairs_asked_for(&mock), asked, "asked once, and no more");
    }
    mock.assert_oauth_refreshes(1);
}

#[test]
fn no_process_issues_a_token_without_the_lock_if_the_network_hangs() {
    let (network, token_file) = (HangingNetwork::start(), token_file());
    let second = Duration::from_secs(1);
    let start = |_| token_file.start("blocking", &network.url, 2 * second, LONG_TIMEOUT);
    let processes: Vec<_> = (0..PROCESSES).map(start).collect();
    for process in processes {
        let output = output_of(process);
        assert!(output.starts_with("Deadline"), "{output}");
    }
    assert!(network.asked.load(Ordering::Acquire) >= 1);
    assert_eq!(network.at_once.load(Ordering::Acquire), 0);
    let account = Account::new(&network.url, CLIENT_ID);
    assert_eq!(token_file.stored(&account), None);
}

/// A forked child and its parent share the connections that were kept. The child has none of the threads that look names up.
#[test]
fn forked_child_and_its_parent_do_not_read_each_others_responses() {
    let server = TcpServer::start(|mut connection| {
        while let Some(request) = connection.read_request() {
            let task = request.uri().query().unwrap_or_default();
            let task = task.trim_start_matches(|c: char| !c.is_ascii_digit());
            let body = format!(r#"{{"code":0,"data":{{"process":{task},"status":0}}}}"#);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            connection.send((head + &body).as_bytes());
        }
    });
    let url = server.url("http").replace("127.0.0.1", "localhost");
    let mut command = Command::new(WORKER);
    command.args(["client", "fork", &url]);
    let process = command.stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(output_of(process), "20 of 20\n20 of 20");
    assert_eq!(
        server.accepted(),
        1 + 20,
        "the child takes none of its parent's"
    );
}

#[test]
fn requests_to_loopback_use_no_proxy() {
    for kind in ["blocking", "async"] {
        let (mock, token_file) = (MockPan123::start_blocking(), token_file());
        let proxy = TcpServer::responding("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let mut command = token_file.command(kind, &mock.base_url(), LONG_TIMEOUT, LONG_TIMEOUT);
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy.url("http"));
        }
        for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
            command.env_remove(name);
        }
        assert_eq!(output_of(command.spawn().unwrap()), "ok", "{kind}");
        assert_eq!(proxy.accepted(), 0, "{kind}");
    }
}

#[test]
fn token_file_is_complete_after_a_kill_at_any_point() {
    let token_file = token_file();
    assert_complete_after_kills(&token_file, || {
        let mut command = Command::new(WORKER);
        command.args(["client", "save"]);
        command.arg(&token_file.file).arg("40000");
        command
    });
}

/// Kills processes that save tokens, each at a different point of its work.
fn assert_complete_after_kills(token_file: &TokenFile, saving: impl Fn() -> Command) {
    let account = Account::new("http://127.0.0.1", CLIENT_ID);
    for round in 0..40_u64 {
        let mut process = saving().stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "saving\n", "the lock of the process before is free");
        for _ in 0..round * 11 {
            token_file
                .stored(&account)
                .expect("a whole token at any time");
        }
        process.kill().unwrap();
        process.wait().unwrap();
        let token = token_file
            .stored(&account)
            .expect("a whole token after a kill");
        assert!(token.chars().all(|c| c == 'x'));
    }
}

/// A server that accepts connections and never responds.
struct HangingNetwork {
    url: String,
    asked: Arc<AtomicUsize>,
    /// How often a request came while an earlier one was in flight.
    at_once: Arc<AtomicUsize>,
}

impl HangingNetwork {
    fn start() -> HangingNetwork {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let network = HangingNetwork {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            at_once: Arc::default(),
        };
        let (asked, at_once) = (Arc::clone(&network.asked), Arc::clone(&network.at_once));
        let earlier = Mutex::new(Vec::<TcpStream>::new());
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    asked.fetch_add(1, Ordering::AcqRel);
                }
                let mut earlier = earlier.lock().unwrap();
                if earlier.iter().any(is_open) {
                    at_once.fetch_add(1, Ordering::AcqRel);
                }
                earlier.push(stream);
            }
        });
        network
    }
}

/// Whether the client of this connection still waits; one that is about to close gets the time for it.
fn is_open(mut stream: &TcpStream) -> bool {
    let patience = Duration::from_secs(10);
    stream.set_read_timeout(Some(patience)).unwrap();
    loop {
        match stream.read(&mut [0; 4096]) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => {
                return matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
            }
        }
    }
}
