//! Serving a call with a component of `wasi:http` 0.2 (`incoming-handler`).

use crate::guest::Guest;
use crate::life::Life;
use holdfast_call::{Body, Failure, FailureKind, Meter};
use http::Request;
use http_body_util::BodyExt as _;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{Error as HttpError, WasiHttpView as _};

/// Runs the guest from before its instantiation to its last instruction. The life is told the answer and the end, the end before the
/// store is dropped.
pub(crate) async fn run(
    pre: ProxyPre<Guest>,
    mut store: Store<Guest>,
    request: Request<Body>,
    life: Arc<Life>,
    meter: Arc<Meter>,
) {
    let result = handle(&pre, &mut store, request, &life, &meter).await;
    let end = match result {
        Ok(result) => store.data_mut().ended(result),
        Err(failure) => Err(failure),
    };
    life.finish(end);
}

async fn handle(
    pre: &ProxyPre<Guest>,
    store: &mut Store<Guest>,
    request: Request<Body>,
    life: &Arc<Life>,
    meter: &Meter,
) -> Result<wasmtime::Result<()>, Failure> {
    let scheme = match request.uri().scheme_str() {
        Some("https") => Scheme::Https,
        _ => Scheme::Http,
    };
    let request = request.map(|body| body.map_err(|fault| super::imports::seen::error_of(&fault)));
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
    meter.start_begun();
    Ok(match pre.instantiate_async(&mut *store).await {
        Ok(proxy) => {
            meter.start_done();
            proxy
                .wasi_http_incoming_handler()
                .call_handle(&mut *store, request, out)
                .await
        }
        Err(error) => Err(error),
    })
}
