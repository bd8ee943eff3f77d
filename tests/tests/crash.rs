//! A host that is killed while it writes keeps every write that it acknowledged, and tears none.
//!
//! `PORTCULLIS_CRASH_ROUNDS` sets how often it is killed; the default is what CI has time for.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use portcullis_tests::{Client, Host, Lost};
use serde_json::{Value, json};

const WRITERS: u64 = 8;

/// What the writers know of one product: the states that the store may be in.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The stock of the last write that was acknowledged.
    acknowledged: Option<u64>,
    /// The stock of a write that was sent and not answered: it may have happened or not.
    pending: Option<u64>,
}

/// By sku.
type Book = BTreeMap<String, Known>;

#[test]
fn a_killed_host_keeps_what_it_acknowledged_and_tears_nothing() {
    let rounds = env::var("PORTCULLIS_CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().expect("a number of rounds"));
    let mut host = Host::init().with_plugins(["catalog"]).start();
    let mut book = Book::new();
    for round in 0..rounds {
        let is_last = round + 1 == rounds;
        let mut written = write_until_killed(&mut host, round, is_last);
        host.restart();
        check(&host, &mut written);
        book.extend(written);
        let counted = host.get("/api/products?count=true&limit=1").expect(200).json();
        let whole = book.values().filter(|known| known.acknowledged.is_some()).count();
        assert_eq!(
            counted["count"], whole,
            "products are missing, or there are some that nobody wrote"
        );
    }
    check(&host, &mut book);
    assert!(
        book.values().any(|known| known.acknowledged.is_some()),
        "no write was acknowledged in {rounds} rounds"
    );
    host.terminate();
    let verified = host.command(&["verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    eprintln!("{rounds} kills, {} products, all there", book.len());
}

/// What the writers of a round and who kills the host tell each other.
#[derive(Default)]
struct Round {
    stop: AtomicBool,
    /// Whether a write was acknowledged.
    has_begun: AtomicBool,
}

/// Several clients write as fast as they can, until the host is killed under them: at any moment, but in the last round not
/// before one write was acknowledged, as on a slow disk none might be in any round.
fn write_until_killed(host: &mut Host, number: u64, is_last: bool) -> Book {
    let operator = host.operator();
    let round = Round::default();
    thread::scope(|scope| {
        let (operator, round) = (&operator, &round);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(operator, &format!("r{number}-w{writer}"), round)))
            .collect();
        if is_last {
            // Where a writer panics there will be none, and the test has failed.
            host.wait_until("an acknowledged write", || {
                round.has_begun.load(Ordering::Relaxed) || writers.iter().all(thread::ScopedJoinHandle::is_finished)
            });
        }
        thread::sleep(moment());
        host.kill();
        round.stop.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer does not panic"))
            .collect()
    })
}

/// Makes pairs of products, each pair in one batch, and changes the stock of both in another.
fn write(operator: &Client, name: &str, round: &Round) -> Book {
    let mut book = Book::new();
    for pair in 0.. {
        let name = format!("{name}-{pair}");
        if round.stop.load(Ordering::Relaxed) || write_pair(operator, &name, round, &mut book).is_err() {
            break;
        }
    }
    book
}

fn write_pair(operator: &Client, name: &str, round: &Round, book: &mut Book) -> Result<(), Lost> {
    let skus = ["left", "right"].map(|side| format!("{name}-{side}"));
    let create = |sku: &String| json!({ "method": "POST", "path": "/api/products", "body": product(sku, 1) });
    let answers = commit(operator, &skus, 1, book, &skus.iter().map(create).collect::<Vec<_>>())?;
    round.has_begun.store(true, Ordering::Relaxed);
    for stock in 2..4 {
        let patch = |answer: &Value| {
            let path = format!(
                "/api/products/{}",
                answer["body"]["id"].as_str().expect("a created product has an id")
            );
            json!({ "method": "PATCH", "path": path, "body": { "stock": stock } })
        };
        commit(
            operator,
            &skus,
            stock,
            book,
            &answers.iter().map(patch).collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}

/// Sends one batch that gives the products this stock, and keeps the book.
fn commit(
    operator: &Client,
    skus: &[String],
    stock: u64,
    book: &mut Book,
    operations: &[Value],
) -> Result<Vec<Value>, Lost> {
    for sku in skus {
        book.entry(sku.clone()).or_default().pending = Some(stock);
    }
    let answer = operator
        .request("POST", "/api/batch")
        .json(&json!({ "operations": operations }))
        .try_send()?
        .expect(200);
    for sku in skus {
        let known = Known {
            acknowledged: Some(stock),
            pending: None,
        };
        book.insert(sku.clone(), known);
    }
    let body = answer.json();
    Ok(body["results"]
        .as_array()
        .unwrap_or_else(|| panic!("no results in {body}"))
        .clone())
}

/// Compares every product that the writers know of with what the host has, found through the unique index.
fn check(host: &Host, book: &mut Book) {
    // Nobody limits how much the operator asks.
    let operator = host.operator();
    for (sku, known) in book.iter_mut() {
        let page = operator.get(&format!("/api/products?sku={sku}")).expect(200).json();
        let found = page["items"].as_array().expect("a list has items");
        let stock = found.first().map(|product| {
            assert_eq!(found.len(), 1, "{sku} is there twice");
            assert_eq!(
                product["name"],
                format!("The product {sku}"),
                "{sku} is torn: {product}"
            );
            let path = format!("/api/products/{}", product["id"].as_str().expect("a product has an id"));
            assert_eq!(
                operator.get(&path).expect(200).json(),
                *product,
                "the index and the document of {sku} differ"
            );
            product["stock"].as_u64().expect("a product has a stock")
        });
        let possible = stock == known.acknowledged || (stock.is_some() && stock == known.pending);
        assert!(possible, "{sku} has stock {stock:?}, but {known:?}");
        *known = Known {
            acknowledged: stock,
            pending: None,
        };
    }
    for (sku, known) in book.iter().filter(|(sku, _)| sku.ends_with("-left")) {
        let other = &book[&sku.replace("-left", "-right")];
        assert_eq!(
            known.acknowledged, other.acknowledged,
            "half of the batch of {sku} is there"
        );
    }
}

fn product(sku: &str, stock: u64) -> Value {
    json!({
        "sku": sku,
        "name": format!("The product {sku}"),
        "summary": "made to be counted",
        "category": "tests",
        "stock": stock,
    })
}

/// A random while: early enough to hit the first writes, late enough to hit many at once.
fn moment() -> Duration {
    Duration::from_micros(RandomState::new().hash_one(0) % 300_000)
}
