//! How often one may ask, and how many connections one may have.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use portcullis_tests::{Answer, CHEAP_HASHING, Host, Plugin};
use serde_json::json;

use super::{ADA, HEALTH, TRUSTING, connect, is_closed, with_server};

#[test]
fn who_asks_too_often_is_told_when_to_ask_again_and_nobody_else_is() {
    let config = format!("[server]\n{TRUSTING}[rates]\napi = {{ per_second = 1, burst = 20 }}\n");
    let host = Host::init().with_plugins(["catalog"]).with_config(&config).start();
    let ask = |client: &str| {
        host.api()
            .request("GET", "/api/products")
            .header("x-forwarded-for", client)
            .send()
    };

    let first = ask("203.0.113.7").expect(200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"api\";q=20;w=20"));
    assert_eq!(first.header("ratelimit"), Some("\"api\";r=19;t=1"));
    for _ in 1..20 {
        ask("203.0.113.7").expect(200);
    }
    let refused = until_refused(|| ask("203.0.113.7"));
    refused.clone().expect_problem(429, "too_many_requests");
    assert!(
        refused
            .header("ratelimit")
            .is_some_and(|told| told.starts_with("\"api\";r=0;")),
        "{refused:?}"
    );
    let wait: u64 = refused
        .header("retry-after")
        .and_then(|wait| wait.parse().ok())
        .expect("a time");
    assert!((1..=20).contains(&wait), "{wait}");

    // Neither another network, nor the operator, nor what is not limited.
    ask("203.0.113.8").expect(200);
    let operator = host.operator();
    for _ in 0..30 {
        operator
            .request("GET", "/api/products")
            .header("x-forwarded-for", "203.0.113.7")
            .send()
            .expect(200);
    }
    let health = host
        .api()
        .request("GET", "/healthz")
        .header("x-forwarded-for", "203.0.113.7")
        .send();
    assert!(health.expect(200).header("ratelimit").is_none());

    // A batch counts as what is in it.
    let operations = vec![json!({ "method": "GET", "path": "/api/products" }); 15];
    let batch = || {
        let batch = host
            .api()
            .request("POST", "/api/batch")
            .header("x-forwarded-for", "203.0.113.9");
        batch.json(&json!({ "operations": operations })).send()
    };
    batch().expect(200);
    until_refused(batch).expect_problem(429, "too_many_requests");
}

#[test]
fn an_account_is_counted_wherever_it_is() {
    let config = format!("[server]\n{TRUSTING}{CHEAP_HASHING}[rates]\naccount = {{ per_second = 1, burst = 20 }}\n");
    let host = Host::init().with_plugins(["catalog"]).with_config(&config).start();
    host.account(ADA, &[]);
    host.account("bob@example.org", &[]);
    let (ada, bob) = (host.member(ADA), host.member("bob@example.org"));
    let mut client = 0;
    let refused = until_refused(|| {
        client += 1;
        let path = ["/api/products", "/auth/me"][client % 2];
        ada.request("GET", path)
            .header("x-forwarded-for", &format!("203.0.113.{client}"))
            .send()
    });
    refused.clone().expect_problem(429, "too_many_requests");
    let told = refused.headers.iter().filter(|(name, _)| name == "ratelimit");
    assert!(
        told.clone().any(|(_, value)| value.starts_with("\"account\";r=0")),
        "{:?}",
        told.collect::<Vec<_>>()
    );
    assert!(client > 20, "{client}");
    bob.get("/auth/me").expect(200);
    host.get("/api/products").expect(200);
}

#[test]
fn a_rate_of_0_is_no_limit() {
    let host = Host::init()
        .with_plugins(["catalog"])
        .with_config("[rates]\napi = { per_second = 0 }\n")
        .start();
    assert!(host.get("/api/products").expect(200).header("ratelimit").is_none());
}

