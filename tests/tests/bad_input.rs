//! Bad input is a problem of the client's, 4xx, whatever it is.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use portcullis_tests::{Answer, Host};
use serde_json::json;

fn shop() -> Host {
    Host::init().with_plugins(["catalog"]).start()
}

fn post(host: &Host, body: impl Into<Vec<u8>>) -> Answer {
    host.operator()
        .request("POST", "/api/products")
        .body("application/json", body)
        .send()
}

/// Sends bytes as they are and returns the status of what comes back; none where the connection is just closed.
fn raw(host: &Host, bytes: &[u8]) -> Option<u16> {
    statuses(host, bytes).first().copied()
}

/// The statuses of all that comes back until the connection is closed.
fn statuses(host: &Host, bytes: &[u8]) -> Vec<u16> {
    let mut stream = TcpStream::connect(host.api().authority()).expect("the host listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a timeout can be set");
    // The host may answer and close before it has read all of it.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection is not closed"),
    }
    let answer = String::from_utf8_lossy(&answer);
    // What begins otherwise is HTTP/2, which has no status line.
    let heads = answer.strip_prefix("HTTP/1.1 ").into_iter();
    heads
        .flat_map(|answers| answers.split("HTTP/1.1 "))
        .map(|head| head[..3].parse().expect("a status is a number"))
        .collect()
}

#[test]
fn what_is_not_json_is_refused() {
    let host = shop();
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"{\"a\":1,}",
        b"{\"a\":NaN}",
        b"{\"sku\":\"a\",\"sku\":\"b\"}",
        b"{\"a\":\"\xff\"}",
        b"\xef\xbb\xbf{",
        b"{}{}",
        deep.as_bytes(),
    ];
    for body in bodies {
        post(&host, body).expect_problem(400, "malformed_json");
    }
    for body in ["7", "[]", "null", "\"{}\""] {
        post(&host, body).expect_problem(400, "not_an_object");
    }
}

#[test]
fn what_breaks_the_schema_is_named_with_its_place() {
    let host = shop();
    let refused = post(&host, json!({"sku": "a", "name": "A", "stock": -1}).to_string()).expect_problem(422, "invalid");
    assert_eq!(refused.problem()["errors"][0]["pointer"], "/stock");
    let refused = post(&host, json!({"sku": "a", "name": "A", "id": "x"}).to_string()).expect_problem(422, "invalid");
    assert_eq!(refused.problem()["errors"][0]["pointer"], "/id");
    post(&host, json!({"sku": "a", "name": "A", "colour": 1}).to_string()).expect_problem(422, "invalid");
}

#[test]
fn sizes_are_limited() {
    let host = shop();
    post(&host, vec![b' '; (1 << 20) + 1]).expect_problem(413, "body_too_large");
    let long = "a".repeat(40_000);
    host.api()
        .request("GET", "/api/products")
        .header("x-long", &long)
        .send()
        .expect_problem(431, "header_too_large");
    host.get(&format!("/api/products?name={}", "a".repeat(9_000)))
        .expect_problem(414, "uri_too_long");
}

#[test]
fn a_head_that_could_be_read_in_two_ways_is_refused() {
    let host = shop();
    let many = |count: usize| "x: y\r\n".repeat(count);
    for (head, status) in [
        ("", 400),
        ("host: a\r\nhost: b\r\n", 400),
        ("host: a b\r\n", 400),
        ("host: a@b\r\n", 400),
        ("host: a\r\ntransfer-encoding: gzip, chunked\r\n", 400),
        ("host: a\r\n", 200),
        (&format!("host: a\r\n{}", many(90)), 200),
        (&format!("host: a\r\n{}", many(100)), 431),
        (&format!("host: a\r\n{}", many(190)), 431),
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{head}connection: close\r\n\r\n");
        let request = if head.contains("chunked") {
            request + "0\r\n\r\n"
        } else {
            request
        };
        assert_eq!(raw(&host, request.as_bytes()), Some(status), "{head:.60}");
    }
    let post = |headers: &str| {
        format!("POST /api/products HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n{headers}\r\n{{}}")
    };
    for headers in [
        "content-type: application/json\r\ncontent-type: application/xml\r\n",
        "content-type: application/json\r\ncontent-encoding: identity\r\ncontent-encoding: gzip\r\n",
    ] {
        let request = post(&format!("authorization: Bearer {}\r\n{headers}", host.token()));
        assert_eq!(raw(&host, request.as_bytes()), Some(415), "{headers}");
    }
}

#[test]
fn a_length_beside_chunks_does_not_count_and_nothing_follows_it() {
    let host = shop();
    let body = "2\r\n{}\r\n";
    let next = "0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let head = "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let length = format!("content-length: {}\r\n", body.len());
    let chunked = "transfer-encoding: chunked\r\n".to_owned();
    // RFC 9112, 6.1: after such a request the connection is closed, whatever else came on it.
    for (lengths, expected) in [
        (chunked.clone() + &length, &[422][..]),
        (length.clone() + &chunked, &[422]),
        (chunked, &[422, 200]),
    ] {
        let request = format!("{head}{lengths}\r\n{body}{next}");
        assert_eq!(statuses(&host, request.as_bytes()), expected, "{lengths}");
    }
    // Were it the length that counts, neither the body nor what follows would make sense.
    let request = format!("{head}{length}\r\n{body}{next}");
    assert_eq!(statuses(&host, request.as_bytes()), [400, 400]);
}

