//! What the README shows: somebody registers, turns on a second factor, orders, and goes.

use portcullis_tests::{CHEAP_HASHING, Host, PASSWORD};
use serde_json::json;

const ADA: &str = "ada@example.org";

#[test]
fn somebody_registers_turns_on_codes_orders_and_deletes_the_account() {
    let host = Host::init()
        .with_plugins(["catalog", "orders"])
        .with_config(&format!(
            "{CHEAP_HASHING}[grants.orders.collections]\nproducts = {{ actions = [\"read\", \"update\"], as = \"system\" }}\n"
        ))
        .start();
    let lamp = json!({ "sku": "lamp", "name": "Lamp", "price_cents": 100, "stock": 5 });
    host.operator().post("/api/products", &lamp).expect(201);

    let new = json!({ "email": ADA, "password": PASSWORD, "name": "Ada" });
    host.post("/auth/register", &new).expect(201);
    let link = host.mail_to(ADA, 1).token();
    let account = host
        .post("/auth/email/verify", &json!({ "token": link, "password": PASSWORD }))
        .expect(200)
        .json();
    let (mut app, recovery) = host.turn_on_codes(&mut host.member(ADA));
    assert_eq!(recovery.len(), 10);
    let answer = json!({ "challenge": host.challenge(ADA), "method": "totp", "code": app.code() });
    let ada = host.with_token_of(&host.post("/auth/login/verify", &answer).expect(200));

    let order = json!({ "lines": [{ "sku": "lamp", "quantity": 2 }] });
    let order = ada.post("/api/orders", &order).expect(201).json();
    assert_eq!(order["owner"], account["id"]);
    let activity = ada.get("/auth/activity").expect(200).json();
    let acts: Vec<(&str, bool)> = activity["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| Some((item["act"].as_str()?, item["success"].as_bool()?)))
        .collect();
    assert_eq!(
        acts,
        [
            ("login", true),
            ("second_factor_asked", true),
            ("factor_added", true),
            ("login", true)
        ]
    );

    let receipt = ada.delete("/auth/me").expect(200);
    assert_eq!(
        receipt.json()["receipt"]["removed"]["documents"],
        json!({ "orders": 1 })
    );
    let file = host.setup().directory().join("receipt.json");
    std::fs::write(&file, receipt.text()).expect("a scratch directory takes files");
    let verified = host.to_admin(&["account", "verify-receipt", &file.to_string_lossy()]);
    assert!(verified.status.success(), "{verified:?}");
    let audit = host.to_admin(&["audit", "verify"]);
    assert!(audit.status.success(), "{audit:?}");
}
