//! The service: what it does is the truth that calls are measured by, and what it answers is drawn from a seed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::Request;
use pan123_proto::TransportError;

use crate::chaos::served::{ANSWERS, Meaning, Minted, OF_TOKENS, ON_THE_WAY, Served, lost, served};
use crate::chaos::tally::{Fault, Tally};
use crate::support::server::{LATENCY, http_date, mint_until, token_in};
use crate::support::{Reply, ServerView, millis, path, secs};

/// At most so many tokens live at once; one more pushes the oldest out.
const MOST_TOKENS: usize = 3;

#[derive(Debug)]
pub(crate) struct Service {
    rng: Rng,
    /// How many of all requests meet a fault; none once all is calm.
    faults: f64,
    life: Duration,
    live: VecDeque<(u64, Duration)>,
    minted: u64,
    /// By the number in the URL: the tasks that were made for it.
    created: HashMap<u64, Vec<u64>>,
    tasks: u64,
    courses: HashMap<u64, Course>,
    succeeded: HashSet<u64>,
    failed: HashSet<u64>,
    down_until: Duration,
    token_down_until: Duration,
    refuses_until: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Course {
    start: Duration,
    takes: Duration,
    end: u8,
}

impl Service {
    pub(crate) fn new(mut rng: Rng) -> Service {
        Service {
            faults: [0.03, 0.1, 0.25, 0.5][rng.usize(..4)],
            life: [secs(30 * 24 * 3600), secs(2000), secs(200), secs(70)][rng.usize(..4)],
            live: VecDeque::new(),
            minted: 0,
            created: HashMap::new(),
            tasks: 1000,
            courses: HashMap::new(),
            succeeded: HashSet::new(),
            failed: HashSet::new(),
            down_until: Duration::ZERO,
            token_down_until: Duration::ZERO,
            refuses_until: Duration::ZERO,
            rng,
        }
    }

    /// From now on it is in good order.
    pub(crate) fn calm(&mut self) {
        self.faults = 0.0;
        self.down_until = Duration::ZERO;
        self.token_down_until = Duration::ZERO;
        self.refuses_until = Duration::ZERO;
    }

    /// It is away until then, and has forgotten its tokens.
    pub(crate) fn restart(&mut self, until: Duration) {
        self.down_until = until;
        self.live.clear();
    }

    pub(crate) fn stop_tokens(&mut self, until: Duration) {
        self.token_down_until = until;
    }

    pub(crate) fn refuse_all(&mut self, until: Duration) {
        self.refuses_until = until;
    }

