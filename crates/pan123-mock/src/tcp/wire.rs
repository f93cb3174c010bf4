//! A second server for a mock, which breaks exchanges.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Response, StatusCode};

use super::{Break, Connection, End, TcpServer};
use crate::MockPan123;
use crate::server::Server;

/// A second server for a [`MockPan123`], which breaks exchanges on request. Both serve the same service.
///
/// ```
/// use pan123_mock::{Break, BrokenWire, End, MockPan123, Point, path};
///
/// let mock = MockPan123::start_blocking();
/// let wire = BrokenWire::to(&mock);
/// // The task is created, but the connection is reset before the response. The next exchange succeeds.
/// wire.break_next(path::OFFLINE_DOWNLOAD, Break::response(Point::Bytes(0), End::Reset));
///
/// // Point your client at `wire.base_url()`, run it, and count:
/// assert_eq!(wire.requests_to(path::OFFLINE_DOWNLOAD), 0);
/// assert_eq!(mock.service(|service| service.tasks().len()), 0);
/// ```
#[derive(Debug)]
pub struct BrokenWire {
    server: TcpServer,
    plan: Arc<Mutex<BreakQueues>>,
}

impl BrokenWire {
    /// Starts a server for this mock, which may be dropped first.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub fn to(mock: &MockPan123) -> BrokenWire {
        let mock = Arc::clone(mock.server());
        let plan = Arc::<Mutex<BreakQueues>>::default();
        let breaks = Arc::clone(&plan);
        let server = TcpServer::start(move |connection| serve(connection, &mock, &breaks));
        BrokenWire { server, plan }
    }

    /// Returns the base URL, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.server.url("http")
    }

    /// Breaks the next exchange with `path`. Breaks are used in order, one per exchange.
    pub fn break_next(&self, path: &str, broken: Break) {
        let times = broken.count();
        lock(&self.plan).push(path, broken, times);
    }

    /// Returns how many requests to this path were received, even if they were not read to their end.
    pub fn requests_to(&self, path: &str) -> usize {
        self.server.requests_to(path)
    }

    /// Returns how many connections were accepted.
    pub fn accepted(&self) -> usize {
        self.server.accepted()
    }
}

/// The pending breaks of each path, with how often each is still to be used.
#[derive(Debug, Default)]
struct BreakQueues {
    by_path: HashMap<String, VecDeque<(Break, usize)>>,
}

impl BreakQueues {
    fn push(&mut self, path: &str, broken: Break, times: usize) {
        if times > 0 {
            let queue = self.by_path.entry(path.to_owned()).or_default();
            queue.push_back((broken, times));
        }
    }

    fn next(&mut self, path: &str) -> Option<Break> {
        let queue = self.by_path.get_mut(path)?;
        let (broken, times) = queue.front_mut()?;
        if *times > 1 {
            *times -= 1;
            return Some(broken.clone());
        }
        queue.pop_front().map(|(broken, _)| broken)
    }
}

fn lock(plan: &Mutex<BreakQueues>) -> MutexGuard<'_, BreakQueues> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut connection: Connection, server: &Arc<Server>, plan: &Mutex<BreakQueues>) {
    loop {
        match exchange(&mut connection, server, plan) {
            None | Some(End::Close) => return,
            Some(End::Reset) => return connection.reset(),
            Some(End::Silence) => return connection.wait_until_closed(),
            Some(End::Stay) => {}
        }
    }
}

/// Runs one exchange. Returns what happens to the connection afterwards, or `None` if it has closed.
fn exchange(
    connection: &mut Connection,
    server: &Arc<Server>,
    plan: &Mutex<BreakQueues>,
) -> Option<End> {
    let path = connection.next_path()?;
    let broken = lock(plan).next(&path).unwrap_or_else(Break::none);
    if let Some((point, end)) = broken.request_cut() {
        connection.read_part(&path, point)?;
        return Some(end);
    }
    let reply = server.respond(&connection.read_request()?);
    if reply.delay.is_some_and(|delay| !connection.pause(delay)) {
        return None;
    }
    let response = reply.response;
    let broken = reply.broken.unwrap_or(broken);
    let (chunks, end) = broken.chunks(&head(&response), response.body());
    if !connection.send_chunks(chunks) {
        return None;
    }
    let last = response.headers().get(CONNECTION);
    match end {
        End::Stay if last.is_some_and(|value| value == "close") => Some(End::Close),
        end => Some(end),
    }
}

/// Formats the head of a response.
pub(crate) fn head(response: &Response<Bytes>) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if !bodiless && !response.headers().contains_key(CONTENT_LENGTH) {
        head.extend(format!("content-length: {}\r\n", response.body().len()).bytes());
    }
    for (name, value) in response.headers() {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}
