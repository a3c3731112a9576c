//! A typed service that calls another one many times: as a function, or over HTTP as if it were somewhere else.

use exports::test::walks::walks::{Guest, Point};
use test::shapes::shapes;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

wit_bindgen::generate!({
    world: "test:walks/walker",
    path: ["../../../wit/faults.wit", "../typed/wit", "wit"],
    generate_all,
});

struct Walks;

impl Guest for Walks {
    fn inside(steps: u32) -> Point {
        (0..steps).fold(Point { x: 0, y: 0 }, |place, _| shapes::next(place))
    }

    fn outside(steps: u32, authority: String) -> Result<Point, String> {
        (0..steps).try_fold(Point { x: 0, y: 0 }, |place, _| next(place, &authority))
    }
}

/// One step, over HTTP.
fn next(place: Point, authority: &str) -> Result<Point, String> {
    let headers = Fields::new();
    headers
        .append("content-type", b"application/json")
        .map_err(|error| error.to_string())?;
    let request = OutgoingRequest::new(headers);
    let refused = |()| "the request cannot be made".to_owned();
    request.set_method(&Method::Post).map_err(refused)?;
    request.set_scheme(Some(&Scheme::Http)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    request
        .set_path_with_query(Some("/typed/shapes/next"))
        .map_err(refused)?;
    let body = request.body().map_err(refused)?;
    let pending = outgoing_handler::handle(request, None).map_err(|error| error.to_string())?;
    let text = format!("{{\"place\":{{\"x\":{},\"y\":{}}}}}", place.x, place.y);
    let stream = body.write().map_err(refused)?;
    stream
        .blocking_write_and_flush(text.as_bytes())
        .map_err(|error| error.to_string())?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| error.to_string())?;
    pending.subscribe().block();
    let answer = pending
        .get()
        .and_then(Result::ok)
        .ok_or("there is no answer")?
        .map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = answer.consume().map_err(refused)?;
    let stream = body.stream().map_err(refused)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(4_096) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    place_in(&text).ok_or_else(|| format!("{status} {text}"))
}

/// `{"x":1,"y":1}`.
fn place_in(text: &str) -> Option<Point> {
    let member = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
        let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit())?;
        rest.get(..end)?.parse().ok()
    };
    Some(Point {
        x: member("x")?,
        y: member("y")?,
    })
}

export!(Walks);
