//! How much memory a host takes for what anybody may ask of it: it does not grow with how much is stored.

use std::fs;
use std::thread;

use portcullis_tests::{CHEAP_HASHING, Client, Host, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

/// As long as a description may be, nearly.
const LARGE: usize = 198_000;
/// What may come on top of what was there before: answers that are sent, and what the store has not given back yet.
const MORE_MIB: u64 = 300;

fn host() -> Host {
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}");
    let setup = Host::init().with_plugin(&Plugin::named("catalog").allowing(access));
    setup.with_config(&config).start()
}

/// Somebody with so many large documents.
fn owner(host: &Host, name: &str, count: usize) -> (Client, Vec<String>) {
    let email = format!("{name}@example.org");
    host.account(&email, &[]);
    let member = host.member(&email);
    let made = (0..count).map(|number| {
        let description = "x".repeat(LARGE);
        let new =
            json!({ "sku": format!("{name}{number}"), "name": "Lamp", "category": "misc", "description": description });
        member.post("/api/products", &new).expect(201).location()
    });
    let made = made.collect();
    (member, made)
}

/// A product of which only the start may be seen before the large ones.
fn small(member: &Client, number: usize) {
    let new = json!({ "sku": format!("small{number}"), "name": "Lamp", "category": "misc" });
    member.post("/api/products", &new).expect(201);
}

/// The most memory that a host has taken so far (`VmHWM`).
fn peak_mib(host: &Host) -> u64 {
    let status = format!("/proc/{}/status", host.pid());
    let status = fs::read_to_string(&status).unwrap_or_else(|error| panic!("{status}: {error}"));
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("the kernel tells the most memory in kB") >> 10
}

#[test]
fn lists_of_large_documents_that_many_ask_for_at_once_take_little_memory() {
    let host = host();
    let (eve, _) = owner(&host, "eve", 0);
    // What comes first is small: it does not tell how large the rest is.
    (0..40).for_each(|number| small(&eve, number));
    owner(&host, "ada", 200);
    let before = peak_mib(&host);
    // Sorted by what no index has; in the order of the store; by an index; counted; looked for in vain; and led to by an index that
    // knows neither the order nor the rest.
    let lists = [
        ("limit=1000&sort=-updated_at", 5..20),
        ("limit=1000", 45..60),
        ("limit=1000&sort=sku", 5..20),
        ("limit=1&count=true", 1..2),
        ("limit=1000&summary=none", 0..1),
        ("limit=1&category=misc", 1..2),
        ("limit=1000&category=misc&summary=none", 0..1),
    ];
    for (query, expected) in lists {
        thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| {
                    let list = host.get(&format!("/api/products?{query}")).expect(200).json();
                    let shown = list["items"].as_array().map(Vec::len);
                    assert!(
                        shown.is_some_and(|shown| expected.contains(&shown)),
                        "{query}: {shown:?}"
                    );
                    assert_eq!(list["next_cursor"].is_string(), expected.end > 1, "{query}");
                    assert!(query.contains("count") == (list["count"] == 240), "{query}");
                });
            }
        });
        let more = peak_mib(&host) - before;
        assert!(more < MORE_MIB, "{query}: {more} MiB more than {before}");
    }
}

#[test]
fn copies_of_large_documents_that_operators_ask_for_at_once_take_little_memory() {
    let host = host();
    owner(&host, "ada", 200);
    let admin = host.admin();
    let before = peak_mib(&host);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let export = admin.get("/admin/api/export/products").expect(200);
                assert_eq!(export.text().lines().count(), 200);
            });
            scope.spawn(|| {
                let backup = admin.get("/admin/api/backup").expect(200);
                assert!(backup.body.len() > 200 * LARGE, "{}", backup.body.len());
            });
        }
    });
    let more = peak_mib(&host) - before;
    assert!(more < MORE_MIB, "{more} MiB more than {before}");
}

#[test]
fn accounts_that_take_much_with_them_when_they_are_erased_take_little_memory_for_that() {
    let host = host();
    let owners: Vec<_> = ["ada", "eve", "bob"]
        .into_iter()
        .map(|name| owner(&host, name, 30))
        .collect();
    for (member, products) in &owners {
        // Each answer is kept, and has some two megabytes.
        let reads = products[1..10]
            .iter()
            .map(|path| json!({ "method": "GET", "path": path }));
        for number in 0..40 {
            let change =
                json!({ "method": "PATCH", "path": products[0], "body": { "name": format!("Lamp {number}") } });
            let operations: Vec<Value> = [change].into_iter().chain(reads.clone()).collect();
            let batch = member
                .request("POST", "/api/batch")
                .json(&json!({ "operations": operations }));
            batch.header("idempotency-key", &number.to_string()).send().expect(200);
        }
    }
    let before = peak_mib(&host);
    thread::scope(|scope| {
        for (member, _) in &owners {
            scope.spawn(|| {
                let receipt = member.delete("/auth/me").expect(200).json();
                assert_eq!(receipt["receipt"]["removed"]["kept_answers"], 40, "{receipt}");
            });
        }
    });
    let more = peak_mib(&host) - before;
    assert!(more < MORE_MIB, "{more} MiB more than {before}");
}
