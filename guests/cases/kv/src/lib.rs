//! Keeps keys and values: every operation of `wasi:keyvalue`, one a path, and says what it came back with. Leases and numbers too.

mod asked;
mod leases;

use asked::Asked;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

wit_bindgen::generate!({
    inline: "
        package holdfast:cases;
        world keeps {
            import wasi:keyvalue/store@0.2.0-draft2;
            import wasi:keyvalue/atomics@0.2.0-draft2;
            import wasi:keyvalue/batch@0.2.0-draft2;
        }
    ",
    path: "../../../wit/deps/wasi-keyvalue",
    generate_all,
});

use wasi::keyvalue::atomics::{self, Cas, CasError};
use wasi::keyvalue::batch;
use wasi::keyvalue::store::{self, Bucket, Error};

wasip2::http::proxy::export!(Cases);

struct Cases;

impl Guest for Cases {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let asked = Asked::of(&request);
        let said = leases::said(&asked);
        let said = said.unwrap_or_else(|| said_of(&asked).unwrap_or_else(|error| words(&error)));
        asked::answer(out, &said);
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::NoSuchStore => "no-such-store".to_owned(),
        Error::AccessDenied => "access-denied".to_owned(),
        Error::Other(why) => format!("other {why}"),
    }
}

/// What the operation came back with, in words.
fn said_of(asked: &Asked) -> Result<String, Error> {
    let bucket = store::open(asked.text("bucket"))?;
    let key = asked.key();
    match asked.path.as_str() {
        "/open" => Ok("open".to_owned()),
        "/get" => Ok(value(bucket.get(key)?)),
        "/set" => bucket.set(key, &asked.value()).map(|()| "set".to_owned()),
        "/delete" => bucket.delete(key).map(|()| "deleted".to_owned()),
        "/exists" => Ok(bucket.exists(key)?.to_string()),
        "/list" => list(&bucket),
        "/add" => {
            let sum = atomics::increment(&bucket, key, asked.number("delta").unwrap_or(1))?;
            Ok(sum.to_string())
        }
        "/swap" => swap(&bucket, asked),
        "/get-many" => {
            let pairs = batch::get_many(&bucket, &asked.keys())?;
            let pairs = pairs
                .into_iter()
                .map(|pair| value(pair.map(|(_, value)| value)));
            Ok(pairs.collect::<Vec<_>>().join(" "))
        }
        "/set-many" => {
            let pairs = asked.keys().into_iter().map(|key| (key, asked.value()));
            batch::set_many(&bucket, &pairs.collect::<Vec<_>>())?;
            Ok("set".to_owned())
        }
        "/delete-many" => {
            batch::delete_many(&bucket, &asked.keys())?;
            Ok("deleted".to_owned())
        }
        _ => Ok("no such operation".to_owned()),
    }
}

/// Every key, page by page: how many pages, and how many keys.
fn list(bucket: &Bucket) -> Result<String, Error> {
    let (mut pages, mut keys, mut cursor) = (0, Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor.as_deref())?;
        pages += 1;
        keys.extend(page.keys);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    Ok(format!(
        "{pages} {} {}",
        keys.len(),
        keys.first().map_or("", String::as_str)
    ))
}

/// Swaps what it has read. With `between`, somebody writes that in between; then it tries again with the handle that it is given.
fn swap(bucket: &Bucket, asked: &Asked) -> Result<String, Error> {
    let (key, between) = (asked.key(), asked.text("between"));
    let cas = Cas::new(bucket, key)?;
    let before = value(cas.current()?);
    if !between.is_empty() {
        bucket.set(key, between.as_bytes())?;
    }
    match atomics::swap(cas, &asked.value()) {
        Ok(()) => Ok(format!("swapped {before}")),
        Err(CasError::StoreError(error)) => Err(error),
        Err(CasError::CasFailed(cas)) => {
            let now = value(cas.current()?);
            match atomics::swap(cas, &asked.value()) {
                Ok(()) => Ok(format!("late for {before}, swapped {now}")),
                Err(CasError::StoreError(error)) => Err(error),
                Err(CasError::CasFailed(_)) => Ok("late twice".to_owned()),
            }
        }
    }
}

fn value(value: Option<Vec<u8>>) -> String {
    match value {
        None => "none".to_owned(),
        Some(long) if long.len() > 64 => format!("{} bytes", long.len()),
        Some(value) => String::from_utf8_lossy(&value).into_owned(),
    }
}
