//! A load that comes as it comes: so many calls a second, whether those before were answered or not.
//!
//! Prints a line for each: when it began (milliseconds since 1970), how long it took (microseconds), the status, the code of the problem
//! and the seconds after which to come again, or "-".

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

/// Where to, and the connections on which nothing is under way.
struct Target {
    url: Uri,
    idle: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
}

impl Target {
    async fn connection(&self) -> Result<SendRequest<Empty<Bytes>>, Failure> {
        while let Some(idle) = self.idle.lock().map_err(|_| "poisoned")?.pop() {
            if idle.is_ready() {
                return Ok(idle);
            }
        }
        let authority = self.url.authority().ok_or("no authority")?;
        let stream = TcpStream::connect(authority.as_str()).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn call(&self) -> Result<String, Failure> {
        let mut sender = self.connection().await?;
        let request = Request::get(self.url.path())
            .header("host", self.url.authority().ok_or("no authority")?.as_str())
            .body(Empty::new())?;
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let clock = Instant::now();
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let took = clock.elapsed().as_micros();
        sender.ready().await?;
        self.idle.lock().map_err(|_| "poisoned")?.push(sender);
        let text = String::from_utf8_lossy(&body);
        let code = text.split("\"code\":\"").nth(1);
        let code = code.and_then(|rest| rest.split('"').next());
        let after = head.headers.get("retry-after");
        let after = after.and_then(|value| value.to_str().ok());
        Ok(format!(
            "{began} {took} {} {} {}",
            head.status.as_u16(),
            code.unwrap_or("-"),
            after.unwrap_or("-")
        ))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [url, rate, seconds] = arguments.as_slice() else {
        return Err("usage: offer URL CALLS_A_SECOND SECONDS".into());
    };
    let (rate, seconds): (u32, u32) = (rate.parse()?, seconds.parse()?);
    let target = Arc::new(Target {
        url: url.parse()?,
        idle: Mutex::default(),
    });
    // One that is late is made up for at once.
    let mut due = tokio::time::interval(Duration::from_secs(1) / rate);
    let mut calls = JoinSet::new();
    for _ in 0..rate * seconds {
        due.tick().await;
        let target = target.clone();
        calls.spawn(async move { target.call().await });
    }
    while let Some(done) = calls.join_next().await {
        println!("{}", done??);
    }
    Ok(())
}