#[test]
fn a_network_has_only_so_many_connections() {
    let host = with_server("connections_per_address = 3\n").start();
    let mut open: Vec<_> = (0..3).map(|_| connect(host.api())).collect();
    for connection in &mut open {
        ask_for_health(connection);
    }
    assert!(is_closed(&mut connect(host.api())));
    drop(open.pop());
    // The host learns of the end in its own time.
    host.wait_until("the place to be free", || {
        let mut connection = connect(host.api());
        connection.write_all(HEALTH.as_bytes()).is_ok() && connection.read(&mut [0; 8]).is_ok_and(|read| read > 0)
    });
    // The connections of a proxy are those of others.
    let host = with_server(&format!("connections_per_address = 3\n{TRUSTING}")).start();
    let mut open: Vec<_> = (0..10).map(|_| connect(host.api())).collect();
    open.iter_mut().for_each(ask_for_health);
}

#[test]
fn a_listener_has_only_so_many_connections_and_a_further_one_waits() {
    let host = with_server("connections = 2\n").start();
    let (mut first, mut second) = (connect(host.api()), connect(host.api()));
    ask_for_health(&mut first);
    // It is refused by nobody, and served by nobody.
    let mut third = connect(host.api());
    third.write_all(HEALTH.as_bytes()).expect("the system reads");
    let is_served = |connection: &TcpStream, within_ms: u64| {
        let within = Some(Duration::from_millis(within_ms));
        connection.set_read_timeout(within).expect("a timeout can be set");
        connection.peek(&mut [0]).is_ok()
    };
    assert!(!is_served(&third, 500), "it has a place beside the two");
    ask_for_health(&mut second);
    // The other listener has places of its own.
    host.admin().get("/readyz").expect(200);
    drop(first);
    assert!(is_served(&third, 60_000), "a place is free, and nobody gets it");
    let mut answer = [0; 12];
    third.read_exact(&mut answer).expect("the host answers");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

fn ask_for_health(connection: &mut TcpStream) {
    connection.write_all(HEALTH.as_bytes()).expect("the host reads");
    let mut answer = [0; 12];
    connection.read_exact(&mut answer).expect("the host answers");
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// Asks until there is a refusal, which comes long before a burst could be full again.
#[track_caller]
fn until_refused(mut ask: impl FnMut() -> Answer) -> Answer {
    let mut answers = (0..1_000).map(|_| ask());
    answers.find(|answer| answer.status == 429).expect("a refusal")
}

#[test]
fn a_route_has_a_rate_of_its_own_and_a_batch_does_not_get_round_it() {
    let access = r#"{ list = "anyone", read = "anyone", create = "anyone", update = "nobody", delete = "nobody" }"#;
    let setup = Host::init().with_plugin(&Plugin::named("catalog").allowing(access));
    let config = "[rates.routes]\n\"POST /api/products\" = { per_second = 1, burst = 3 }\n";
    let host = setup.with_config(config).start();
    let lamp = |number: usize| json!({ "sku": format!("lamp{number}"), "name": "Lamp" });
    let batch_of = |path: &str| {
        let operation = |number: usize| json!({ "method": "POST", "path": path, "body": lamp(number) });
        json!({ "operations": (0..20).map(operation).collect::<Vec<_>>() })
    };
    let batch = batch_of("/api/products");
    host.post("/api/batch", &batch).expect_problem(429, "too_many_requests");
    // Nor is there another way to write the same.
    let path = "/api/products?";
    host.post("/api/batch", &batch_of(path))
        .expect_problem(429, "too_many_requests");
    host.post("/api/batch", &batch_of("api/products"))
        .expect_problem(404, "not_found");
    // Nothing of it was done, and other routes are not held back.
    let list = host.get("/api/products?count=true").expect(200).json();
    assert_eq!(list["count"], 0);
    let refused = until_refused(|| host.post("/api/products", &lamp(100)));
    let mut told = refused.headers.iter().filter(|(name, _)| name == "ratelimit");
    assert!(told.any(|(_, told)| told.starts_with("\"route\";r=0;")), "{refused:?}");
    assert!(refused.header("retry-after").is_some());
    host.operator().post("/api/batch", &batch).expect(200);
}