    /// The tasks made for the download with this number.
    pub(crate) fn created(&self, number: u64) -> &[u64] {
        self.created.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Whether it ever said so of a task.
    pub(crate) fn told(&self, task: u64, success: bool) -> bool {
        let told = if success {
            &self.succeeded
        } else {
            &self.failed
        };
        told.contains(&task)
    }

    pub(crate) fn serve(
        &mut self,
        view: &ServerView<'_>,
        request: &Request<Bytes>,
        tally: &mut Tally,
    ) -> Served {
        let for_token = request.uri().path() == path::TOKEN;
        if view.at < self.down_until {
            tally.fault(Fault::ServerRestarted);
            return lost(TransportError::never_left("connection refused"));
        }
        if for_token && view.at < self.token_down_until {
            tally.fault(Fault::TokenServiceDown);
            return served(Reply::http(503, "down"), Meaning::Doubtful(Duration::ZERO));
        }
        if self.rng.f64() >= self.faults {
            let served = self.act(view, request, tally);
            return self.soon(served);
        }
        let faults = match self.rng.u8(..10) {
            0..4 => ON_THE_WAY,
            _ if for_token => OF_TOKENS,
            _ => ANSWERS,
        };
        let fault = faults[self.rng.usize(..faults.len())];
        tally.fault(fault);
        self.fail(fault, view, request, tally)
    }

    fn soon(&mut self, mut served: Served) -> Served {
        served.reply.after = LATENCY.mul_f64(0.2 + 4.0 * self.rng.f64());
        served
    }

    fn fail(
        &mut self,
        fault: Fault,
        view: &ServerView<'_>,
        request: &Request<Bytes>,
        tally: &mut Tally,
    ) -> Served {
        let seconds = self.rng.u64(1..400);
        let wait = secs(seconds.min(300));
        let doubtful = Meaning::Doubtful(Duration::ZERO);
        let limited = Meaning::Limited(Duration::ZERO);
        let too_often = |code| Reply::code(code, "操作频繁");
        let served = match fault {
            Fault::Slow | Fault::TokenServiceSlow => {
                let mut served = self.act(view, request, tally);
                served.reply.after = millis(self.rng.u64(1000..25_000));
                return served;
            }
            Fault::SlowerThanTheTimeout => {
                let mut served = self.act(view, request, tally);
                served.reply.after = millis(self.rng.u64(30_001..100_000));
                return served;
            }
            Fault::Late429 => {
                let mut served = served(too_often(429), limited);
                served.reply.after = millis(self.rng.u64(1000..25_000));
                return served;
            }
            Fault::NeverLeft => lost(TransportError::never_left("connection refused")),
            Fault::BadCertificate => lost(TransportError::certificate("self-signed")),
            Fault::LostBefore => served(Reply::cut(), doubtful),
            Fault::HungBefore => served(Reply::hang(), doubtful),
            Fault::LostAfter => self.acted(view, request, tally, Reply::cut()),
            Fault::HungAfter => self.acted(view, request, tally, Reply::hang()),
            Fault::TooLarge => {
                let reply = Reply::failure(TransportError::body_too_large());
                self.acted(view, request, tally, reply)
            }
            Fault::Redirected => {
                let reply = Reply::failure(TransportError::redirected());
                self.acted(view, request, tally, reply)
            }
            Fault::BadGateway | Fault::BadGatewayRetryAfter => {
                let mut reply = Reply::http(502, "<html><h1>502 Bad Gateway</h1></html>");
                let mut after = Duration::ZERO;
                if fault == Fault::BadGatewayRetryAfter {
                    after = secs(seconds % 20);
                    reply = reply.header("retry-after", &after.as_secs().to_string());
                }
                let meaning = Meaning::Doubtful(after);
                let reached = self.rng.bool();
                let minted = reached.then(|| self.act(view, request, tally).minted);
                Served {
                    reply,
                    meaning,
                    minted: minted.flatten(),
                }
            }
            Fault::RequestTimeout => served(Reply::http(408, ""), doubtful),
            Fault::Garbage | Fault::TokenGarbage => {
                let reply = Reply::http(200, r#"{"code":0,"data":{"acc"#);
                self.acted(view, request, tally, reply)
            }
            Fault::DataNull | Fault::TokenDataNull => {
                let reply = Reply::http(200, r#"{"code":0,"message":"ok","data":null}"#);
                self.acted(view, request, tally, reply)
            }
            Fault::NotFound => served(Reply::http(404, "no such page"), Meaning::Bare),
            Fault::TooManyDownloads => {
                let text = "同时下载的任务超出最大限制";
                served(Reply::code(1, text), Meaning::Envelope)
            }
            Fault::Code401 | Fault::TokenService401 => {
                served(Reply::code(401, "token is expired"), Meaning::Refused)
            }
            Fault::Http401 => served(Reply::http(401, "<html>"), Meaning::Refused),
            Fault::Code429 | Fault::TokenService429 => served(too_often(429), limited),
            Fault::Code42902 => served(too_often(42902), limited),
            Fault::Http429 => served(Reply::http(429, "slow down"), limited),
            Fault::RetryAfterSeconds => served(
                too_often(429).header("retry-after", &seconds.to_string()),
                Meaning::Limited(wait),
            ),
            Fault::RetryAfterDate => served(
                Reply::http(429, "")
                    .header("date", &http_date(view.wall()))
                    .header("retry-after", &http_date(view.wall() + secs(seconds))),
                Meaning::Limited(wait),
            ),
            Fault::RetryAfterAbsurd => {
                let absurd = ["99999", "99999999999999999999999"][self.rng.usize(..2)];
                let reply = Reply::http(429, "").header("retry-after", absurd);
                served(reply, Meaning::Limited(secs(300)))
            }
            Fault::TokenBornExpired => self.mint(view, secs(0), true),
            Fault::TokenWithoutDate => self.mint(view, self.life, false),
            _ => served(Reply::code(5066, "文件不存在"), Meaning::Envelope),
        };
        self.soon(served)
    }

    /// It does its work, and the client hears something else of it.
    fn acted(
        &mut self,
        view: &ServerView<'_>,
        request: &Request<Bytes>,
        tally: &mut Tally,
        reply: Reply,
    ) -> Served {
        Served {
            reply,
            meaning: Meaning::Doubtful(Duration::ZERO),
            ..self.act(view, request, tally)
        }
    }

    fn act(
        &mut self,
        view: &ServerView<'_>,
        request: &Request<Bytes>,
        tally: &mut Tally,
    ) -> Served {
        let path = request.uri().path();
        if path == path::TOKEN {
            return self.mint(view, self.life, true);
        }
        let token = token_in(request.headers());
        if let Some(refusal) = self.refusal(view.at, token, tally) {
            return served(refusal, Meaning::Refused);
        }
        let data = match path {
            path::USER_INFO => r#"{"uid":7}"#.to_owned(),
            path::CREATE => {
                self.tasks += 1;
                let number = number_after(request.body(), "example.com/");
                self.created.entry(number).or_default().push(self.tasks);
                format!(r#"{{"taskID":{}}}"#, self.tasks)
            }
            _ => {
                let query = request.uri().query().unwrap_or_default();
                self.progress(view.at, number_after(query.as_bytes(), "taskID="))
            }
        };
        let body = format!(r#"{{"code":0,"message":"ok","data":{data},"x-traceID":"t"}}"#);
        served(Reply::http(200, &body), Meaning::Good)
    }

    fn refusal(&mut self, at: Duration, token: &str, tally: &mut Tally) -> Option<Reply> {
        if at < self.refuses_until {
            tally.fault(Fault::RefusedForAWhile);
            return Some(Reply::code(401, "tokens number has exceeded the limit"));
        }
        let number = number_after(token.as_bytes(), "token-");
        match self.live.iter().find(|(live, _)| *live == number) {
            Some((_, end)) if at < *end => None,
            Some(_) => {
                tally.fault(Fault::TokenExpired);
                Some(Reply::code(401, "token is expired"))
            }
            None => {
                tally.fault(Fault::TokenPushedOut);
                Some(Reply::code(401, "tokens number has exceeded the limit"))
            }
        }
    }

    fn mint(&mut self, view: &ServerView<'_>, life: Duration, dated: bool) -> Served {
        self.minted += 1;
        if self.live.len() == MOST_TOKENS {
            self.live.pop_front();
        }
        self.live.push_back((self.minted, view.at + life));
        let number = usize::try_from(self.minted).expect("few tokens");
        let mut reply = mint_until(number, view.wall() + life);
        if dated {
            reply = reply.header("date", &http_date(view.wall()));
        }
        let mut served = served(reply, Meaning::Good);
        served.minted = Some(Minted {
            value: format!("token-{number}"),
            expired_at: (view.at + life).as_secs(),
            date: dated.then_some(view.at.as_secs()),
        });
        served
    }

    fn progress(&mut self, at: Duration, task: u64) -> String {
        let rng = &mut self.rng;
        let course = *self.courses.entry(task).or_insert_with(|| Course {
            start: at,
            takes: secs(rng.u64(5..300)),
            end: rng.u8(..4),
        });
        let part = at.saturating_sub(course.start).as_secs_f64() / course.takes.as_secs_f64();
        let (percent, status) = match course.end {
            // It stands still half-way.
            3 => (part.min(0.5) * 100.0, 0),
            1 if part >= 1.0 => (99.0, 1),
            _ if part >= 1.0 => (100.0, 2),
            _ => (part * 100.0, if rng.u8(..10) == 0 { 13 } else { 0 }),
        };
        if status == 2 {
            self.succeeded.insert(task);
        } else if status == 1 {
            self.failed.insert(task);
        }
        format!(r#"{{"process":{},"status":{status}}}"#, percent.floor())
    }
}

/// The number right behind a word.
fn number_after(text: &[u8], word: &str) -> u64 {
    let text = String::from_utf8_lossy(text);
    let (_, rest) = text.split_once(word).unwrap_or_default();
    let digits = rest.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}
