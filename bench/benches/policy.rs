//! One decision: natively, and in Cedar with 30 policies loaded, of which a few can apply. A native one may take 0.3 µs, one
//! in Cedar 5 µs; the run ends with an error where it takes longer.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::config::PolicyFile;
use portcullis::manifest::{Access, AccessWord, Action, Resource};
use portcullis::policy::cedar::Policies;
use portcullis::policy::{Account, Caller, Facts, Rules, Scope, authorize};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a decision may take.
const NATIVE: Duration = Duration::from_nanos(300);
const CEDAR: Duration = Duration::from_micros(5);
/// How many policies the operator has.
const LOADED: usize = 30;
/// Decisions of one measurement, and measurements, of which the median counts.
const DECISIONS: u32 = 2_000;
const MEASUREMENTS: usize = 51;

fn resource(name: &str) -> Resource {
    let schema = json!({"type": "object", "properties": {
        "name": {"type": "string"}, "price_cents": {"type": "integer"}, "status": {"type": "string"},
    }});
    Resource {
        name: name.to_owned(),
        schema: Arc::new(schema),
        indexes: Vec::new(),
        unique: Vec::new(),
        access: Access {
            update: AccessWord::Role("author".into()),
            ..Access::all(AccessWord::Owner)
        },
        on_erase: Default::default(),
    }
}

/// Policies for ten resources and three actions, as shops have them.
fn policies(resources: &[Resource]) -> Policies {
    let mut text = String::new();
    for Resource { name, .. } in resources {
        text.push_str(&format!(
            "permit (principal, action == Portcullis::Action::\"read\", resource is Portcullis::{name})
             when {{ resource has status && resource.status == \"published\" }};
             permit (principal in Portcullis::Role::\"editor\", action == Portcullis::Action::\"update\", resource is Portcullis::{name});
             forbid (principal, action == Portcullis::Action::\"delete\", resource is Portcullis::{name})
             when {{ resource has price_cents && resource.price_cents > 10000 }};"
        ));
    }
    let file = PolicyFile {
        name: "shop.cedar".to_owned(),
        text,
    };
    Policies::load(&[file], resources.iter()).expect("the policies are sound")
}

fn editor() -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(1),
        roles: ["editor".to_owned(), "author".to_owned()].into(),
        limits: None,
    })
}

/// The median time of one decision.
fn measured(mut decide: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..MEASUREMENTS)
        .map(|_| {
            let start = Instant::now();
            (0..DECISIONS).for_each(|_| decide());
            start.elapsed() / DECISIONS
        })
        .collect();
    times.sort_unstable();
    times[MEASUREMENTS / 2]
}

fn within(what: &str, taken: Duration, allowed: Duration) {
    println!("{what}: {taken:?}, of at most {allowed:?}");
    assert!(
        taken <= allowed,
        "{what} takes {taken:?}, which is more than {allowed:?}"
    );
}

fn decisions(criterion: &mut Criterion) {
    let resources: Vec<Resource> = (0..LOADED / 3)
        .map(|number| resource(&format!("items{number}")))
        .collect();
    let policies = policies(&resources);
    let (name, access): (Arc<str>, Access) = ("items3".into(), resources[3].access.clone());
    let native = Rules::from(access.clone());
    let cedar = Rules::new(access, policies.of("items3").cloned());
    let caller = editor();
    let body = json!({"name": "lamp", "price_cents": 4_900, "status": "published"});
    let facts = |body: &Value, decide: &dyn Fn(&Facts<'_>)| {
        decide(&Facts {
            id: Uuid::from_u128(7),
            owner: Some(Uuid::from_u128(2)),
            body,
        });
    };
    let natively = || {
        let permit = authorize(&caller, Action::Read, &name, &native).expect("an account may read its own");
        facts(&body, &|facts| {
            black_box(permit.scope().covers(facts));
        });
    };
    // The principal is made once for each request; then each document is decided about.
    let of_request = authorize(&caller, Action::Read, &name, &cedar).expect("an account may read some");
    assert!(matches!(of_request.scope(), Scope::Cedar(_)), "Cedar decides");
    let about_document = || {
        facts(&body, &|facts| {
            assert!(black_box(of_request.scope().covers(facts)), "it is published");
        });
    };
    // All that a request for one document takes.
    let request = || {
        let permit = authorize(&caller, Action::Read, &name, &cedar).expect("an account may read some");
        facts(&body, &|facts| {
            assert!(black_box(permit.scope().covers(facts)), "it is published");
        });
    };
    let beforehand = || {
        let permit = black_box(authorize(&caller, Action::Update, &name, &cedar)).expect("an editor may update");
        assert!(matches!(permit.scope(), Scope::All), "it is decided beforehand");
    };

    let mut group = criterion.benchmark_group(format!("a decision with {LOADED} policies"));
    group.bench_function("native", |bencher| bencher.iter(natively));
    group.bench_function("in Cedar, about a document", |bencher| bencher.iter(about_document));
    group.bench_function("in Cedar, principal made anew", |bencher| bencher.iter(beforehand));
    group.bench_function("in Cedar, principal made anew, about a document", |bencher| {
        bencher.iter(request);
    });
    group.finish();
    within("a native decision", measured(natively), NATIVE);
    within("a decision in Cedar about a document", measured(about_document), CEDAR);
    within(
        "a decision in Cedar with the principal made anew",
        measured(beforehand),
        CEDAR,
    );
    within(
        "a decision in Cedar about a document with the principal made anew",
        measured(request),
        CEDAR,
    );
}

criterion_group!(benches, decisions);
criterion_main!(benches);
