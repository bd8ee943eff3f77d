//! Erasing an account: what it owned goes with it, a kill in the middle notwithstanding, and a receipt proves it.

use std::thread;
use std::time::Duration;

use portcullis_tests::{CHEAP_HASHING, Client, Host, PASSWORD, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
/// What no host can remove, as a receipt begins to say.
const OUTSIDE: [&str; 4] = [
    "copies of the store",
    "the free space of the store's file",
    "mail that was delivered",
    "the entries of the audit log",
];

fn host(on_erase: &str) -> Host {
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
    let access = format!("{access}\non_erase = \"{on_erase}\"");
    let setup = Host::init().with_plugin(&Plugin::named("catalog").allowing(&access));
    let config = format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}");
    setup.with_config(&config).start()
}

fn products(client: &Client, prefix: &str, count: usize) {
    for first in (0..count).step_by(100) {
        let operations = (first..count.min(first + 100)).map(|number| {
            let body = json!({ "sku": format!("{prefix}{number}"), "name": "Lamp" });
            json!({ "method": "POST", "path": "/api/products", "body": body })
        });
        let batch = json!({ "operations": operations.collect::<Vec<_>>() });
        client.post("/api/batch", &batch).expect(200);
    }
}

fn count(host: &Host) -> u64 {
    let list = host.get("/api/products?count=true&limit=1").expect(200).json();
    list["count"].as_u64().expect("a count")
}

/// What is left of an account, by its id.
fn traces(host: &Host, id: &str) -> Value {
    host.admin()
        .get(&format!("/admin/api/accounts/{id}/traces"))
        .expect(200)
        .json()
}

#[test]
fn an_account_takes_what_it_owned_with_it_and_leaves_a_receipt() {
    let host = host("delete");
    let id = host.account(ADA, &[]);
    host.account("eve@example.org", &[]);
    let (ada, eve) = (host.member(ADA), host.member("eve@example.org"));
    products(&ada, "ada", 70);
    products(&eve, "eve", 3);
    let again = ada.request("POST", "/api/products").header("idempotency-key", "once");
    again.json(&json!({ "sku": "once", "name": "Lamp" })).send().expect(201);
    let answer = ada.delete("/auth/me").expect(200);
    let receipt = answer.json();
    let removed = &receipt["receipt"]["removed"];
    assert_eq!(removed["documents"], json!({ "products": 71 }));
    assert_eq!(
        (&removed["kept_answers"], &removed["sessions"]),
        (&json!(1), &json!(1)),
        "{removed}"
    );
    let outside = receipt["receipt"]["outside"].to_string();
    let named = receipt["receipt"]["outside"].as_array().map(Vec::len);
    assert_eq!(named, Some(OUTSIDE.len()), "{outside}");
    for left in OUTSIDE {
        assert!(outside.contains(left), "{left} is not in {outside}");
    }
    ada.get("/auth/me").expect_problem(401, "unauthenticated");
    host.login(ADA, PASSWORD).expect_problem(401, "bad_credentials");
    assert_eq!(count(&host), 3);
    assert_eq!(traces(&host, &id)["left"], 0);
    eve.get("/auth/me").expect(200);

    // The receipt is the host's own, and no other.
    let file = host.setup().directory().join("receipt.json");
    let check = |text: &str| {
        std::fs::write(&file, text).expect("a scratch directory takes files");
        host.to_admin(&["account", "verify-receipt", &file.to_string_lossy()])
    };
    let checked = check(answer.text());
    assert!(checked.status.success(), "{checked:?}");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains("documents of `products`: 71"), "{said}");
    for left in OUTSIDE {
        assert!(
            said.contains(&format!("not removed: {left}")),
            "{left} is not in {said}"
        );
    }
    // What people read in the file is what was signed.
    let prettier = answer.text().replacen("\"products\":71", "\"products\":70", 1);
    let checked = check(&prettier);
    assert_eq!(checked.status.code(), Some(1), "{prettier}: {checked:?}");
    assert!(
        String::from_utf8_lossy(&checked.stderr).contains("`receipt` was changed"),
        "{checked:?}"
    );
    let jws = receipt["jws"].as_str().expect("a signature");
    let (message, signature) = jws.rsplit_once('.').expect("a signature");
    let forged = json!({ "jws": format!("{message}A.{signature}") }).to_string();
    assert_eq!(check(&forged).status.code(), Some(1));
    let key = host.get("/auth/receipt-key").expect(200).json()["x"].clone();
    let checked = host.command(&[
        "account",
        "verify-receipt",
        "--key",
        key.as_str().expect("a key"),
        &file.to_string_lossy(),
    ]);
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
}

