//! What is wrong with a request: in its parameters, and in its body.

use super::*;

fn shop() -> Described {
    let query =
        |name: &str, schema: Value| json!({ "name": name, "in": "query", "schema": schema });
    let parameters = json!([
        { "name": "id", "in": "path", "required": true, "schema": { "type": "integer", "minimum": 1 } },
        query("limit", json!({ "type": "integer", "maximum": 100 })),
        query("exact", json!({ "type": "boolean" })),
        query("price", json!({ "type": ["number", "null"] })),
        query("tag", json!({ "type": "array", "items": { "type": "string", "maxLength": 3 }, "maxItems": 2 })),
        { "name": "ids", "in": "query", "explode": false, "schema": { "type": "array", "items": { "type": "integer" } } },
        query("mixed", json!({ "type": ["integer", "string"], "maxLength": 2 })),
        { "name": "filter", "in": "query", "content": { "application/json": { "schema": { "type": "object", "required": ["by"] } } } },
        { "name": "X-Shop", "in": "header", "required": true, "schema": { "type": "string", "pattern": "^[a-z]+$" } },
        { "name": "x-days", "in": "header", "schema": { "type": "array", "items": { "type": "integer" } } },
        { "name": "visit", "in": "cookie", "schema": { "type": "integer" } },
        { "name": "Authorization", "in": "header", "required": true, "schema": { "type": "integer" } },
    ]);
    described(&json!({ "/orders/{id}": { "parameters": parameters, "get": {} } }))
}

#[test]
fn parameters_are_read_as_the_types_that_they_have() {
    let shop = shop();
    for uri in [
        "/orders/1",
        "/orders/1?limit=100&exact=true&price=1.5&tag=a&tag=b",
        "/orders/1?limit=%31&unknown=anything&unknown",
        "/orders/1?ids=1,2,3&mixed=12345&price=-1e-2",
        "/orders/1?mixed=ab&tag=a+b&filter={\"by\":1}",
        "/orders/1?tag=a%2Cb",
        "/orders/1?",
    ] {
        let mut request = get(&uri
            .replace('{', "%7B")
            .replace('}', "%7D")
            .replace('"', "%22"));
        let headers = request.headers_mut();
        headers.insert("x-shop", "north".parse().unwrap());
        headers.insert("x-days", "1, 2,3".parse().unwrap());
        headers.insert("cookie", "a=b; visit=3".parse().unwrap());
        assert_eq!(found(&shop, &request), [""; 0], "{uri}");
    }
}

#[test]
fn what_is_wrong_with_parameters_is_told_at_once_each_with_its_place() {
    let shop = shop();
    let mut request = get(
        "/orders/0?limit=101&exact=yes&price=x&tag=long&tag=b&tag=c&ids=1,x&mixed=abc&filter=%7B%7D",
    );
    request
        .headers_mut()
        .insert("x-days", "1,b".parse().unwrap());
    request
        .headers_mut()
        .insert("cookie", "visit=x".parse().unwrap());
    assert_eq!(
        found(&shop, &request),
        [
            "path/id must be at least 1",
            "query/limit must be at most 100",
            "query/exact must be true or false",
            "query/price must be a number or null",
            "query/tag must have at most 2 items",
            "query/tag/0 must have at most 3 characters",
            "query/ids/1 must be a whole number",
            "query/mixed must have at most 2 characters",
            "query/filter/by is required",
            "header/x-shop is required",
            "header/x-days/1 must be a whole number",
            "cookie/visit must be a whole number",
        ]
    );
}

#[test]
fn a_text_is_a_number_only_if_nothing_else_is_there() {
    let shop = shop();
    for text in [
        "",
        "+1",
        "01",
        "1.5",
        "0x1",
        "1%20",
        "1e400",
        "NaN",
        "%31%30%31",
        "1,2",
    ] {
        let mut request = get(&format!("/orders/1?limit={text}"));
        request.headers_mut().insert("x-shop", "a".parse().unwrap());
        assert_eq!(found(&shop, &request).len(), 1, "{text}");
    }
    for query in ["limit=1&limit=2", "limit=%FF", "a=%zz", "%", "exact=TRUE"] {
        let mut request = get(&format!("/orders/1?{query}"));
        request.headers_mut().insert("x-shop", "a".parse().unwrap());
        assert_eq!(found(&shop, &request).len(), 1, "{query}");
    }
}

