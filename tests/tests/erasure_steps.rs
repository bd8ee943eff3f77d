//! Erasing an account over a real host, where something is left, or goes on meanwhile.

use portcullis_tests::{CHEAP_HASHING, Host, Plugin, UNLIMITED_ATTEMPTS};
use serde_json::{Value, json};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

fn host() -> Host {
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
    let access = format!("{access}\non_erase = \"delete\"");
    Host::init()
        .with_plugin(&Plugin::named("catalog").allowing(&access))
        .with_config(&format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}"))
        .start()
}

/// What somebody else has written of an account is theirs, and stays; whoever looks is told.
#[test]
fn what_is_left_of_an_account_is_told_whether_it_is_named_by_its_address_or_its_id() {
    let mut host = host();
    host.account(EVE, &[]);
    let eve = host.member(EVE);
    let mut ids = Vec::new();
    for (number, email) in ["a@example.org", "b@example.org", "c@example.org", "d@example.org"]
        .iter()
        .enumerate()
    {
        ids.push(host.account(email, &[]));
        let note = json!({ "sku": format!("s{number}"), "name": format!("Lamp of {email}") });
        eve.post("/api/products", &note).expect(201);
    }
    let url = host.admin_url();
    let erase = |host: &Host, named: &str, is_running: bool| {
        let mut arguments = vec!["account", "erase", named, "--verify", "--yes"];
        arguments.extend(is_running.then_some(["--to", &url]).into_iter().flatten());
        let erased = host.command(&arguments);
        assert_eq!(erased.status.code(), Some(1), "{named}: {erased:?}");
        let said = String::from_utf8_lossy(&erased.stderr).into_owned();
        assert!(
            said.contains("keys still tell of the account") && said.contains("of `products`"),
            "{said}"
        );
    };
    erase(&host, "a@example.org", true);
    erase(&host, &ids[1], true);
    host.terminate();
    erase(&host, "c@example.org", false);
    erase(&host, &ids[3], false);
    // Once it is gone, nobody knows the address of an id any more.
    let again = host.command(&["account", "erase", &ids[3], "--verify", "--yes"]);
    assert!(again.status.success(), "{again:?}");
}

#[test]
fn an_account_that_nobody_names_is_erased_by_its_id_without_a_trace() {
    let host = host();
    let (id, other) = (host.account(ADA, &[]), host.account(EVE, &[]));
    let product = json!({ "sku": "lamp", "name": "Lamp" });
    host.member(ADA).post("/api/products", &product).expect(201);
    let erased = host.to_admin(&["account", "erase", &id, "--verify", "--yes", "-o", "json"]);
    assert!(erased.status.success(), "{erased:?}");
    let receipt: Value = serde_json::from_slice(&erased.stdout).expect("JSON");
    assert_eq!(receipt["receipt"]["removed"]["documents"], json!({ "products": 1 }));
    assert_eq!(receipt["traces"]["left"], 0);
    let path = format!("/admin/api/accounts/{other}");
    assert_eq!(host.admin().get(&path).expect(200).json()["email"], EVE);
    let nobody = "0198c0de-0000-7000-8000-000000000001";
    let erased = host.to_admin(&["account", "erase", nobody, "--verify", "--yes"]);
    assert_eq!(erased.status.code(), Some(1), "{erased:?}");
}

#[test]
fn documents_that_stay_lose_what_tells_of_their_owner() {
    let text = include_str!("../../plugins/catalog/schemas/product.json");
    let mut schema: Value = serde_json::from_str(text).expect("the schema is JSON");
    schema["properties"]["maintainer"]["x-personal"] = true.into();
    let access = r#"{ list = "anyone", read = "anyone", create = "member", update = "owner", delete = "owner" }"#;
    let catalog = Plugin::named("catalog").allowing(&format!("{access}\non_erase = \"anonymise\""));
    let host = Host::init()
        .with_plugin(&catalog.with_schema(&schema))
        .with_config(&format!("{CHEAP_HASHING}{UNLIMITED_ATTEMPTS}"))
        .start();
    host.account(ADA, &[]);
    let lamp = json!({ "sku": "lamp", "name": "Lamp", "maintainer": ADA });
    host.member(ADA).post("/api/products", &lamp).expect(201);
    // Her address is in the body, and in the index over it.
    let by_maintainer = format!("/api/products?maintainer={}", ADA.replace('@', "%40"));
    let found = host.get(&by_maintainer).expect(200).json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{found}");
    let erased = host.to_admin(&["account", "erase", ADA, "--verify", "--yes"]);
    assert!(erased.status.success(), "{erased:?}");
    assert_eq!(host.get(&by_maintainer).expect(200).json()["items"], json!([]));
    let kept = host.get("/api/products").expect(200).json()["items"][0].clone();
    assert_eq!((&kept["name"], &kept["owner"]), (&json!("Lamp"), &Value::Null));
    assert!(kept.get("maintainer").is_none(), "{kept}");
}
