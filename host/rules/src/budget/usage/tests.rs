//! What is found in answers of every shape, and what is entered where nothing is.

use super::*;
use proptest::prelude::*;

fn headers(media: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, media.parse().unwrap());
    headers
}

/// What is found in a body that comes in these pieces.
fn found(media: &'static str, pieces: &[&[u8]]) -> Option<u64> {
    let mut reading = Reading {
        pointers: vec![Some("/usage/total".to_owned())],
        found: vec![None],
        form: Form::of(&headers(media))?,
    };
    for piece in pieces {
        reading.feed(piece);
    }
    reading.end();
    reading.found[0]
}

#[test]
fn a_number_is_found_where_it_is_said_to_be() {
    for (text, number) in [
        ("{\"usage\": {\"total\": 17}}", Some(17)),
        ("{\"usage\": {\"total\": 0}}", Some(0)),
        ("{\"usage\": {\"total\": 16.2}}", Some(17)),
        ("{\"usage\": {\"total\": -1}}", None),
        ("{\"usage\": {\"total\": \"17\"}}", None),
        ("{\"usage\": {\"total\": null}}", None),
        ("{\"usage\": {\"total\": 1e300}}", None),
        ("{\"usage\": {}}", None),
        ("{\"usage\": {\"total\": 17", None),
        ("", None),
    ] {
        assert_eq!(
            found("application/json", &[text.as_bytes()]),
            number,
            "{text}"
        );
        assert_eq!(
            found(
                "application/problem+json; charset=utf-8",
                &[text.as_bytes()]
            ),
            number
        );
    }
    assert_eq!(
        found("text/plain", &[b"{\"usage\": {\"total\": 17}}"]),
        None
    );
    let mut coded = headers("application/json");
    coded.insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    assert!(Form::of(&coded).is_none());
}

#[test]
fn of_a_stream_of_events_the_last_one_counts_wherever_it_is() {
    const STREAM: &str = "data: {\"choices\": [1], \"usage\": null}\n\n\
        event: usage\r\ndata: {\"usage\": {\"total\": 5}}\r\n\r\n\
        data:{\"usage\": {\"total\": 9}, \"choices\": [2]}\n\n: usage\n\ndata: [DONE]\n\n";
    assert_eq!(found("text/event-stream", &[STREAM.as_bytes()]), Some(9));
    // The last line need not be ended.
    assert_eq!(
        found("text/event-stream", &[b"data: {\"usage\": {\"total\": 3}}"]),
        Some(3)
    );
    assert_eq!(found("text/event-stream", &[b"data: [DONE]\n\n"]), None);
}

#[test]
fn no_more_is_kept_than_a_mebibyte() {
    let long = "x".repeat(BODY_BYTES_MAX);
    let json = format!("{{\"long\": \"{long}\", \"usage\": {{\"total\": 1}}}}");
    assert_eq!(found("application/json", &[json.as_bytes()]), None);
    let events = format!("data: \"{long}\"\ndata: {{\"usage\": {{\"total\": 2}}}}\n");
    assert_eq!(found("text/event-stream", &[events.as_bytes()]), Some(2));
}

proptest! {
    #[test]
    fn in_whatever_pieces_it_comes(at in prop::collection::vec(0..120usize, 0..6)) {
        const STREAM: &[u8] = b"data: {\"usage\": {\"total\": 5}}\n\ndata: {\"usage\": {\"total\": 7}}\n\ndata: [DONE]\n\n";
        let mut ends: Vec<_> = at.into_iter().map(|at| at.min(STREAM.len())).collect();
        ends.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for end in ends.into_iter().chain([STREAM.len()]) {
            pieces.push(&STREAM[from..end]);
            from = end;
        }
        prop_assert_eq!(found("text/event-stream", &pieces), Some(7));
    }
}
