//! Calls, and what they do.

mod changes;

use std::sync::{Mutex, PoisonError};

use pan123_async::Client;
use pan123_async::proto::ledger::{Counts, ItemState};
use serde_json::{Map, Value, json};

use super::folders::Folders;
use super::guard::Guard;
use super::mirror::{DEFAULT_DIR, List, Mirror};
use super::queue::Queue;
use super::rpc::{
    Answer, Call, Gid, METHODS, Message, NOTIFICATIONS, Nested, Offset, Params, Place, Row,
    RpcError, Status, nested_calls, parse,
};
use crate::stop::Stop;
use crate::words::hex;

/// How many calls one request may make.
const MAX_CALLS: usize = 1000;

/// What clients that show a version expect of aria2; the first one is what this service is measured against.
const ARIA2_VERSION: &str = "1.36.0";

/// Answers calls.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) queue: Queue,
    pub(super) guard: Guard,
    client: Client,
    folders: Folders,
    stop: Stop,
    session: String,
    /// The folder of downloads without one, as clients name it.
    default_dir: Mutex<Option<String>>,
}

/// What is sent back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Service {
    /// Creates the service.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub(super) fn new(
        queue: Queue,
        guard: Guard,
        client: Client,
        folders: Folders,
        default_dir: Option<String>,
        stop: Stop,
    ) -> Result<Service, getrandom::Error> {
        let mut session = [0; 20];
        getrandom::fill(&mut session)?;
        Ok(Service {
            queue,
            guard,
            client,
            folders,
            stop,
            session: hex(&session),
            default_dir: Mutex::new(default_dir),
        })
    }

    /// Answers a request body.
    pub(super) async fn answer(&self, body: &[u8]) -> Reply {
        self.answer_message(parse(body)).await
    }

    pub(super) async fn answer_message(&self, message: Message) -> Reply {
        let mut is_unauthorized = false;
        let reply = match message {
            Message::One(call) => {
                let answer = self.answer_call(call, &mut is_unauthorized).await;
                Reply {
                    status: answer.http_status(),
                    body: answer.into_value(),
                }
            }
            Message::Many(calls) if calls.len() > MAX_CALLS => {
                let answer = Answer {
                    id: Value::Null,
                    result: Err(too_many(calls.len())),
                };
                Reply {
                    status: answer.http_status(),
                    body: answer.into_value(),
                }
            }
            Message::Many(calls) => {
                let mut answers = Vec::new();
                for call in calls {
                    answers.push(
                        self.answer_call(call, &mut is_unauthorized)
                            .await
                            .into_value(),
                    );
                }
                Reply {
                    status: 200,
                    body: answers.into(),
                }
            }
        };
        if is_unauthorized {
            self.guard.penalty().await;
        }
        reply
    }

    async fn answer_call(&self, call: Result<Call, Answer>, is_unauthorized: &mut bool) -> Answer {
        let Call { id, method, params } = match call {
            Ok(call) => call,
            Err(answer) => return answer,
        };
        let result = if method == "system.multicall" {
            self.multicall(params, is_unauthorized).await
        } else {
            self.call(&method, params, is_unauthorized).await
        };
        Answer { id, result }
    }

    async fn multicall(
        &self,
        params: Params,
        is_unauthorized: &mut bool,
    ) -> Result<Value, RpcError> {
        let calls = nested_calls(&params)?;
        if calls.len() > MAX_CALLS {
            return Err(too_many(calls.len()));
        }
        let mut results = Vec::new();
        for call in calls {
            results.push(self.nested(call, is_unauthorized).await);
        }
        Ok(results.into())
    }

    async fn nested(&self, call: Nested, is_unauthorized: &mut bool) -> Value {
        let (method, params) = match call {
            Ok(call) => call,
            Err(error) => return error.to_value(),
        };
        match self.call(&method, params, is_unauthorized).await {
            Ok(result) => Value::Array(vec![result]),
            Err(error) => error.to_value(),
        }
    }

    /// Carries out a call. The token goes before all else, but two methods need none. After a wrong one, none of the same request is
    /// looked at: a request is one guess.
    async fn call(
        &self,
        method: &str,
        mut params: Params,
        is_unauthorized: &mut bool,
    ) -> Result<Value, RpcError> {
        let token = params.take_token();
        if !matches!(method, "system.listMethods" | "system.listNotifications") {
            let token = token.as_deref().unwrap_or_default();
            *is_unauthorized = *is_unauthorized || !self.guard.accepts(token);
            if *is_unauthorized {
                return Err(RpcError::unauthorized());
            }
        }
        self.carry_out(method, &params).await
    }

    async fn carry_out(&self, method: &str, params: &Params) -> Result<Value, RpcError> {
        let Some((_, name)) = method.split_once('.').filter(|_| METHODS.contains(&method)) else {
            return Err(RpcError::no_such_method(method));
        };
        match name {
            "addUri" => self.add_uri(params).await,
            "addTorrent" | "addMetalink" => {
                params.text(0)?;
                Err(RpcError::new("123pan fetches http and https only"))
            }
            "tellStatus" | "getFiles" | "getUris" | "getServers" | "getPeers" | "getOption" => {
                self.queue.refresh(params.gid(0)?).await;
                self.tell(name, params)
            }
            "tellActive" => self.tell_active(params),
            "tellWaiting" => self.tell_page(List::Waiting, params),
            "tellStopped" => self.tell_page(List::Stopped, params),
            "getGlobalStat" => Ok(self.global_stat()),
            "getVersion" => Ok(version()),
            "getSessionInfo" => Ok(json!({ "sessionId": self.session })),
            "getGlobalOption" => Ok(self.global_option()),
            "changeGlobalOption" => self.change_global_option(params),
            "saveSession" => Ok(ok()),
            "shutdown" | "forceShutdown" => {
                self.stop.request();
                Ok(ok())
            }
            "listMethods" => Ok(json!(METHODS)),
            "listNotifications" => Ok(json!(NOTIFICATIONS)),
            "getCounts" => Ok(counts_value(&self.queue.counts().await?)),
            "listFolders" => {
                let names = self.folders.list(params.text(0)?).await?;
                Ok(json!(names))
            }
            "tellUnconfirmed" => {
                let offset = params.offset(0)?;
                let rows = self.queue.look(|mirror| mirror.unconfirmed_rows(offset));
                rows_value(&rows, params, 2)
            }
            "settle" => self.settle(params).await,
            _ => self.change(name, params).await,
        }
    }

    /// The methods that change a download.
    async fn change(&self, name: &str, params: &Params) -> Result<Value, RpcError> {
        let queue = &self.queue;
        let gid = |gid: Gid| Value::from(gid.to_string());
        match name {
            "pause" | "forcePause" => queue.pause(params.gid(0)?).await.map(gid),
            "unpause" => queue.unpause(params.gid(0)?).await.map(gid),
            "remove" => queue.remove(params.gid(0)?, false).await.map(gid),
            "forceRemove" => queue.remove(params.gid(0)?, true).await.map(gid),
            "pauseAll" | "forcePauseAll" => queue.pause_all(true).await.map(|()| ok()),
            "unpauseAll" => queue.pause_all(false).await.map(|()| ok()),
            "removeDownloadResult" => queue.remove_result(params.gid(0)?).await.map(|()| ok()),
            "purgeDownloadResult" => queue.purge().await.map(|()| ok()),
            "changePosition" => {
                let place = queue.move_to(params.gid(0)?, params.position(1)?).await?;
                Ok(place.into())
            }
            "changeOption" => self.change_option(params).await.map(|()| ok()),
            "changeUri" => {
                params.gid(0)?;
                Err(RpcError::new(
                    "123pan cannot change the URI of a download: remove it and add another",
                ))
            }
            _ => Err(RpcError::no_such_method(name)),
        }
    }

    // Telling.

    fn tell(&self, name: &str, params: &Params) -> Result<Value, RpcError> {
        let gid = params.gid(0)?;
        self.queue.look(|mirror| {
            let (name_of, entry) = mirror.find(&gid)?;
            let row = mirror.row(name_of, entry);
            match name {
                "tellStatus" => Ok(row.to_value(&params.keys(1)?)),
                "getFiles" => Ok(row.files()),
                "getUris" => Ok(row.uris()),
                "getPeers" => Ok(json!([])),
                "getServers" if row.status == Status::Active => {
                    Ok(json!([{ "index": "1", "servers": [] }]))
                }
                "getServers" => Err(RpcError::new(format!(
                    "No active download for GID#{name_of}"
                ))),
                _ => Ok(option_value(&mirror.dir(entry), entry.item.download.name())),
            }
        })
    }

    fn tell_active(&self, params: &Params) -> Result<Value, RpcError> {
        let all = Offset {
            offset: 0,
            count: usize::MAX,
        };
        let rows = self.queue.look(|mirror| mirror.rows(List::Active, all));
        rows_value(&rows, params, 0)
    }

    fn tell_page(&self, list: List, params: &Params) -> Result<Value, RpcError> {
        let offset = params.offset(0)?;
        let rows = self.queue.look(|mirror| mirror.rows(list, offset));
        rows_value(&rows, params, 2)
    }

    fn global_stat(&self) -> Value {
        let [active, waiting, stopped, stopped_total] = self.queue.look(Mirror::lengths);
        json!({
            "downloadSpeed": "0",
            "uploadSpeed": "0",
            "numActive": active.to_string(),
            "numWaiting": waiting.to_string(),
            "numStopped": stopped.to_string(),
            "numStoppedTotal": stopped_total.to_string(),
        })
    }

    fn global_option(&self) -> Value {
        let dir = self.default_dir();
        option_value(dir.as_deref().unwrap_or(DEFAULT_DIR), None)
    }

    /// The folder counts until the service ends; nothing else can be changed.
    fn change_global_option(&self, params: &Params) -> Result<Value, RpcError> {
        if let Some(dir) = Place::read(params.map(0)?).dir {
            self.folders.check(&dir)?;
            *self
                .default_dir
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(dir);
        }
        Ok(ok())
    }

    fn default_dir(&self) -> Option<String> {
        self.default_dir
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn ok() -> Value {
    "OK".into()
}

fn too_many(calls: usize) -> RpcError {
    RpcError::new(format!(
        "{calls} calls in one request are too many: send at most {MAX_CALLS}"
    ))
}

fn rows_value(rows: &[Row], params: &Params, keys_at: usize) -> Result<Value, RpcError> {
    let keys = params.keys(keys_at)?;
    Ok(rows.iter().map(|row| row.to_value(&keys)).collect())
}

/// Options that `aria2.addUri` takes back: neither `gid` nor `pause`, and nothing that was a header.
fn option_value(dir: &str, out: Option<&str>) -> Value {
    let mut options = Map::new();
    options.insert("dir".to_owned(), dir.into());
    if let Some(out) = out {
        options.insert("out".to_owned(), out.into());
    }
    Value::Object(options)
}

/// How many downloads are in each state, those that lists leave out as well.
fn counts_value(counts: &Counts) -> Value {
    let text = |state: ItemState| Value::from(counts.of(state).to_string());
    let counts = ItemState::ALL.map(|state| (state.name().to_owned(), text(state)));
    Value::Object(counts.into_iter().collect())
}

fn version() -> Value {
    json!({
        "version": ARIA2_VERSION,
        "enabledFeatures": ["HTTPS"],
        "pan123": env!("CARGO_PKG_VERSION"),
    })
}
