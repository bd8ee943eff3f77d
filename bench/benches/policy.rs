//! One decision: natively, and in Cedar with 30 policies loaded, of which a few can apply. A native one may take 0.3 µs, one
//! in Cedar 5 µs where clients list documents; one that nobody has asked for before may take a fraction of what Cedar takes by
//! itself with all the policies. The run ends with an error where it takes longer.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, Context, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression};
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
/// What one that was not made before may take of what Cedar takes that is given all policies.
const ANEW: f64 = 0.5;
/// How many policies the operator has.
const LOADED: usize = 30;
/// Documents that clients list, their owners, and the clients.
const LISTED: usize = 1_000;
const OWNERS: u128 = 100;
const CLIENTS: u128 = 10;
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
fn text(resources: &[Resource]) -> String {
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
    text
}

fn policies(resources: &[Resource]) -> Policies {
    let file = PolicyFile {
        name: "shop.cedar".to_owned(),
        text: text(resources),
    };
    Policies::load(&[file], resources.iter()).expect("the policies are sound")
}

fn account(id: u128, roles: &[&str]) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(id),
        roles: roles.iter().map(ToString::to_string).collect(),
        limits: None,
    })
}

/// Ten clients list a thousand documents each, of a hundred owners, from the start of a host: how long each decision takes.
fn listed(resources: &[Resource]) -> Duration {
    let clients: Vec<Caller> = (0..CLIENTS)
        .map(|id| {
            account(
                id,
                if id % 2 == 0 {
                    &["editor", "author"]
                } else {
                    &["author"]
                },
            )
        })
        .collect();
    let documents: Vec<(Uuid, Uuid, Value)> = (0..LISTED)
        .map(|number| {
            let status = ["draft", "published", "sold-out", "withdrawn"][number % 4];
            let body = json!({"name": format!("item {number}"), "price_cents": number * 100, "status": status});
            let id = number as u128;
            (Uuid::from_u128(id), Uuid::from_u128(id % OWNERS), body)
        })
        .collect();
    let mut times: Vec<Duration> = (0..MEASUREMENTS)
        .map(|_| {
            let policies = policies(resources);
            let rules = Rules::new(resources[3].access.clone(), policies.of("items3").cloned());
            let (name, start) = ("items3".into(), Instant::now());
            for (own, client) in clients.iter().enumerate() {
                let permit = authorize(client, Action::Read, &name, &rules).expect("an account may read some");
                let covered = documents.iter().filter(|(id, owner, body)| {
                    permit.scope().covers(&Facts {
                        id: *id,
                        owner: Some(*owner),
                        body,
                    })
                });
                // What is published, and what is the client's own: all of that has one status.
                let own = if own % 4 == 1 { 0 } else { LISTED / OWNERS as usize };
                assert_eq!(covered.count(), LISTED / 4 + own);
            }
            start.elapsed() / (LISTED as u32 * CLIENTS as u32)
        })
        .collect();
    times.sort_unstable();
    times[MEASUREMENTS / 2]
}

/// A decision of Cedar's by itself: all policies are given to it, and what it needs to know lies ready.
fn alone(resources: &[Resource]) -> impl Fn() + use<> {
    let policies: PolicySet = text(resources).parse().expect("the policies are sound");
    let uid = |text: &str| text.parse::<EntityUid>().expect("it is an entity");
    let (principal, document) = (uid("Portcullis::Account::\"1\""), uid("Portcullis::items3::\"7\""));
    let fields = [
        ("status", RestrictedExpression::new_string("published".into())),
        ("price_cents", RestrictedExpression::new_long(4_900)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    let roles = ["editor", "author"].map(|role| uid(&format!("Portcullis::Role::\"{role}\"")));
    let known = [
        Entity::new_no_attrs(principal.clone(), roles.into()),
        Entity::new(document.clone(), fields.into(), [].into()).expect("the fields are sound"),
    ];
    let entities = Entities::from_entities(known, None).expect("the entities are sound");
    let read = uid("Portcullis::Action::\"read\"");
    let request = Request::new(principal, read, document, Context::empty(), None).expect("no schema is asked");
    let authorizer = Authorizer::new();
    move || {
        let response = black_box(authorizer.is_authorized(&request, &policies, &entities));
        assert!(response.decision() == cedar_policy::Decision::Allow, "it is published");
    }
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
    let caller = account(1, &["editor", "author"]);
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
    // Each one is another, so that none was decided about before; to write it is a small part of what is measured.
    let (mut unalike, mut number) = (body.clone(), 0_u64);
    let mut anew = || {
        number += 1;
        unalike["status"] = format!("draft {number}").into();
        facts(&unalike, &|facts| {
            assert!(!black_box(of_request.scope().covers(facts)), "it is not published");
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
    let alone = alone(&resources);

    let mut group = criterion.benchmark_group(format!("a decision with {LOADED} policies"));
    group.bench_function("native", |bencher| bencher.iter(natively));
    group.bench_function("in Cedar, anew", |bencher| bencher.iter(&mut anew));
    group.bench_function("in Cedar, of a request for a document", |bencher| bencher.iter(request));
    group.bench_function("in Cedar, about no document", |bencher| bencher.iter(beforehand));
    group.bench_function("Cedar alone, with all policies", |bencher| bencher.iter(&alone));
    group.finish();
    within("a native decision", measured(natively), NATIVE);
    within(
        "a decision in Cedar where clients list documents",
        listed(&resources),
        CEDAR,
    );
    within(
        "a decision in Cedar for a request for a document",
        measured(request),
        CEDAR,
    );
    within("a decision in Cedar about no document", measured(beforehand), CEDAR);
    let (anew, alone) = (measured(anew), measured(alone));
    println!("a decision in Cedar anew: {anew:?}, of {alone:?} that Cedar takes alone with all policies");
    assert!(
        anew.as_secs_f64() <= alone.as_secs_f64() * ANEW,
        "to look at few policies saves less than was promised"
    );
}

criterion_group!(benches, decisions);
criterion_main!(benches);
