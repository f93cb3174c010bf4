//! Another way to a mock, over which exchanges break.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Response, StatusCode};

use super::{Break, Connection, End, TcpServer};
use crate::MockPan123;
use crate::face::Face;
use crate::queues::Queues;

/// Another way to a [`MockPan123`], over which exchanges break when they are told to. Both ways lead to the same service.
///
/// ```
/// use pan123_mock::{Break, BrokenWire, End, MockPan123, Point, path};
///
/// let mock = MockPan123::start_blocking();
/// let wire = BrokenWire::to(&mock);
/// // The first task is created, and the connection reset before anybody is told; the second is created and told.
/// wire.break_next(path::OFFLINE_DOWNLOAD, Break::answer(Point::Bytes(0), End::Reset));
///
/// // Point your client at `wire.base_url()`, let it work, and count:
/// assert_eq!(wire.requests_to(path::OFFLINE_DOWNLOAD), 0);
/// assert_eq!(mock.service(|service| service.tasks().len()), 0);
/// ```
#[derive(Debug)]
pub struct BrokenWire {
    server: TcpServer,
    plan: Arc<Mutex<Queues<Break>>>,
}

impl BrokenWire {
    /// A way to this mock, which may be dropped before it.
    ///
    /// # Panics
    ///
    /// If the machine has no port to give.
    pub fn to(mock: &MockPan123) -> BrokenWire {
        let face = Arc::clone(mock.face());
        let plan = Arc::<Mutex<Queues<Break>>>::default();
        let theirs = Arc::clone(&plan);
        let server = TcpServer::start(move |connection| serve(connection, &face, &theirs));
        BrokenWire { server, plan }
    }

    /// Where it listens, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.server.url("http")
    }

    /// What happens to the next exchange with `path`. Breaks are used up in order, one an exchange; then all is well.
    pub fn break_next(&self, path: &str, broken: Break) {
        let times = broken.repeated();
        lock(&self.plan).push(path, broken, times);
    }

    /// How many requests to this path came, those included that were not read to their end.
    pub fn requests_to(&self, path: &str) -> usize {
        self.server.requests_to(path)
    }

    /// How many connections came.
    pub fn accepted(&self) -> usize {
        self.server.accepted()
    }
}

fn lock(plan: &Mutex<Queues<Break>>) -> MutexGuard<'_, Queues<Break>> {
    plan.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut connection: Connection, face: &Arc<Face>, plan: &Mutex<Queues<Break>>) {
    loop {
        match exchange(&mut connection, face, plan) {
            None | Some(End::Close) => return,
            Some(End::Reset) => return connection.reset(),
            Some(End::Silence) => return connection.until_closed(),
            Some(End::Stay) => {}
        }
    }
}

/// One exchange, and how the connection goes on; none if it has ended.
fn exchange(
    connection: &mut Connection,
    face: &Arc<Face>,
    plan: &Mutex<Queues<Break>>,
) -> Option<End> {
    let path = connection.next_path()?;
    let broken = lock(plan).next(&path).unwrap_or_else(Break::nothing);
    if let Some((point, end)) = broken.unheard() {
        connection.read_part(&path, point)?;
        return Some(end);
    }
    let reply = face.answer(&connection.read_request()?);
    if reply.delay.is_some_and(|delay| !connection.pause(delay)) {
        return None;
    }
    let answer = reply.response;
    let broken = reply.broken.unwrap_or(broken);
    let (script, end) = broken.script(&head(&answer), answer.body());
    if !connection.play(script) {
        return None;
    }
    let last = answer.headers().get(CONNECTION);
    match end {
        End::Stay if last.is_some_and(|value| value == "close") => Some(End::Close),
        end => Some(end),
    }
}

/// The head of an answer as it is sent.
pub(crate) fn head(answer: &Response<Bytes>) -> Vec<u8> {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    if !bodiless && !answer.headers().contains_key(CONTENT_LENGTH) {
        head.extend(format!("content-length: {}\r\n", answer.body().len()).bytes());
    }
    for (name, value) in answer.headers() {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}
