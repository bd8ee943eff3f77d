//! Who is counted with whom, and what they are told.

use super::*;
use std::sync::Arc;

use crate::policy::Account;

fn throttle() -> Throttle {
    let rate = |per_second, burst| Rate { per_second, burst };
    Throttle::new(&Rates {
        api: rate(10, 100),
        account: rate(1, 20),
        auth: rate(0, 1),
        mail: rate(1, 60),
        routes: [
            (None, "/api/orders", 9),
            (Some("POST"), "/api/orders", 3),
            (None, "/api/orders/rush", 1),
        ]
        .map(|(method, path, burst)| RouteRate {
            method: method.map(str::to_owned),
            path: path.to_owned(),
            rate: rate(1, burst),
        })
        .into(),
    })
}

fn account(id: u128) -> Caller {
    Caller::Account(Account {
        id: Uuid::from_u128(id),
        roles: Arc::new([]),
        limits: None,
    })
}

fn told(standings: &Standings) -> Vec<String> {
    let mut headers = HeaderMap::new();
    standings.add_headers(&mut headers);
    let lines = [RATE_LIMIT_POLICY, RATE_LIMIT].map(|name| {
        let values = headers.get_all(&name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    });
    lines.concat()
}

#[test]
fn a_network_has_a_burst_and_others_are_not_held_back_by_it() {
    let throttle = throttle();
    let pass = |peer: &str| throttle.network(Group::Mail, peer.parse().unwrap(), &Standings::default());
    let passed = |peer: &str| pass(peer).is_ok();
    assert_eq!((0..100).filter(|_| passed("192.0.2.1")).count(), 60);
    assert!(passed("192.0.2.2"));
    let of_one_network = |number: u32| passed(&format!("2001:db8:0:1::{number:x}"));
    assert_eq!((1..100).filter(|number| of_one_network(*number)).count(), 60);
    assert!(passed("2001:db8:0:2::1"));
    let refused = pass("192.0.2.1").unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (429, "too_many_requests"));
}

#[test]
fn an_account_is_counted_wherever_it_is_and_others_are_not() {
    let throttle = throttle();
    let passed = |caller: &Caller| throttle.caller(caller, &Standings::default()).is_ok();
    assert_eq!((0..50).filter(|_| passed(&account(1))).count(), 20);
    assert!(passed(&account(2)));
    assert_eq!((0..50).filter(|_| passed(&Caller::Operator)).count(), 50);
    assert_eq!((0..50).filter(|_| passed(&Caller::Anonymous)).count(), 50);
}

#[test]
fn a_batch_counts_as_its_operations() {
    let (throttle, standings, peer) = (throttle(), Standings::default(), IpAddr::from([192, 0, 2, 1]));
    throttle.batch(peer, &Caller::Anonymous, 41, &standings).unwrap();
    assert_eq!(told(&standings), [r#""api";q=100;w=10"#, r#""api";r=60;t=4"#]);
    throttle.batch(peer, &account(1), 11, &standings).unwrap();
    assert!(throttle.batch(peer, &account(1), 12, &standings).is_err());
    assert!(throttle.batch(peer, &Caller::Operator, 1_000, &standings).is_ok());
    // More than fits into a burst is possible once.
    let other = IpAddr::from([192, 0, 2, 2]);
    assert!(throttle.batch(other, &Caller::Anonymous, 1_000, &standings).is_ok());
    assert!(throttle.batch(other, &Caller::Anonymous, 1_000, &standings).is_err());
}

#[test]
fn who_is_limited_is_told_how_it_stands_and_who_is_not_is_told_nothing() {
    let (throttle, peer) = (throttle(), IpAddr::from([192, 0, 2, 1]));
    let standings = Standings::default();
    throttle.network(Group::Api, peer, &standings).unwrap();
    throttle.caller(&account(1), &standings).unwrap();
    let expected = [
        r#""api";q=100;w=10"#,
        r#""account";q=20;w=20"#,
        r#""api";r=99;t=1"#,
        r#""account";r=19;t=1"#,
    ];
    assert_eq!(told(&standings), expected);
    // A rate of 0 is no limit.
    for _ in 0..100 {
        throttle.network(Group::Auth, peer, &standings).unwrap();
    }
    assert_eq!(told(&standings), Vec::<String>::new());
}

#[test]
fn those_who_ask_no_more_are_forgotten() {
    let throttle = Throttle::new(&Rates {
        api: Rate {
            per_second: 1_000_000,
            burst: 1,
        },
        ..Rates::default()
    });
    for number in 0..SWEEP_EVERY * 20 {
        let peer = IpAddr::from(number.to_be_bytes());
        throttle.network(Group::Api, peer, &Standings::default()).unwrap();
    }
    let known = throttle.api.0.map(|counter| counter.limiter.len());
    assert!(
        known.is_some_and(|known| known <= 2 * SWEEP_EVERY as usize),
        "{known:?}"
    );
}

#[test]
fn every_route_has_its_group() {
    use super::super::router::find;
    let group = |surface, path| Group::of(surface, find(surface, path).unwrap(), path);
    for (path, expected) in [
        ("/api/products", Some(Group::Api)),
        ("/api/batch", Some(Group::Api)),
        ("/auth/login", Some(Group::Auth)),
        ("/account/reset", Some(Group::Auth)),
        ("/auth/register", Some(Group::Mail)),
        ("/auth/password/forgot", Some(Group::Mail)),
        ("/healthz", None),
    ] {
        assert_eq!(group(Surface::Api, path), expected, "{path}");
    }
    assert_eq!(group(Surface::Admin, "/admin/api/accounts"), None);
}

#[test]
fn a_route_has_a_rate_of_its_own_and_the_longest_path_counts() {
    let throttle = throttle();
    let passed = |method: Method, path: &str| {
        let peer = "192.0.2.1".parse().unwrap();
        let pass = || throttle.route(&method, path, peer, &Standings::default());
        (0..50).filter(|_| pass().is_ok()).count()
    };
    assert_eq!(passed(Method::POST, "/api/orders"), 3);
    assert_eq!(passed(Method::GET, "/api/orders/7"), 9);
    assert_eq!(passed(Method::HEAD, "/api/orders"), 0, "it counts as GET");
    assert_eq!(passed(Method::POST, "/api/orders/rush/7"), 1);
    assert_eq!(passed(Method::POST, "/api/orders-of-old"), 50);
    let standings = Standings::default();
    let refused = throttle.route(&Method::POST, "/api/orders", "192.0.2.1".parse().unwrap(), &standings);
    assert_eq!(refused.unwrap_err().status().as_u16(), 429);
    assert_eq!(told(&standings), ["\"route\";q=3;w=3", "\"route\";r=0;t=3"]);
}
