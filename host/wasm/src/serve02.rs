//! Serving a call with a component of `wasi:http` 0.2 (`incoming-handler`).

use crate::guest::Guest;
use crate::idle::{Exported, Keep};
use crate::imports::seen;
use crate::life::Life;
use crate::run::Begin;
use holdfast_call::{Body, Failure, FailureKind, Meter};
use http::Request;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::{Error as HttpError, WasiHttpView as _};

/// Runs the guest from before its instantiation to its last instruction. The life is told the answer and the end, the end before the
/// store is dropped, or kept.
pub(crate) async fn run(
    begin: Begin<ProxyPre<Guest>, Proxy>,
    mut store: Store<Guest>,
    request: Request<Body>,
    life: Arc<Life>,
    meter: Arc<Meter>,
    keep: Option<Keep>,
) {
    let result = handle(begin, &mut store, request, &life, &meter).await;
    match result.and_then(|result| store.data_mut().ended(result)) {
        Ok(proxy) => {
            life.finish(Ok(()));
            if let Some(keep) = keep {
                keep.offer(store, Exported::Http02(proxy), life);
            }
        }
        Err(failure) => life.finish(Err(failure)),
    }
}

async fn handle(
    begin: Begin<ProxyPre<Guest>, Proxy>,
    store: &mut Store<Guest>,
    request: Request<Body>,
    life: &Arc<Life>,
    meter: &Meter,
) -> Result<wasmtime::Result<Proxy>, Failure> {
    let scheme = match request.uri().scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let request = seen::request(request, life);
    let invalid =
        |error: wasmtime::Error| Failure::new(FailureKind::InvalidInput, format!("{error:#}"));
    let mut http = store.data_mut().http();
    let request = http
        .new_incoming_request::<_>(scheme, request)
        .map_err(invalid)?;
    let answer = life.clone();
    let out = http
        .new_response_outparam_from_callback(move |response| {
            answer.answer(response.map_err(HttpError::from))
        })
        .map_err(invalid)?;
    let proxy = match begin {
        Begin::Fresh(pre) => {
            meter.start_begun();
            match pre.instantiate_async(&mut *store).await {
                Ok(proxy) => {
                    meter.start_done();
                    proxy
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Begin::Again(proxy) => *proxy,
    };
    let handler = proxy.wasi_http_incoming_handler();
    let handled = handler.call_handle(&mut *store, request, out).await;
    Ok(handled.map(|()| proxy))
}
