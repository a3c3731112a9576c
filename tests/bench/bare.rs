//! The bare ceiling: the engine with the settings that were measured best, a fresh instance per request driven inline by the
//! connection's task, and nothing else: no deadline, no limit, no log.
//!
//! It is built as the host is, with its allocator and without tasks, so that the distance to this is what the host itself costs.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: Default::default(),
        }
    }
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A body that drives the guest that writes it.
struct Driven {
    guest: Option<Running>,
    body: HyperOutgoingBody,
}

impl Body for Driven {
    type Data = Bytes;
    type Error = wasmtime::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        if let Some(guest) = &mut self.guest
            && let Poll::Ready(done) = guest.as_mut().poll(context)
        {
            self.guest = None;
            if let Err(error) = done {
                return Poll::Ready(Some(Err(error)));
            }
        }
        Pin::new(&mut self.body)
            .poll_frame(context)
            .map_err(Into::into)
    }
}

async fn answer(pre: ProxyPre<Guest>, request: Request<Incoming>) -> Result<Response<Driven>> {
    let guest = Guest {
        wasi: WasiCtx::builder().build(),
        http: WasiHttpCtx::new(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(pre.engine(), guest);
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let (sender, mut receiver) = oneshot::channel();
    let request = request.map(|body| body.map_err(wasmtime_wasi_http::Error::from));
    let request = store
        .data_mut()
        .http()
        .new_incoming_request(Scheme::Http, request)?;
    let out = store.data_mut().http().new_response_outparam(sender)?;
    let mut guest: Option<Running> = Some(Box::pin(async move {
        let proxy = pre.instantiate_async(&mut store).await?;
        let handler = proxy.wasi_http_incoming_handler();
        handler.call_handle(&mut store, request, out).await
    }));
    let head = poll_fn(|context| {
        if let Some(running) = &mut guest
            && running.as_mut().poll(context).is_ready()
        {
            guest = None;
        }
        Pin::new(&mut receiver).poll(context)
    });
    let response = head.await??;
    Ok(response.map(|body| Driven { guest, body }))
}

/// How memory is reset between requests: as the host does it where pages cannot be swapped, or its safe setting.
fn engine(reset: &str) -> Result<Engine> {
    let (scan, resident) = match reset {
        "clear" => (Enabled::No, 16 << 10),
        _ => (Enabled::Auto, 1 << 20),
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(1000)
        .total_core_instances(8000)
        .total_memories(2000)
        .total_tables(8000)
        .total_stacks(1000)
        .linear_memory_keep_resident(resident)
        .table_keep_resident(16 << 10)
        .pagemap_scan(scan);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_default();
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let engine = engine(&arguments.next().unwrap_or_default())?;
    let ticker = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = ticker.upgrade() {
            engine.increment_epoch();
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let component = Component::from_file(&engine, path)?;
    let pre = ProxyPre::new(linker.instantiate_pre(&component)?)?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let pre = pre.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(pre.clone(), request));
            // A client that closes its connection ends it; that is how a round ends.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