#[test]
fn documents_that_stay_belong_to_nobody() {
    let host = host("anonymise");
    let id = host.account(ADA, &[]);
    let ada = host.member(ADA);
    products(&ada, "ada", 40);
    let erased = host.command(&[
        "account",
        "erase",
        ADA,
        "--verify",
        "--yes",
        "--to",
        &host.admin_url(),
        "-o",
        "json",
    ]);
    assert!(erased.status.success(), "{erased:?}");
    let receipt: Value = serde_json::from_slice(&erased.stdout).expect("JSON");
    assert_eq!(receipt["receipt"]["removed"]["anonymised"], json!({ "products": 40 }));
    assert_eq!(receipt["traces"]["left"], 0, "{receipt}");
    let list = host.get("/api/products?limit=100&count=true").expect(200).json();
    assert_eq!(list["count"], 40);
    assert!(
        list["items"]
            .as_array()
            .is_some_and(|items| items.iter().all(|item| item["owner"].is_null()))
    );
    assert_eq!(traces(&host, &id)["left"], 0);
    let verified = host.command(&["verify", "--to", &host.admin_url()]);
    assert!(verified.status.success(), "{verified:?}");
    // Asked again by the id, the receipt is the same.
    let again = host.command(&[
        "account",
        "erase",
        &id,
        "--yes",
        "--to",
        &host.admin_url(),
        "-o",
        "json",
    ]);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    assert_eq!(again["jws"], receipt["jws"]);
}

/// So many kills are to be in the middle of an erasure, each later than the one before.
const BROKEN_OFF: usize = 5;

/// What a kill has left of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It was not begun.
    Nothing,
    /// It was begun, and the account is still there.
    Unfinished,
    /// The account is gone.
    Receipt,
}

/// Kills a host that erases an account, after a while. Asked is the stopped host's store, in which nothing goes on.
fn killed_while_erasing(host: &mut Host, id: &str, delay: Duration) -> Left {
    let (killer, admin) = (host.killer(), host.admin());
    let path = format!("/admin/api/accounts/{id}");
    let erasing = thread::spawn(move || admin.request("DELETE", &path).try_send());
    thread::sleep(delay);
    killer();
    // Whether there was an answer says less than the store does.
    let _ = erasing.join().expect("no thread fails");
    host.kill();
    let listed = host.command(&["account", "list", "-o", "json"]);
    let accounts: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    let mut accounts = accounts.as_array().into_iter().flatten();
    match accounts.find(|account| account["id"] == id) {
        None => Left::Receipt,
        Some(account) if account["locked"] == true => Left::Unfinished,
        Some(_) => Left::Nothing,
    }
}

#[test]
fn an_erasure_that_a_kill_has_broken_off_is_finished_at_the_next_start() {
    let mut host = host("delete");
    let mut left: Vec<(u64, Left)> = Vec::new();
    let broken_off = |left: &[(u64, Left)]| left.iter().filter(|(_, what)| *what == Left::Unfinished).count();
    let mut delay_ms = 2;
    // Each round somewhere else, until some were in the middle: a machine may be as fast or as slow as it likes.
    for round in 0..40 {
        let email = format!("ada{round}@example.org");
        let id = host.account(&email, &[]);
        products(&host.member(&email), &format!("r{round}x"), 400);
        let what = killed_while_erasing(&mut host, &id, Duration::from_millis(delay_ms));
        left.push((delay_ms, what));
        delay_ms = match what {
            Left::Receipt => delay_ms / 2,
            Left::Nothing | Left::Unfinished => delay_ms + 1 + delay_ms / 2,
        };
        host.restart();
        if what == Left::Nothing {
            host.admin().delete(&format!("/admin/api/accounts/{id}")).expect(200);
        }
        // It goes on by itself.
        host.wait_until("the erasure to be done", || traces(&host, &id)["left"] == 0);
        assert_eq!(count(&host), 0);
        let verified = host.command(&["verify", "--to", &host.admin_url()]);
        assert!(verified.status.success(), "{verified:?}");
        if broken_off(&left) == BROKEN_OFF {
            break;
        }
    }
    assert_eq!(
        broken_off(&left),
        BROKEN_OFF,
        "too few kills were in the middle of an erasure: {left:?}"
    );
    let audit = host.command(&["audit", "verify", "--to", &host.admin_url()]);
    assert!(audit.status.success(), "{audit:?}");
}

#[test]
fn a_stopped_host_erases_too_and_its_audit_log_is_whole() {
    let mut host = host("delete");
    let id = host.account(ADA, &[]);
    products(&host.member(ADA), "ada", 5);
    host.terminate();
    let without = host.command(&["account", "erase", ADA]);
    assert_eq!(without.status.code(), Some(1), "nobody has confirmed it");
    let erased = host.command(&["account", "erase", ADA, "--verify", "--yes"]);
    let said = String::from_utf8_lossy(&erased.stdout).into_owned();
    assert!(
        erased.status.success() && said.contains("documents of `products`: 5"),
        "{erased:?}"
    );
    let listed = host.command(&["audit", "list"]);
    let said = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        said.contains("account.erase") && said.contains(&id) && !said.contains(ADA),
        "{said}"
    );
    let verified = host.command(&["audit", "verify", "-o", "json"]);
    let report: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    assert_eq!((verified.status.code(), &report["problems"]), (Some(0), &json!([])));
    let hash = report["head"]["hash"].as_str().expect("a hash");
    assert!(host.command(&["audit", "verify", "--expect", hash]).status.success());
    let other = "0".repeat(64);
    assert_eq!(
        host.command(&["audit", "verify", "--expect", &other]).status.code(),
        Some(1)
    );
}
