//! The operator's own policies, through a real host: validated at start and reload, and in force on every route.

use portcullis_tests::{CHEAP_HASHING, Client, Host, Plugin, Setup};
use serde_json::{Value, json};

/// A clerk sees and changes what is cheap; nobody deletes what has a stock.
const POLICIES: &str = r#"
@id("cheap")
permit (
    principal in Portcullis::Role::"clerk",
    action in [Portcullis::Action::"list", Portcullis::Action::"read", Portcullis::Action::"create", Portcullis::Action::"update"],
    resource is Portcullis::products
)
when { resource has price_cents && resource.price_cents < 1000 };

@id("in-stock")
forbid (principal, action == Portcullis::Action::"delete", resource is Portcullis::products)
when { resource has stock && resource.stock > 0 };
"#;

fn config() -> String {
    format!("{CHEAP_HASHING}[policy]\ndirectory = \"policies\"\n")
}

fn setup(text: &str) -> Setup {
    let access =
        r#"{ list = "operator", read = "operator", create = "operator", update = "operator", delete = "operator" }"#;
    let catalog = Plugin::named("catalog").allowing(access);
    Host::init()
        .with_plugin(&catalog)
        .with_policies("shop.cedar", text)
        .with_config(&config())
}

fn member(host: &Host, email: &str, roles: &[&str]) -> Client {
    host.account(email, roles);
    host.member(email)
}

fn product(host: &Host, sku: &str, price: u64) -> String {
    let body = json!({ "sku": sku, "name": "Thing", "price_cents": price, "stock": 3 });
    host.operator().post("/api/products", &body).expect(201).location()
}

fn skus(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items.iter().filter_map(|item| item["sku"].as_str()).collect()
}

#[test]
fn policies_bind_every_route() {
    let host = setup(POLICIES).start();
    let (cheap, dear) = (product(&host, "bulb", 100), product(&host, "lamp", 5_000));
    let clerk = member(&host, "ada@example.org", &["clerk"]);
    let other = member(&host, "eve@example.org", &[]);

    let list = clerk.get("/api/products?count=true").expect(200).json();
    assert_eq!((skus(&list), &list["count"]), (vec!["bulb"], &json!(1)));
    let found = clerk.get("/api/products?sku=lamp&count=true").expect(200).json();
    assert_eq!((skus(&found), &found["count"]), (vec![], &json!(0)));
    clerk.get(&cheap).expect(200);
    clerk.get(&dear).expect_problem(404, "not_found");
    clerk.patch(&cheap, &json!({ "name": "Bulb" })).expect(200);
    clerk
        .patch(&dear, &json!({ "name": "Mine" }))
        .expect_problem(404, "not_found");
    let batch = |path: &str| {
        let operation = json!({ "method": "GET", "path": path });
        clerk.post("/api/batch", &json!({ "operations": [operation] }))
    };
    batch(&cheap).expect(200);
    batch(&dear).expect_problem(404, "not_found");

    // A new document is decided about as it will be.
    let new = |price: u64| json!({ "sku": format!("p{price}"), "name": "New", "price_cents": price });
    clerk.post("/api/products", &new(999)).expect(201);
    clerk
        .post("/api/products", &new(1_000))
        .expect_problem(403, "forbidden");

    // Others have what the access words give them, which is nothing.
    other.get("/api/products").expect_problem(403, "forbidden");
    host.get("/api/products").expect_problem(401, "unauthenticated");
    // What is forbidden is forbidden to the operator, who may take the policy away.
    host.operator().delete(&dear).expect_problem(403, "forbidden");
    host.operator().patch(&dear, &json!({ "stock": 0 })).expect(200);
    host.operator().delete(&dear).expect(204);
}

#[test]
fn a_role_changes_what_policies_allow_from_the_next_request_on() {
    let host = setup(POLICIES).start();
    let cheap = product(&host, "bulb", 100);
    let ada = member(&host, "ada@example.org", &[]);
    let id = ada.get("/auth/me").expect(200).json()["id"].clone();
    let path = format!("/admin/api/accounts/{}", id.as_str().expect("an id"));
    let roles = |roles: &[&str]| host.admin().patch(&path, &json!({ "roles": roles })).expect(200);
    ada.get(&cheap).expect_problem(403, "forbidden");
    roles(&["clerk"]);
    ada.get(&cheap).expect(200);
    roles(&[]);
    ada.get(&cheap).expect_problem(403, "forbidden");
    ada.patch(&cheap, &json!({ "name": "Mine" }))
        .expect_problem(403, "forbidden");
}

#[test]
fn policies_with_a_mistake_keep_the_host_from_starting_and_show_it() {
    let said = setup("permit (principal, action, resource is Portcullis::product);\n").start_in_vain();
    for part in ["shop.cedar:1:40", "Portcullis::product", "| permit (principal", "^^^"] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let unreadable = Host::init().with_config(&config()).start_in_vain();
    assert!(unreadable.contains("policies"), "{unreadable}");
}

#[test]
fn policies_with_a_mistake_change_nothing_on_a_reload() {
    let host = setup(POLICIES).start();
    let cheap = product(&host, "bulb", 100);
    let clerk = member(&host, "ada@example.org", &["clerk"]);
    let write = |text: &str| {
        std::fs::write(host.setup().policies().join("shop.cedar"), text).expect("the folder takes files");
        host.to_admin(&["reload"])
    };
    let refused = write("permit (principal, action == Portcullis::Action::\"write\", resource);\n");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("shop.cedar:1:") && said.contains("write"), "{said}");
    clerk.get(&cheap).expect(200);
    // SIGHUP does the same, and says so in the log.
    host.reload();
    host.wait_for_log("shop.cedar:1:");
    clerk.get(&cheap).expect(200);
    assert!(write("// nothing is permitted any more\n").status.success());
    clerk.get(&cheap).expect_problem(403, "forbidden");
    host.operator().get(&cheap).expect(200);
}

