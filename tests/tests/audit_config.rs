//! The audit log of a real host tells of the settings that security rests on, whenever one of them is not as it was.

use std::fs;

use portcullis_tests::{CHEAP_HASHING, Host};
use serde_json::{Value, json};

/// A configuration in which administrators must use a second factor, with more sections.
fn config(required_for: &str, more: &str) -> String {
    format!(
        "{CHEAP_HASHING}[accounts.second_factor]\nrequired_for = {required_for}\n\
         [server]\npublic_url = \"https://shop.example.org\"\nbehind_proxy = true\n{more}"
    )
}

fn configure(host: &Host, text: &str) {
    fs::write(host.setup().config(), text).expect("the configuration can be written");
}

/// What each `policy.change` tells of, the oldest first.
fn changes(host: &Host) -> Vec<Value> {
    let page = host.admin().get("/admin/api/audit?limit=200").expect(200).json();
    let entries = page["items"].as_array().expect("a page has items");
    let changes = entries.iter().rev().filter(|entry| entry["act"] == "policy.change");
    changes.map(|entry| entry["detail"].clone()).collect()
}

#[test]
fn a_restart_with_other_settings_leaves_one_entry_that_says_which() {
    let before = config("[\"admin\"]", "");
    let secret = "the-secret-of-the-shop";
    let setup = Host::init()
        .with_plugins(["catalog"])
        .with_variable("SHOP_SECRET", secret);
    let mut host = setup.with_config(&before).start();
    let first = changes(&host);
    assert_eq!(first.len(), 1);
    let told = &first[0]["settings"];
    assert_eq!(
        (
            &told["accounts.second_factor.required_for"],
            &told["server.behind_proxy"]["now"]
        ),
        (&json!({ "before": null, "now": ["admin"] }), &json!(true))
    );
    host.restart();
    assert_eq!(changes(&host), first, "nothing was changed");

    let provider = "[oidc.example]\nissuer = \"https://id.example.org\"\nclient_id = \"shop\"\nclient_secret_env = \"SHOP_SECRET\"\n";
    let rates = "[rates]\nauth = { per_second = 0 }\n";
    configure(&host, &config("[]", &format!("{provider}{rates}")));
    host.restart();
    let told = changes(&host);
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[1]["settings"],
        json!({
            "accounts.second_factor.required_for": { "before": ["admin"], "now": [] },
            "oidc.example": { "before": null, "now": {
                "issuer": "https://id.example.org", "client_id": "shop", "scopes": ["email", "profile"], "with_secret": true,
            } },
            "rates.auth": { "before": { "per_second": 20, "burst": 200 }, "now": { "per_second": 0, "burst": 200 } },
        })
    );
    assert!(!json!(told).to_string().contains(secret), "{told:?}");
    host.restart();
    assert_eq!(changes(&host), told, "nothing was changed");

    // A provider that is gone is told as well.
    configure(&host, &config("[]", rates));
    host.restart();
    let last = changes(&host).pop().expect("an entry");
    assert_eq!(last["settings"]["oidc.example"]["now"], Value::Null);
    assert_eq!(last["settings"].as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn a_reload_tells_of_the_settings_that_it_changes_and_of_no_others() {
    let before = config("[\"admin\"]", "");
    let host = Host::init().with_plugins(["catalog"]).with_config(&before).start();
    // What a second factor is asked for is not changed by a reload.
    let headers = "[request]\nheaders = [\"x-shop\"]\n";
    configure(&host, &config("[]", headers));
    host.admin().post("/admin/api/reload", &json!({})).expect(200);
    let told = changes(&host);
    assert_eq!(told.len(), 2);
    assert_eq!(
        told[1]["settings"],
        json!({ "request.headers": { "before": ["accept-language", "user-agent"], "now": ["x-shop"] } })
    );
    host.admin().post("/admin/api/reload", &json!({})).expect(200);
    assert_eq!(changes(&host), told, "nothing was changed");
}
