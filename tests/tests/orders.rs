//! Orders: they lower the stock in the transaction that makes them, and never sell what is not there.

use std::sync::Barrier;
use std::thread;

use portcullis_tests::{Answer, Host};
use serde_json::json;

/// What the operator grants the orders plugin beyond its own collection.
const GRANTS: &str = r#"
[grants.orders]
collections = { products = { actions = ["read", "update"], as = "system" } }
"#;

const BUYERS: usize = 1_000;
const PIECES: u64 = 100;

#[test]
fn a_thousand_concurrent_orders_for_the_last_hundred_pieces_sell_exactly_one_hundred() {
    let host = shop();
    let lamp = product(&host, "lamp", PIECES);
    let ready = Barrier::new(BUYERS);
    let answers: Vec<Answer> = thread::scope(|scope| {
        let buy = || {
            ready.wait();
            order(&host, "lamp", 1)
        };
        let buyers: Vec<_> = (0..BUYERS).map(|_| scope.spawn(buy)).collect();
        buyers
            .into_iter()
            .map(|buyer| buyer.join().expect("a buyer gets an answer"))
            .collect()
    });
    let (sold, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    for answer in refused {
        answer.expect_problem(409, "conflict");
    }
    assert_eq!(sold.len() as u64, PIECES);
    assert_eq!(stock(&host, &lamp), 0);
    let orders = host.operator().get("/api/orders?count=true&limit=1").expect(200).json();
    assert_eq!(orders["count"], PIECES, "a refused order was stored");
}

#[test]
fn an_order_of_several_lines_takes_all_of_them_or_none() {
    let host = shop();
    let lamp = product(&host, "lamp", 5);
    let bulb = product(&host, "bulb", 1);
    let both = |lamps: u64, bulbs: u64| {
        let lines = json!([{ "sku": "lamp", "quantity": lamps }, { "sku": "bulb", "quantity": bulbs }]);
        host.operator().post("/api/orders", &json!({ "lines": lines }))
    };
    both(2, 2).expect_problem(409, "conflict");
    assert_eq!((stock(&host, &lamp), stock(&host, &bulb)), (5, 1));
    let made = both(2, 1).expect(201).json();
    assert_eq!((stock(&host, &lamp), stock(&host, &bulb)), (3, 0));
    assert_eq!(made["total_cents"], 3 * 1_999);
    assert_eq!(made["status"], "pending");
}

#[test]
fn an_order_goes_through_its_states_and_through_no_others() {
    let host = shop();
    let lamp = product(&host, "lamp", 10);
    let step = |order: &str, status: &str| host.operator().patch(order, &json!({ "status": status }));

    let shipped = order(&host, "lamp", 4).expect(201).location();
    step(&shipped, "shipped").expect_problem(409, "conflict");
    step(&shipped, "paid").expect(200);
    step(&shipped, "shipped").expect(200);
    step(&shipped, "cancelled").expect_problem(409, "conflict");
    assert_eq!(stock(&host, &lamp), 6);

    let cancelled = order(&host, "lamp", 3).expect(201).location();
    assert_eq!(stock(&host, &lamp), 3);
    step(&cancelled, "cancelled").expect(200);
    assert_eq!(stock(&host, &lamp), 6, "a cancelled order gives its pieces back");
    step(&cancelled, "paid").expect_problem(409, "conflict");
}

#[test]
fn without_the_grant_an_order_is_refused_and_the_log_has_the_line_that_would_allow_it() {
    let host = Host::init().with_plugins(["catalog", "orders"]).start();
    product(&host, "lamp", 1);
    let problem = order(&host, "lamp", 1).expect(403).problem();
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(
        !detail.contains("grants.orders") && detail.contains("products"),
        "{problem}"
    );
    host.wait_for_log("grants.orders");
    host.wait_for_log("products");
}

fn shop() -> Host {
    Host::init()
        .with_plugins(["catalog", "orders"])
        .with_config(GRANTS)
        .start()
}

/// Makes a product; returns its path.
fn product(host: &Host, sku: &str, stock: u64) -> String {
    let body = json!({ "sku": sku, "name": sku, "price_cents": 1_999, "stock": stock });
    host.operator().post("/api/products", &body).expect(201).location()
}

fn order(host: &Host, sku: &str, quantity: u64) -> Answer {
    host.operator().post(
        "/api/orders",
        &json!({ "lines": [{ "sku": sku, "quantity": quantity }] }),
    )
}

fn stock(host: &Host, product: &str) -> u64 {
    host.get(product).expect(200).json()["stock"]
        .as_u64()
        .expect("the product has a stock")
}
