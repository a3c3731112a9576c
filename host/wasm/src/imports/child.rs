//! A guest's outgoing request as a child call, on a task of its own.
//!
//! It is never polled inside the guest's event loop: the answer of a service is a guest too, and one store cannot be driven from within
//! another. So the task asks, and hands head and frames over; dropping what it hands to aborts it, unless it is an entry of a durable execution.

use super::frames::{self, Frames, Task};
use super::outgoing;
use super::seated::seated;
use super::seen::error_of;
use crate::life::Life;
use holdfast_call::{
    Answer, Asked, BoxFuture, CallId, Clock, Fault, HostCode, Payload, Reply, Scope, Seat, Target,
    Timeouts, Why, problem,
};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt as _;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// The header in which a guest says why; removed before sending.
const WHY: HeaderName = HeaderName::from_static("holdfast-why");

/// What a name in the process ends with: `http://NAME.internal/`.
const INTERNAL: &str = ".internal";

type Head = Result<Response<Frames>, Error>;

/// Sends a guest's request through the pipeline. The task begins at once; dropping the future, or the answer's body, ends it.
pub(crate) fn spawn(
    serving: &Handle,
    scope: &Scope,
    life: Arc<Life>,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> impl Future<Output = Result<Response<WasiBody>, Error>> + Send + use<> {
    let sent = ask(scope, life, request, options).map(|(asked, kind)| {
        let Asked { id, reply, seat } = asked;
        let sent = Sent {
            id: seat.told(id),
            reply,
            kind,
            extent: Extent::of(&seat),
        };
        let (head_out, head_in) = oneshot::channel();
        let clock = scope.clock().clone();
        let child = async move { hand_over(sent, head_out, &*clock).await };
        (Task::spawn(serving, &seat, child), head_in, seat)
    });
    async move {
        let (task, head_in, seat) = sent?;
        let head = seated(seat, head_in).await;
        let head = head.unwrap_or(Err(Error::InternalError(None)))?;
        Ok(head.map(|frames| frames.with(task).boxed_unsync()))
    }
}

/// A request that was sent.
struct Sent {
    id: CallId,
    reply: BoxFuture<'static, Reply>,
    kind: Kind,
    extent: Extent,
}

/// How much of an answer is handed over with its head.
enum Extent {
    Ready,
    Whole,
}

impl Extent {
    fn of(seat: &Seat) -> Self {
        if seat.is_lasting() {
            Self::Whole
        } else {
            Self::Ready
        }
    }
}

enum Kind {
    Service,
    Upstream,
}

fn ask(
    scope: &Scope,
    life: Arc<Life>,
    request: Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(Asked, Kind), Error> {
    let (mut head, raw) = request.into_parts();
    let target = target(&head.uri).ok_or(Error::HttpRequestUriInvalid)?;
    let kind = match target {
        Target::Service(_) => Kind::Service,
        Target::Capability { .. } => Kind::Upstream,
    };
    let why = head
        .headers
        .remove(WHY)
        .and_then(|why| Why::claimed(why.to_str().ok()?));
    let operation = format!("{} {}", head.method, head.uri.path());
    if let Some(options) = options {
        head.extensions.insert(Timeouts {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
        });
    }
    let body = outgoing::body(raw, life);
    let payload = Payload::Http(Request::from_parts(head, body));
    Ok((scope.ask(target, operation.into(), why, payload), kind))
}

/// What a request is for: a service of this host, or an upstream by its origin.
fn target(uri: &Uri) -> Option<Target> {
    if uri.authority()?.as_str().contains('@') {
        return None;
    }
    let scheme = lowercase(uri.scheme_str()?);
    let host = lowercase(uri.host()?);
    let port = match (uri.port(), &*scheme) {
        // A port that is written and is no number must not be taken for none.
        (Some(port), _) => port.as_str().parse().ok()?,
        (None, "http") => 80,
        (None, _) => 443,
    };
    if let Some(name) = host.strip_suffix(INTERNAL)
        && scheme == "http"
        && port == 80
    {
        return Some(Target::Service(name.into()));
    }
    Some(Target::Capability {
        name: "http",
        resource: format!("{scheme}://{host}:{port}").into(),
    })
}

fn lowercase(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

async fn hand_over(sent: Sent, head_out: oneshot::Sender<Head>, clock: &dyn Clock) {
    let id = sent.id;
    let response = match (sent.reply.await, sent.kind) {
        (Ok(Answer::Http(response)), _) => response,
        (Ok(answer @ Answer::Values(_)), _) => {
            answer.close();
            return drop(head_out.send(Err(Error::InternalError(None))));
        }
        (Err(fault), Kind::Service) if answers(&fault) => {
            let mut response = problem::response(&fault, id);
            if let Ok(id) = HeaderValue::from_str(id.text().as_str()) {
                response.headers_mut().insert(problem::CALL_HEADER, id);
            }
            response
        }
        (Err(fault), Kind::Service | Kind::Upstream) => {
            return drop(head_out.send(Err(error_of(&fault))));
        }
    };
    let (head, body) = response.into_parts();
    let (frames, rest) = match sent.extent {
        Extent::Ready => frames::split(body).await,
        Extent::Whole => (frames::whole(body).await, None),
    };
    let taken = head_out.send(Ok(Response::from_parts(head, frames)));
    if let (Ok(()), Some(rest)) = (taken, rest) {
        rest.hand_over(clock).await;
    }
}

/// Whether a service's fault reaches the guest as an answer, like any client's; a denial is an error of the request instead.
fn answers(fault: &Fault) -> bool {
    !matches!(
        fault.host_code(),
        Some(
            HostCode::CapabilityDenied
                | HostCode::CallsExhausted
                | HostCode::LoopDetected
                | HostCode::NoSuchService
        )
    )
}
