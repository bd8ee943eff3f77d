//! Every route for every kind of caller. A route that is not in the table fails the test, and so does a method of one.

mod contract {
    pub(crate) mod callers;
    pub(crate) mod table;
}

use std::collections::BTreeSet;
use std::fs;

use contract::callers::{Caller, World};
use contract::table::{Row, Surface, TABLE};
use portcullis_tests::repository;

#[test]
fn each_route_answers_each_kind_of_caller_as_the_table_says() {
    let world = World::begin();
    let mut wrong = Vec::new();
    // What has to grow old first comes last.
    for caller in Caller::ALL {
        for row in TABLE {
            let status = world.ask(row, caller);
            if status != row.expected(caller) {
                wrong.push(format!(
                    "{} {} as {caller:?}: {status}, and not {}",
                    row.method,
                    row.path,
                    row.expected(caller)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_route_is_missing_from_the_table() {
    let world = World::begin();
    let routes = routes();
    assert!(routes.len() > 45, "{routes:?}");
    let mut missing = Vec::new();
    for (surface, path) in routes {
        let answer = world.options(surface, &path);
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        assert!(!allow.is_empty(), "{path} has no methods");
        for method in allow
            .split(", ")
            .filter(|method| !matches!(*method, "HEAD" | "OPTIONS"))
        {
            let is_there =
                |row: &Row| row.surface == surface && row.method == method && shape(row.path) == shape(&path);
            if !TABLE.iter().any(is_there) {
                missing.push(format!("{surface:?} {method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the table:\n{}", missing.join("\n"));
}

/// The paths of the host's own router, read from its source: whatever is added there is found.
fn routes() -> BTreeSet<(Surface, String)> {
    let source = fs::read_to_string(repository().join("host/src/http/router.rs")).expect("the router is there");
    let patterns = source
        .split("match (surface, ")
        .nth(1)
        .expect("the router matches paths");
    let patterns = patterns.split("_ => Err").next().expect("split gives a first part");
    let mut found = BTreeSet::new();
    for arm in patterns.split("=>") {
        let Some((head, path)) = arm.rsplit_once("[") else {
            continue;
        };
        let path: Vec<&str> = path
            .split(']')
            .next()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .collect();
        if path.contains(&"..") {
            continue;
        }
        let segments = path.iter().map(|segment| match segment.strip_prefix('"') {
            Some(literal) => literal.trim_end_matches('"').to_owned(),
            None => format!("{{{segment}}}"),
        });
        let path = format!("/{}", segments.collect::<Vec<_>>().join("/"));
        let head = head.rsplit('(').next().unwrap_or_default();
        match head.trim().trim_end_matches(',').trim() {
            "Surface::Api" => drop(found.insert((Surface::Api, path))),
            "Surface::Admin" => drop(found.insert((Surface::Admin, path))),
            "_" => found.extend([(Surface::Api, path.clone()), (Surface::Admin, path)]),
            other => panic!("{other} is no listener"),
        }
    }
    found
}

/// A path with what is filled in left out: `/api/{resource}` and `/api/products` are one route.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments = path.split('/').map(|segment| match segment {
        "products" => "{}",
        _ if segment.starts_with('{') => "{}",
        literal => literal,
    });
    segments.collect::<Vec<_>>().join("/")
}
