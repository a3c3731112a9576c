//! The admin pages: health, readiness, metrics, services. They only look; whatever changes something goes over the owner's socket.

use crate::drain::{Phase, Stop};
use crate::entry::connections::Answers;
use crate::entry::line::Busy;
use crate::entry::peer::{Peer, Trust};
use crate::plugins::Plugins;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::Arc;

/// Writes the metrics out, in Prometheus' text format 0.0.4.
pub type Metrics = Arc<dyn Fn() -> String + Send + Sync>;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What the admin pages show.
pub struct Admin {
    plugins: Arc<Plugins>,
    metrics: Metrics,
    stop: Stop,
}

impl Admin {
    /// Pages about `plugins` and `metrics`, for as long as `stop` says.
    #[must_use]
    pub fn new(plugins: Arc<Plugins>, metrics: Metrics, stop: Stop) -> Self {
        Self {
            plugins,
            metrics,
            stop,
        }
    }

    fn page(&self, path: &str) -> Page {
        match path {
            "/healthz" => Page::new(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.stop.phase() > Phase::Serving => {
                Page::new(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n")
            }
            "/readyz" if self.plugins.ready() => Page::new(StatusCode::OK, TEXT, "ready\n"),
            "/readyz" => Page::new(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                "the plugin directory is being read\n",
            ),
            "/metrics" => Page::new(StatusCode::OK, PROMETHEUS, (self.metrics)()),
            "/services" => {
                let text = serde_json::Value::Array(self.plugins.index()).to_string();
                Page::new(StatusCode::OK, JSON, text + "\n")
            }
            _ => Page::new(
                StatusCode::NOT_FOUND,
                TEXT,
                "there are /healthz, /readyz, /metrics and /services\n",
            ),
        }
    }
}

struct Page {
    status: StatusCode,
    kind: HeaderValue,
    text: String,
}

impl Page {
    fn new(status: StatusCode, kind: HeaderValue, text: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            text: text.into(),
        }
    }
}

impl Answers for Admin {
    type Body = Full<Bytes>;
    type Future = Ready<Result<Response<Full<Bytes>>, Infallible>>;

    fn answer(&self, _peer: &Peer, request: Request<Incoming>, _busy: Busy) -> Self::Future {
        let looks = matches!(*request.method(), Method::GET | Method::HEAD);
        let page = if looks {
            self.page(request.uri().path())
        } else {
            Page::new(
                StatusCode::METHOD_NOT_ALLOWED,
                TEXT,
                "the admin pages are read-only\n",
            )
        };
        let mut response = Response::new(Full::new(Bytes::from(page.text)));
        *response.status_mut() = page.status;
        response.headers_mut().insert(CONTENT_TYPE, page.kind);
        if !looks {
            let methods = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, methods);
        }
        ready(Ok(response))
    }

    fn trust(&self, _address: IpAddr) -> Trust {
        Trust::Stranger
    }
}
