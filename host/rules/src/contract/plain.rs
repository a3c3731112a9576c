//! The plain way of `contract`: a request over HTTP beside the description of its service, and its answer too where the author asks for that.
//!
//! A body of JSON is read whole before the guest runs, and the guest is given the very bytes that were looked into. All else streams as it
//! would without a description.

use super::TEXT_BYTES_MAX;
use super::described::{Described, Found, Promised, Request as Meant, Wanted};
use crate::whole::{NotWhole, Whole, whole};
use holdfast_call::{
    Answer, Body, Boundary, Call, Fault, HostCode, Next, Payload, Refusal, Reply, Verdict,
    Violation,
};
use http::{Method, Request, Response, request};
use std::sync::Arc;

/// What the description of a plain service needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it says of itself.
    pub described: Arc<Described>,
    /// What is checked by it.
    pub checked: Checked,
}

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// Requests; answers stream untouched.
    Requests,
    /// Requests and answers.
    Both,
}

/// A request to a service that may have described itself.
pub(super) async fn requested(
    mut call: Box<Call>,
    request: Request<Body>,
    settings: Option<&Settings>,
    next: Next<'_>,
) -> Reply {
    let Some(settings) = settings else {
        call.payload = Payload::Http(request);
        return next.run(call).await;
    };
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let meant = match settings.described.find(&head.method, &path) {
        Found::Operation(meant) => meant,
        Found::Method(methods) => return Err(other_method(&head, &methods)),
        Found::Nothing => return Err(no_such(&head)),
    };
    let body = fitting(&meant, &head, body).await?;
    let is_head = head.method == Method::HEAD;
    call.payload = Payload::Http(Request::from_parts(head, body));
    match (next.run(call).await?, settings.checked) {
        (Answer::Http(response), Checked::Both) => answered(&meant, response, is_head).await,
        (answer, _) => Ok(answer),
    }
}

/// The body of a request that is what is described; all that is wrong with the request else.
async fn fitting(meant: &Meant<'_>, head: &request::Parts, body: Body) -> Result<Body, Fault> {
    let (violations, body) = match meant.wanted(head) {
        Wanted::Passed => (meant.check(head, None), body),
        Wanted::Nothing => {
            let mut violations = meant.check(head, None);
            match whole(body, 0).await {
                Ok(body) => (violations, body.again()),
                Err(NotWhole::Cut(fault)) => return Err(fault),
                Err(NotWhole::TooLong) => {
                    violations.push(Violation {
                        pointer: String::new(),
                        reason: "must not be there: this operation takes no body".to_owned(),
                    });
                    (violations, Body::empty())
                }
            }
        }
        Wanted::Whole(looked) => {
            let body: Whole = match whole(body, TEXT_BYTES_MAX).await {
                Ok(body) => body,
                Err(NotWhole::Cut(fault)) => return Err(fault),
                Err(NotWhole::TooLong) => return Err(too_long(meant)),
            };
            let violations = meant.check(head, Some((looked, &body.bytes)));
            (violations, body.again())
        }
    };
    if violations.is_empty() {
        return Ok(body);
    }
    Err(unfit(meant, violations))
}

/// An answer, if it is one that was promised.
async fn answered(meant: &Meant<'_>, response: Response<Body>, is_head: bool) -> Reply {
    let promised = match meant.promised(response.status(), response.headers()) {
        Ok(promised) => promised.filter(|_| !is_head),
        Err(why) => {
            response.into_body().close();
            return Err(bad_answer(meant, &why));
        }
    };
    let Some(promised) = promised else {
        return Ok(Answer::Http(response));
    };
    let (head, body) = response.into_parts();
    let body = looked_into(meant, promised, body).await?;
    Ok(Answer::Http(Response::from_parts(head, body)))
}

async fn looked_into(meant: &Meant<'_>, promised: Promised<'_>, body: Body) -> Result<Body, Fault> {
    match whole(body, TEXT_BYTES_MAX).await {
        Ok(body) => match promised.check(&body.bytes) {
            Ok(()) => Ok(body.again()),
            Err(why) => Err(bad_answer(meant, &why)),
        },
        Err(NotWhole::Cut(fault)) => Err(fault),
        Err(NotWhole::TooLong) => {
            let why = format!("it has more than {TEXT_BYTES_MAX} bytes, which are not looked into");
            Err(bad_answer(meant, &why))
        }
    }
}

fn no_such(head: &request::Parts) -> Fault {
    refused(
        HostCode::NoSuchOperation,
        "The service describes no such path.",
        head.method.to_string(),
        "the paths of its description",
    )
}

fn other_method(head: &request::Parts, methods: &[Method]) -> Fault {
    let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
    let methods = methods.join(", ");
    let detail = format!("This path is asked with {methods}.");
    let (code, seen) = (HostCode::MethodNotAllowed, head.method.to_string());
    refused(code, detail, seen, methods.as_str()).allowing(methods)
}

fn too_long(meant: &Meant<'_>) -> Fault {
    let name = meant.operation().name();
    refused(
        HostCode::PayloadTooLarge,
        format!("The body must not have more than {TEXT_BYTES_MAX} bytes."),
        format!("more bytes for {name}"),
        format!("{TEXT_BYTES_MAX} bytes"),
    )
}

fn unfit(meant: &Meant<'_>, violations: Vec<Violation>) -> Fault {
    let seen = violations.first().map_or_else(String::new, |first| {
        let more = violations.len().saturating_sub(1);
        format!("{} at `{}`, and {more} more", first.reason, first.pointer)
    });
    let detail = "The request is not what the operation takes.";
    let name = meant.operation().name();
    refused(HostCode::InvalidInput, detail, seen, name).with_violations(violations)
}

fn refused(
    code: HostCode,
    detail: impl Into<String>,
    seen: String,
    limit: impl Into<String>,
) -> Fault {
    let refusal = Refusal {
        code,
        layer: "contract",
        detail: detail.into(),
        rule: "what goes into a service is what it says in its description".to_owned(),
        seen,
        limit: limit.into(),
        change: "the request, or the description that [contract] in NAME.toml names".to_owned(),
        retry_after: None,
    };
    refusal.into()
}

/// The service did not answer what it promised. The caller is told no more than that.
fn bad_answer(meant: &Meant<'_>, why: &str) -> Fault {
    let verdict = Verdict {
        boundary: Boundary::Application,
        stage: "contract",
        cause: format!("what the service answered is not what it promised: {why}"),
        evidence: vec![("promised", meant.operation().name().to_owned())],
        next: "mend the service, or the description that [contract] in NAME.toml names".to_owned(),
    };
    let code = HostCode::BadResponse;
    Fault::host(code, format!("{}.", code.meaning().title), verdict)
}