#[test]
fn conditions_that_make_no_sense_are_refused_not_ignored() {
    let host = shop();
    let body = json!({"sku": "a", "name": "A"});
    let operator = host.operator();
    for condition in ["if-match", "if-none-match"] {
        let create = operator.request("POST", "/api/products").header(condition, "\"1\"");
        create.json(&body).send().expect_problem(400, "unsupported_condition");
    }
    host.api()
        .request("GET", "/api/products")
        .header("if-match", "\"1\"")
        .send()
        .expect_problem(400, "unsupported_condition");
    for method in ["GET", "POST"] {
        let mut operation = json!({"method": method, "path": "/api/products", "if_match": "\"1\""});
        if method == "POST" {
            operation["body"] = body.clone();
        }
        let batch = json!({"operations": [operation]});
        host.operator()
            .post("/api/batch", &batch)
            .expect_problem(400, "malformed_operation");
    }
    assert_eq!(host.get("/api/products?count=true").expect(200).json()["count"], 0);
}

#[test]
fn types_and_codings_that_are_not_understood_are_refused() {
    let host = shop();
    let operator = host.operator();
    let send = |content_type: &str| {
        operator
            .request("POST", "/api/products")
            .body(content_type, "{}")
            .send()
    };
    for content_type in [
        "text/plain",
        "application/json; charset=latin1",
        "application/merge-patch+json",
        "x",
    ] {
        send(content_type).expect_problem(415, "unsupported_media_type");
    }
    let plain_patch = operator
        .request("PATCH", "/api/products/x")
        .body("application/json", "{}")
        .send();
    let refused = plain_patch.expect_problem(415, "unsupported_media_type");
    assert!(
        refused
            .header("accept-patch")
            .is_some_and(|types| types.contains("application/merge-patch+json"))
    );
    let packed = operator.request("POST", "/api/products").body("application/json", "{}");
    packed
        .header("content-encoding", "gzip")
        .send()
        .expect_problem(415, "unsupported_encoding");
    operator
        .request("GET", "/api/products")
        .header("accept", "image/png")
        .send()
        .expect_problem(406, "not_acceptable");
}

#[test]
fn queries_that_make_no_sense_are_refused() {
    let host = shop();
    for (query, code) in [
        ("colour=red", "unknown_field"),
        ("sort=colour", "unknown_field"),
        // Nothing is in a text.
        ("sku.x=1", "unknown_field"),
        ("tags.x=1", "unknown_field"),
        ("price_cents[like]=1", "unknown_operator"),
        ("price_cents=cheap", "bad_value"),
        ("stock[gte]=1.5", "bad_value"),
        ("limit=0", "bad_limit"),
        ("limit=1001", "bad_limit"),
        ("count=maybe", "bad_count"),
        ("name=%ff", "malformed_query"),
        ("name=%zz", "malformed_query"),
    ] {
        host.get(&format!("/api/products?{query}")).expect_problem(400, code);
    }
}

#[test]
fn forged_and_borrowed_cursors_are_refused() {
    let host = shop();
    for sku in ["a", "b", "c"] {
        host.operator()
            .post("/api/products", &json!({"sku": sku, "name": "Thing"}))
            .expect(201);
    }
    let page = host.get("/api/products?limit=1").expect(200).json();
    let cursor = page["next_cursor"].as_str().expect("there is a next page");
    let mut forged = cursor.to_owned();
    forged.replace_range(..1, if cursor.starts_with('A') { "B" } else { "A" });
    let truncated = &cursor[..cursor.len() / 2];
    for bad in [forged.as_str(), truncated, "x", "%00", "..", &"A".repeat(5_000)] {
        let status = host.get(&format!("/api/products?limit=1&cursor={bad}")).status;
        assert_eq!(status, 400, "{bad}");
    }
    // A cursor is good for its query and its caller only.
    assert_eq!(
        host.get(&format!("/api/products?limit=1&sort=name&cursor={cursor}"))
            .status,
        400
    );
    assert_eq!(
        host.operator()
            .get(&format!("/api/products?limit=1&cursor={cursor}"))
            .status,
        400
    );
}

#[test]
fn tricks_with_paths_lead_nowhere() {
    let host = shop();
    for path in [
        "/api/%2e%2e/admin",
        "/api/products%2f1",
        "/api/products/%00",
        "/api/..;/x",
        "/api/./products",
        "/api/../api/products",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(&host, request.as_bytes()), Some(400), "{path}");
    }
    for path in [
        "/api/products/",
        "/api//products",
        "//api/products",
        "/api/products/x/y",
        "/admin/api/plugins",
        "/API/products",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        assert_eq!(raw(&host, request.as_bytes()), Some(404), "{path}");
    }
    for id in ["x", "1", "00000000-0000-0000-0000-000000000000", "' or 1=1"] {
        let path = format!("/api/products/{}", id.replace(' ', "+"));
        host.get(&path).expect(404);
    }
}

#[test]
fn what_is_not_http_gets_no_5xx() {
    let host = shop();
    let requests: [&[u8]; 9] = [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
        b"POST /api/products HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/products HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"POST /api/products HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\nconnection: close\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense",
    ];
    for request in requests {
        let mut request = request.to_vec();
        request.extend_from_slice(b"\r\n\r\n");
        let status = raw(&host, &request);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{status:?} for {request:?}"
        );
    }
    host.get("/healthz").expect(200);
}

#[test]
fn an_answer_is_sent_whatever_follows_its_request() {
    let host = Host::init().with_plugins(["catalog"]).start();
    for rest in ["", "\r\n", "GE", "GET /healthz HTTP/1.1\r\nHo", "\u{0}\u{0}\r\n\r\n"] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n{rest}");
        let mut connection = TcpStream::connect(host.api().authority()).expect("the host listens");
        connection
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a socket");
        connection.write_all(request.as_bytes()).expect("the host reads");
        let mut start = [0; 15];
        connection.read_exact(&mut start).expect("an answer");
        assert_eq!(&start, b"HTTP/1.1 200 OK", "{rest:?}");
    }
}
