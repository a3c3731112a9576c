//! Serving a call with a component of `wasi:http` 0.3 (`handler`).

use crate::guest::Guest;
use crate::idle::{Exported, Keep};
use crate::imports::seen;
use crate::life::Life;
use crate::run::Begin;
use holdfast_call::{Body, Meter};
use http::Request;
use std::future::poll_fn;
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::Accessor;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};
use wasmtime_wasi_http::p3::{Request as GuestRequest, Response as GuestResponse};
use wasmtime_wasi_http::{Error as HttpError, WasiHttpView as _};

/// Runs the guest from before its instantiation to the end of its last task. The life is told the answer and the end, the end before the
/// store is dropped, or kept.
pub(crate) async fn run(
    begin: Begin<ServicePre<Guest>, Service>,
    mut store: Store<Guest>,
    request: Request<Body>,
    life: Arc<Life>,
    meter: Arc<Meter>,
    keep: Option<Keep>,
) {
    let result = handle(begin, &mut store, request, &life, &meter).await;
    match store.data_mut().ended(result) {
        Ok(service) => {
            life.finish(Ok(()));
            if let Some(keep) = keep {
                keep.offer(store, Exported::Http03(service), life);
            }
        }
        Err(failure) => life.finish(Err(failure)),
    }
}

async fn handle(
    begin: Begin<ServicePre<Guest>, Service>,
    store: &mut Store<Guest>,
    request: Request<Body>,
    life: &Arc<Life>,
    meter: &Meter,
) -> wasmtime::Result<Service> {
    let service = match begin {
        Begin::Fresh(pre) => {
            meter.start_begun();
            let service = pre.instantiate_async(&mut *store).await?;
            meter.start_done();
            service
        }
        Begin::Again(service) => *service,
    };
    let request = seen::request(request, life);
    // The future tells how the guest dealt with the request's body; what matters of it the body itself has told already.
    let (request, _body_result) = GuestRequest::from_http(store.data_mut().http().hooks, request);
    store
        .run_concurrent(async |accessor| answer(&service, accessor, request, life).await)
        .await??;
    Ok(service)
}

async fn answer(
    service: &Service,
    accessor: &Accessor<Guest>,
    request: GuestRequest,
    life: &Arc<Life>,
) -> wasmtime::Result<()> {
    match service.handle(accessor, request).await? {
        Ok(response) => life.answer(Ok(raw(accessor, response)?)),
        Err(code) => {
            life.answer(Err(HttpError::from(code)));
            life.body_was_read();
        }
    }
    // The guest's tasks may go on behind its answer: its body is written by them. And when they have ended, the body's last frames and
    // its trailers are still to be moved by this event loop.
    poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
    poll_fn(|cx| life.poll_body_read(cx)).await;
    Ok(())
}

fn raw(
    accessor: &Accessor<Guest>,
    response: GuestResponse,
) -> wasmtime::Result<http::Response<wasmtime_wasi_http::WasiBody>> {
    accessor.with(|mut access| response.into_http(&mut access, async { Ok(()) }))
}
