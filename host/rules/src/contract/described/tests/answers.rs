//! What is promised of an answer.

use super::*;
use http::{HeaderMap, StatusCode};

fn shop() -> Described {
    let json_of =
        |schema: Value| json!({ "content": { "application/json": { "schema": schema } } });
    described(&json!({ "/": { "get": { "responses": {
        "200": json_of(json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer", "readOnly": true } } })),
        "202": { "content": { "text/event-stream": {} } },
        "204": { "description": "nothing" },
        "4XX": json_of(json!({ "type": "string" })),
        "404": json_of(json!({ "const": "no" })),
    } } } }))
}

fn answered(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &str,
) -> Result<(), String> {
    let shop = shop();
    let Found::Operation(meant) = shop.find(&Method::GET, "/") else {
        panic!("no operation");
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    match meant.promised(StatusCode::from_u16(status).unwrap(), &map)? {
        Some(promised) => promised.check(body.as_bytes()),
        None => Ok(()),
    }
}

#[test]
fn an_answer_is_what_its_status_and_content_type_promise() {
    let kind = [("content-type", "application/json")];
    assert_eq!(answered(200, &kind, "{\"id\":1}"), Ok(()));
    assert_eq!(
        answered(202, &[("content-type", "text/event-stream")], "any"),
        Ok(())
    );
    assert_eq!(answered(204, &[], ""), Ok(()));
    assert_eq!(answered(404, &kind, "\"no\""), Ok(()));
    assert_eq!(answered(400, &kind, "\"why\""), Ok(()));
    assert_eq!(answered(500, &[], "anything"), Ok(()));
    for (status, headers, body, why) in [
        (200, &kind[..], "{}", "`/id` is required"),
        (200, &kind, "nul", "is not JSON"),
        (
            200,
            &[("content-type", "text/html")],
            "",
            "the content type of 200 is not described",
        ),
        (200, &[], "{\"id\":1}", "the content type of 200"),
        (404, &kind, "\"yes\"", "`` must be `\"no\"`"),
        (400, &kind, "1", "`` must be a string"),
        (201, &kind, "{\"id\":1}", "the status 201 is not described"),
        (302, &[], "", "the status 302 is not described"),
    ] {
        let said = answered(status, headers, body).unwrap_err();
        assert!(said.contains(why), "{status} {body}: {said}");
    }
    let packed = [
        ("content-type", "application/json"),
        ("content-encoding", "br"),
    ];
    assert!(
        answered(200, &packed, "{}")
            .unwrap_err()
            .contains("compressed")
    );
}

#[test]
fn routes_promise_answers_that_are_no_errors() {
    let schema = json!({ "type": "integer" });
    let routes = [super::super::Route {
        name: "GET /",
        request: None,
        answer: Some(("n.json", &schema)),
    }];
    let shop = Described::routes(&routes).unwrap();
    let Found::Operation(meant) = shop.find(&Method::GET, "/") else {
        panic!("no operation");
    };
    let kind = HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        "application/json".parse().unwrap(),
    )]);
    let check = |status: StatusCode, body: &str| {
        let promised = meant.promised(status, &kind).unwrap();
        promised.map(|promised| promised.check(body.as_bytes()).is_ok())
    };
    assert_eq!(check(StatusCode::OK, "1"), Some(true));
    assert_eq!(check(StatusCode::CREATED, "\"a\""), Some(false));
    assert_eq!(check(StatusCode::NOT_FOUND, "\"a\""), None);
}
