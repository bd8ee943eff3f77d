//! The inside of the store: single reads and pages, whole transactions, and commits of many writers at a time.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::storage::engine::{Direction, Engine, Key, Outcome};
use portcullis::storage::transaction::Transaction;
use portcullis::storage::{keyspace, memory};
use portcullis_bench::engine::creation;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const COLLECTION: &str = "products";
const DOCUMENTS: usize = 10_000;
const BODY: &str = r#"{"name":"0ad","category":"games","summary":"Real-time strategy game","size_kib":28591}"#;
const WRITERS: u64 = 64;

/// An engine with documents in it, and the keys of these.
async fn filled() -> (Arc<dyn Engine>, Vec<Key>) {
    let engine: Arc<dyn Engine> = Arc::new(memory::open().expect("memory can be had"));
    let mut keys = Vec::with_capacity(DOCUMENTS);
    for _ in 0..DOCUMENTS {
        keys.push(create(&engine).await);
    }
    (engine, keys)
}

async fn create(engine: &Arc<dyn Engine>) -> Key {
    let commit = creation(COLLECTION, BODY);
    let key = commit.changed[0].clone();
    let outcome = engine.commit(commit).await;
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    key
}

fn transactions(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let (engine, keys) = runtime.block_on(filled());
    let begin = || Transaction::begin(Arc::clone(&engine), 0);
    let mut group = criterion.benchmark_group("transaction, in memory");
    group.bench_function("get one document", |bencher| {
        let mut turn = keys.iter().cycle();
        bencher.to_async(&runtime).iter(|| {
            let key = turn.next().expect("a cycle does not end");
            async {
                let mut transaction = begin();
                black_box(transaction.get(key).await).expect("the document is there");
                transaction.abandon().await.expect("it is durable");
            }
        });
    });
    group.bench_function("scan a page of 100", |bencher| {
        let range = keyspace::documents(COLLECTION);
        bencher.to_async(&runtime).iter(|| async {
            let mut transaction = begin();
            let page = transaction.scan(&range, None, 100, Direction::Forward).await;
            assert_eq!(black_box(page).expect("the page is there").len(), 100);
            transaction.abandon().await.expect("it is durable");
        });
    });
    group.bench_function("read, write and commit one document", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let mut transaction = begin();
            transaction.get(&keys[0]).await.expect("the document is there");
            transaction.put(keys[0].clone(), Bytes::from_static(BODY.as_bytes()), None);
            transaction.record_change(keys[0].clone());
            transaction.commit().await.expect("nobody else writes");
        });
    });
    group.finish();
}

fn commits(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime can be started");
    let (engine, _) = runtime.block_on(filled());
    let mut group = criterion.benchmark_group("commit, in memory");
    group.throughput(Throughput::Elements(WRITERS));
    group.bench_function("one each of 64 writers", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let mut writers = JoinSet::new();
            for _ in 0..WRITERS {
                let engine = Arc::clone(&engine);
                writers.spawn(async move { create(&engine).await });
            }
            writers.join_all().await;
        });
    });
    group.finish();
}

criterion_group!(benches, transactions, commits);
criterion_main!(benches);