#[test]
fn what_is_wrong_with_a_body_is_told_at_once_each_with_its_place() {
    let item = json!({
        "type": "object",
        "required": ["sku", "price"],
        "properties": { "sku": { "enum": ["a", "b"] }, "price": { "type": "number", "exclusiveMinimum": 0 } },
        "additionalProperties": false,
    });
    let order = json!({
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Item" } },
            "mail": { "type": "string", "format": "email" },
            "a/b~c": { "type": "null" },
        },
    });
    let paths = json!({ "/": { "post": body(&json!({ "$ref": "#/components/schemas/Order" })) } });
    let shop = with(
        &paths,
        &json!({ "schemas": { "Item": item, "Order": order } }),
    );
    assert_eq!(
        wrong(&shop, "{\"items\":[{\"sku\":\"a\",\"price\":1}]}"),
        [""; 0]
    );
    let sent = json!({
        "items": [{ "sku": "secret-value", "price": 0 }, { "sku": "a", "more": 1 }, 7],
        "mail": "nobody", "a/b~c": 1,
    });
    assert_eq!(
        wrong(&shop, &sent.to_string()),
        [
            "/a~1b~0c must be null",
            "/items/0/price must be more than 0",
            "/items/0/sku must be one of `\"a\"`, `\"b\"`",
            "/items/1/price is required",
            "/items/1/more is not known here",
            "/items/2 must be an object",
            "/mail must be a text of the format `email`",
        ]
    );
    assert_eq!(wrong(&shop, "{}"), ["/items is required"]);
    assert_eq!(
        wrong(&shop, ""),
        [" is required: the request must have a body"]
    );
    assert_eq!(wrong(&shop, "[]"), [" must be an object"]);
    assert_eq!(
        wrong(&shop, "{\"items\":1,\"items\":2}"),
        ["/items stands there twice"]
    );
    for text in ["{", "nul", "\u{feff}{}", "{} {}", "\"\\ud800\""] {
        assert!(wrong(&shop, text)[0].starts_with(" is not JSON"), "{text}");
    }
    let many = json!({ "items": vec![1; 50] }).to_string();
    assert_eq!(wrong(&shop, &many).len(), 20);
}

#[test]
fn a_body_is_looked_into_by_its_content_type() {
    let content = json!({
        "application/json": { "schema": { "type": "integer" } },
        "application/vnd.shop+json; version=1": { "schema": { "type": "string" } },
        "text/*": { "schema": { "type": "integer" } },
    });
    let optional = json!({ "/": { "post": { "requestBody": { "content": content } } } });
    let shop = described(&optional);
    let ask = |kind: &[(&str, &str)], body: &'static str| {
        let mut request = Request::post("/").body(body).unwrap();
        for (name, value) in kind {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        found(&shop, &request)
    };
    let kind = "content-type";
    assert_eq!(ask(&[(kind, "application/json")], "1"), [""; 0]);
    assert_eq!(
        ask(&[(kind, "Application/JSON ; charset=utf-8")], "1"),
        [""; 0]
    );
    assert_eq!(
        ask(&[(kind, "application/vnd.shop+json")], "\"a\""),
        [""; 0]
    );
    assert_eq!(ask(&[(kind, "text/plain")], "anything"), [""; 0]);
    assert_eq!(ask(&[], ""), [""; 0]);
    assert_eq!(
        ask(&[(kind, "application/vnd.shop+json")], "1"),
        [" must be a string"]
    );
    let taken = " must be sent with a content type that is taken: `application/json`, `application/vnd.shop+json`, `text/*`";
    assert_eq!(ask(&[], "1"), [taken]);
    assert_eq!(ask(&[(kind, "application/xml")], "1"), [taken]);
    assert_eq!(
        ask(&[(kind, "application/json"), (kind, "text/plain")], "1"),
        [taken]
    );
    let packed = [(kind, "application/json"), ("content-encoding", "gzip")];
    assert_eq!(
        ask(&packed, "1"),
        [" must be sent without `content-encoding`: it is looked into"]
    );
}

#[test]
fn what_is_only_read_is_not_asked_of_a_request() {
    let schema = json!({
        "type": "object",
        "required": ["id", "name", "key"],
        "properties": {
            "id": { "type": "integer", "readOnly": true },
            "name": { "type": "string" },
            "key": { "type": "string", "writeOnly": true },
        },
    });
    let missing = unfit(&schema, &json!({}));
    assert_eq!(missing, ["/name is required", "/key is required"]);
}

#[test]
fn operations_say_what_they_take_before_their_paths_do() {
    let limit = |most: u32| json!([{ "name": "n", "in": "query", "schema": { "type": "integer", "maximum": most } }]);
    let shop = described(
        &json!({ "/": { "parameters": limit(1), "get": { "parameters": limit(9) }, "delete": {} } }),
    );
    assert_eq!(found(&shop, &get("/?n=5")), [""; 0]);
    let delete = Request::delete("/?n=5").body("").unwrap();
    assert_eq!(found(&shop, &delete), ["query/n must be at most 1"]);
}

#[test]
fn routes_have_a_schema_each_and_say_nothing_of_the_rest() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://example.com/order.schema.json",
        "$ref": "#/$defs/order",
        "$defs": { "order": { "type": "object", "required": ["n"], "properties": { "n": { "$ref": "#/$defs/n" } } }, "n": { "type": "integer" } },
    });
    let routes = [
        super::super::Route {
            name: "POST /",
            request: Some(("order.schema.json", &schema)),
            answer: None,
        },
        super::super::Route {
            name: "PUT /{id}",
            request: None,
            answer: None,
        },
    ];
    let shop = Described::routes(&routes).unwrap();
    assert_eq!(wrong(&shop, "{\"n\":1}"), [""; 0]);
    assert_eq!(wrong(&shop, "{\"n\":\"x\"}"), ["/n must be a whole number"]);
    assert_eq!(wrong(&shop, "{}"), ["/n is required"]);
    let put = Request::put("/7?anything").body("any bytes").unwrap();
    assert_eq!(found(&shop, &put), [""; 0]);
}
