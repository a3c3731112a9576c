//! The physical limit: hyper answering by itself, without a guest.
//!
//! It is the upstream of the proxies, too. `/slow` is answered after half a minute; `/failing` is well until `/down` is asked for, and
//! again from `/well` on, and each request for it is a line of the output: its moment (milliseconds since 1970) and the status.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, server::conn::http1};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;

static DOWN: AtomicBool = AtomicBool::new(false);

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello from holdfast\n")));
    match request.uri().path() {
        "/slow" => tokio::time::sleep(Duration::from_secs(30)).await,
        "/down" => DOWN.store(true, Ordering::Relaxed),
        "/well" => DOWN.store(false, Ordering::Relaxed),
        "/failing" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            if DOWN.load(Ordering::Relaxed) {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            let millis = now.unwrap_or_default().as_millis();
            println!("{millis} {}", response.status().as_u16());
        }
        _ => {}
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that closes its connection ends it; that is how a round ends.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}