/// Orders that lower the stock with the rights of whoever orders.
fn shop(policy: &str) -> Host {
    let access =
        r#"{ list = "anyone", read = "anyone", create = "operator", update = "operator", delete = "operator" }"#;
    let orders = Plugin::named("orders").with(
        "products = { actions = [\"read\", \"update\"], as = \"system\" }",
        "products = { actions = [\"read\", \"update\"] }",
    );
    let grant = "[grants.orders.collections]\nproducts = { actions = [\"read\", \"update\"] }\n";
    Host::init()
        .with_plugin(&Plugin::named("catalog").allowing(access))
        .with_plugin(&orders)
        .with_policies("shop.cedar", policy)
        .with_config(&format!("{}{grant}", config()))
        .start()
}

#[test]
fn policies_bind_what_a_plugin_does_on_a_callers_behalf() {
    let host = shop(
        r#"permit (principal in Portcullis::Role::"buyer", action == Portcullis::Action::"update", resource is Portcullis::products)
           when { resource has price_cents && resource.price_cents < 1000 };"#,
    );
    let (cheap, dear) = (product(&host, "bulb", 100), product(&host, "lamp", 5_000));
    let buyer = member(&host, "ada@example.org", &["buyer"]);
    let other = member(&host, "eve@example.org", &[]);
    let order =
        |client: &Client, sku: &str| client.post("/api/orders", &json!({ "lines": [{ "sku": sku, "quantity": 1 }] }));
    order(&buyer, "bulb").expect(201);
    order(&buyer, "lamp").expect_problem(403, "forbidden");
    order(&other, "bulb").expect_problem(403, "forbidden");
    let stock = |path: &str| host.get(path).expect(200).json()["stock"].clone();
    assert_eq!((stock(&cheap), stock(&dear)), (json!(2), json!(3)));
}

/// A host with goods and what does errands with them, and one piece of the goods.
fn goods(policy: &str) -> (Host, String) {
    let host = Host::init()
        .with_plugin(&Plugin::named("errands"))
        .with_policies("goods.cedar", policy)
        .with_config(&config())
        .start();
    let lamp = host
        .post("/api/goods", &json!({ "name": "lamp", "stock": 3 }))
        .expect(201);
    let id = lamp.json()["id"].as_str().expect("an id").to_owned();
    (host, id)
}

#[test]
fn policies_bind_what_a_plugin_does_in_its_own_collections() {
    let (host, lamp) = goods(
        r#"forbid (principal, action == Portcullis::Action::"delete", resource is Portcullis::goods);
           forbid (principal, action == Portcullis::Action::"update", resource is Portcullis::goods)
           unless { resource has stock && resource.stock < 2 };
           forbid (principal is Portcullis::Anonymous, action == Portcullis::Action::"read", resource is Portcullis::goods);"#,
    );
    let member = member(&host, "ada@example.org", &[]);
    // Whether the request is for another action of the same resource, or for another resource.
    for path in ["/api/goods", "/api/errands"] {
        let errand = |client: &Client, action: &str| client.post(path, &json!({ "do": action, "at": lamp }));
        for client in [&member, &host.operator()] {
            errand(client, "delete").expect_problem(403, "forbidden");
            errand(client, "update").expect_problem(403, "forbidden");
            errand(client, "read").expect(201);
        }
        errand(host.api(), "read").expect_problem(403, "forbidden");
        errand(host.api(), "list").expect(201);
        errand(host.api(), "create").expect(201);
    }
    let stored = member.get(&format!("/api/goods/{lamp}")).expect(200).json();
    assert_eq!(stored["stock"], 3);
}

#[test]
fn what_no_policy_forbids_a_plugin_does_in_its_own_collections_whatever_the_words_say() {
    // A permit takes nothing away, and neither does a word beside it: deleting is for `nobody`.
    let (host, lamp) = goods(r#"permit (principal in Portcullis::Role::"clerk", action, resource);"#);
    host.api()
        .delete(&format!("/api/goods/{lamp}"))
        .expect_problem(403, "forbidden");
    for action in ["create", "list", "read", "update", "delete"] {
        host.post("/api/errands", &json!({ "do": action, "at": lamp }))
            .expect(201);
    }
    host.get(&format!("/api/goods/{lamp}")).expect_problem(404, "not_found");
}

#[test]
fn where_policies_bind_a_plugin_the_scopes_of_a_programs_token_do_as_well() {
    let (host, lamp) = goods(
        r#"forbid (principal is Portcullis::Account, action == Portcullis::Action::"delete", resource is Portcullis::goods)
           when { resource has stock && resource.stock > 5 };"#,
    );
    let ada = member(&host, "ada@example.org", &[]);
    let program = |scopes: &[&str]| {
        let asked = json!({ "name": "a program", "scopes": scopes });
        let token = ada.post("/auth/tokens", &asked).expect(201).json()["token"].clone();
        host.api().with_token(token.as_str().expect("a token"))
    };
    let errand = |client: &Client, action: &str| client.post("/api/errands", &json!({ "do": action, "at": lamp }));
    let narrow = program(&["errands:write"]);
    errand(&narrow, "delete").expect_problem(403, "forbidden");
    // No policy is about reading, so the plugin answers for it.
    errand(&narrow, "read").expect(201);
    errand(&program(&["errands:write", "goods:write"]), "delete").expect(201);
}
