//! What stands in an entry is read as it was written.

use super::*;
use crate::journal::{beginning, begun_with};
use crate::once::fields;
use crate::testing::{Bench, service};
use holdfast_call::{Value, Values};
use http::Method;

fn call(payload: Payload) -> Box<Call> {
    let bench = Bench::new();
    let mut call = bench.call(&service("work"));
    call.payload = payload;
    Box::new(call)
}

fn post(body: &[u8]) -> Payload {
    let mut request = Request::new(Body::whole(Bytes::copy_from_slice(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/orders?x=1".parse().unwrap();
    let headers = request.headers_mut();
    headers.append("x-one", HeaderValue::from_static("a"));
    headers.append("x-one", HeaderValue::from_bytes(b"\xff").unwrap());
    Payload::Http(request)
}

async fn hash(payload: Payload) -> [u8; 32] {
    match asked(call(payload)).await {
        Ok(asked) => asked.entered.hash,
        Err(_) => panic!("it is not too long"),
    }
}

#[tokio::test]
async fn what_is_asked_is_known_again_and_nothing_else_is() {
    let one = hash(post(b"body")).await;
    assert_eq!(one, hash(post(b"body")).await);
    assert_ne!(one, hash(post(b"bodx")).await);
    let values = |text: &str| Payload::Values("op".into(), vec![Value::Text(text.to_owned())]);
    let other = hash(values("a")).await;
    assert_eq!(other, hash(values("a")).await);
    assert_ne!(other, hash(values("b")).await);
    let long = asked(call(post(&vec![0; BYTES_MAX + 1]))).await;
    assert!(long.is_err());
}

#[tokio::test]
async fn what_came_is_given_as_it_was() {
    let id = CallId::new(WallTime(1), [1; 16]);
    let response = || {
        let mut response = Response::new(Body::whole(Bytes::from_static(b"body")));
        let headers = response.headers_mut();
        headers.append("x-two", HeaderValue::from_static("b"));
        response
    };
    let bytes = came(Ok(Answer::Http(response())), id).await;
    let Ok(Answer::Http(back)) = given(&bytes, Form::Http) else {
        panic!("it was a response");
    };
    assert_eq!(back.headers(), response().headers());
    assert_eq!(
        back.body().as_whole().unwrap(),
        &Bytes::from_static(b"body")
    );
    assert!(
        given(&bytes, Form::Values).is_err(),
        "it is none with values"
    );
    let values = Values::new(vec![Value::U8(7)]);
    let bytes = came(Ok(Answer::Values(values)), id).await;
    let Ok(Answer::Values(back)) = given(&bytes, Form::Values) else {
        panic!("they were values");
    };
    assert_eq!(back.list(), [Value::U8(7)]);
    let bytes = came(Err(too_long("an answer")), id).await;
    let Err(fault) = given(&bytes, Form::Http) else {
        panic!("it was a fault");
    };
    assert_eq!(fault.host_code(), Some(HostCode::PayloadTooLarge));
    assert!(given(b"nothing", Form::Http).is_err());
}

#[test]
fn what_it_was_begun_with_is_read_as_it_was_written() {
    let before = call(post(b"body"));
    let begun = begun_with(&beginning(&before, b"body", fields)).unwrap();
    let (Payload::Http(one), Payload::Http(other)) = (&before.payload, &begun.payload) else {
        panic!("they are requests");
    };
    assert_eq!((one.method(), one.uri()), (other.method(), other.uri()));
    assert_eq!(one.headers(), other.headers());
    assert_eq!(one.body().as_whole(), other.body().as_whole());
    assert_eq!(begun.trace, Some(before.trace));
    let list = vec![Value::Text("a\n".to_owned()), Value::F64(0.5)];
    let before = call(Payload::Values("op".into(), list.clone()));
    let begun = begun_with(&beginning(&before, b"", fields)).unwrap();
    let Payload::Values(operation, back) = begun.payload else {
        panic!("they are values");
    };
    assert_eq!((&*operation, back), ("op", list));
    for broken in [&b""[..], b"{}", b"{}\n", b"\n"] {
        assert!(begun_with(broken).is_none());
    }
}

#[test]
fn only_what_is_harmless_may_be_asked_twice() {
    let name = StepName {
        at: WallTime(1),
        name: [3; 16],
    };
    let mut to_service = call(post(b""));
    assert_eq!(named(&mut to_service, name), Known::ByItsName);
    assert_eq!(to_service.key.as_deref(), Some(&*name.to_string()));
    let http = |payload| {
        let mut call = call(payload);
        call.target = Target::Capability {
            name: "http",
            resource: "https://a:443".into(),
        };
        named(&mut call, name)
    };
    assert_eq!(http(post(b"")), Known::Not);
    let mut put = post(b"");
    if let Payload::Http(request) = &mut put {
        *request.method_mut() = Method::PUT;
    }
    assert_eq!(http(put), Known::ByItself);
}
