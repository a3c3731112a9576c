//! What services answered before, kept for the day on which a budget is nearly spent.
//!
//! Kept is the answer to a request that only looks, for whoever asks the very same again: the same version of the service, the same chain of
//! callers, the same path, query and arguments, and the same fields but those that are new with each request. Only answers that are good
//! (200), short, set no cookie and do not forbid it (`cache-control: no-store`) are kept; in memory, the least used going first. A host
//! that has just started has none.

use super::degrade::{Degrade, marked};
use super::tap::{Reader, tap};
use crate::once::{changes, written};
use bytes::{Bytes, BytesMut};
use holdfast_call::{Answer, Body, Call, Clock, Moment, Payload, Target, Value, Values};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest answer that is kept, in bytes.
pub(super) const KEPT_BYTES_MAX: usize = 256 * 1024;
/// How much is kept of one service, in bytes.
pub(super) const SHELF_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What an answer takes beside its bytes.
const OVERHEAD: usize = 512;

/// Fields of a request that are new with each one, and change nothing about its answer.
const NEW_EACH_TIME: [HeaderName; 4] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("holdfast-why"),
    HeaderName::from_static("x-request-id"),
];

type Shelf = Cache<[u8; 32], Arc<Kept>>;

/// What is kept, by service.
#[derive(Default)]
pub(super) struct Shelves(Mutex<HashMap<Arc<str>, Shelf>>);

/// The place on a shelf for the answer to one request.
pub(super) struct Spot {
    shelf: Shelf,
    key: [u8; 32],
    clock: Arc<dyn Clock>,
    age_max: Duration,
}

struct Kept {
    at: Moment,
    what: What,
}

enum What {
    Http(HeaderMap, Bytes),
    Values(Vec<Value>, usize),
}

impl Shelves {
    /// Where the answer to `call` is kept, if it is one that may be.
    pub(super) fn spot(
        &self,
        call: &Call,
        degrade: &Degrade,
        clock: &Arc<dyn Clock>,
    ) -> Option<Spot> {
        let age_max = degrade.cached?;
        let Target::Service(name) = &call.target else {
            return None;
        };
        let key = key(call)?;
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.entry(name.clone()).or_insert_with(shelf).clone();
        Some(Spot {
            shelf,
            key,
            clock: clock.clone(),
            age_max,
        })
    }
}

fn shelf() -> Shelf {
    Cache::builder()
        .max_capacity(SHELF_BYTES_MAX)
        .eviction_policy(EvictionPolicy::lru())
        .weigher(|_, kept: &Arc<Kept>| u32::try_from(kept.weight()).unwrap_or(u32::MAX))
        .build()
}

impl Spot {
    /// What was answered before, if it is not too old.
    pub(super) fn kept(&self) -> Option<Answer> {
        let kept = self.shelf.get(&self.key)?;
        let age = self.clock.now().since(kept.at);
        if age > self.age_max {
            self.shelf.invalidate(&self.key);
            return None;
        }
        Some(marked(match &kept.what {
            What::Http(headers, body) => {
                let mut response = Response::new(Body::whole(body.clone()));
                *response.headers_mut() = headers.clone();
                let age = HeaderValue::from(age.as_secs());
                response.headers_mut().insert(header::AGE, age);
                Answer::Http(response)
            }
            What::Values(list, _) => Answer::Values(Values::new(list.clone())),
        }))
    }

    /// Keeps `answer` as it goes by.
    pub(super) fn keeps(self, answer: Answer) -> Answer {
        match answer {
            Answer::Http(response) if may_be_kept(&response) => {
                let headers = response.headers().clone();
                Answer::Http(response.map(|body| self.read(headers, body)))
            }
            Answer::Http(_) => answer,
            Answer::Values(values) => {
                let length = |value| written(value).to_string().len();
                let length = values.list().iter().map(length).sum();
                if length <= KEPT_BYTES_MAX {
                    self.put(What::Values(values.list().to_vec(), length));
                }
                Answer::Values(values)
            }
        }
    }

    fn read(self, headers: HeaderMap, body: Body) -> Body {
        if let Some(bytes) = body.as_whole() {
            if bytes.len() <= KEPT_BYTES_MAX {
                self.put(What::Http(headers, bytes.clone()));
            }
            return body;
        }
        tap(
            body,
            Reading {
                spot: self,
                headers,
                read: Some(BytesMut::new()),
            },
        )
    }

    fn put(&self, what: What) {
        let at = self.clock.now();
        self.shelf.insert(self.key, Arc::new(Kept { at, what }));
        // It gathers what is to be given up, and until then has more than it may.
        self.shelf.run_pending_tasks();
    }
}

impl Kept {
    fn weight(&self) -> usize {
        OVERHEAD
            + match &self.what {
                What::Http(headers, body) => {
                    let fields = headers.iter();
                    let fields = fields.map(|(name, value)| name.as_str().len() + value.len());
                    fields.sum::<usize>() + body.len()
                }
                What::Values(_, length) => *length,
            }
    }
}

/// An answer that is read as far as it may be kept.
struct Reading {
    spot: Spot,
    headers: HeaderMap,
    /// None once it is too long.
    read: Option<BytesMut>,
}

impl Reader for Reading {
    fn data(&mut self, data: &[u8]) {
        if let Some(read) = &mut self.read {
            if read.len() + data.len() > KEPT_BYTES_MAX {
                self.read = None;
            } else {
                read.extend_from_slice(data);
            }
        }
    }

    fn ended(self) {
        if let Some(read) = self.read {
            self.spot.put(What::Http(self.headers, read.freeze()));
        }
    }
}

fn may_be_kept(response: &Response<Body>) -> bool {
    response.status() == StatusCode::OK
        && !response.headers().contains_key(header::SET_COOKIE)
        && !forbids(response.headers())
}

/// Whether these fields say that nothing is to be kept.
fn forbids(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::CACHE_CONTROL).iter();
    said.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case("no-store"))
}

/// What makes a request the same as another one; none for what is not kept.
fn key(call: &Call) -> Option<[u8; 32]> {
    if changes(call) {
        return None;
    }
    let mut parts: Vec<Vec<u8>> = vec![
        call.registered.as_ref()?.digest.as_ref()?.as_bytes().into(),
        call.caller.to_string().into(),
    ];
    match &call.payload {
        Payload::Http(request) => of_request(request, &mut parts)?,
        Payload::Values(operation, list) => {
            parts.push(operation.as_bytes().into());
            let list = list.iter().map(written).collect();
            parts.push(serde_json::Value::Array(list).to_string().into());
        }
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Some(hash.finalize().into())
}

fn of_request(request: &Request<Body>, parts: &mut Vec<Vec<u8>>) -> Option<()> {
    let bare = request.body().as_whole().is_some_and(Bytes::is_empty) || request.body().is_done();
    if *request.method() != Method::GET || !bare || forbids(request.headers()) {
        return None;
    }
    parts.push(request.uri().to_string().into());
    let mut fields: Vec<_> = request.headers().iter().collect();
    // In the order of their names; of one name, in the order in which they came.
    fields.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in fields {
        if !NEW_EACH_TIME.contains(name) {
            parts.push(name.as_str().into());
            parts.push(value.as_bytes().into());
        }
    }
    Some(())
}
