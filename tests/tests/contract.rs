//! Every route for every kind of caller. A route that is not in the table fails the test, and so does a method of one.

mod contract {
    pub(crate) mod callers;
    pub(crate) mod provider;
    pub(crate) mod router;
    pub(crate) mod table;
}

use std::fs;

use contract::callers::{Caller, World};
use contract::router::{Paths, paths, without_comments};
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

/// The paths of the host's own router.
fn routes() -> Paths {
    let source = fs::read_to_string(repository().join("host/src/http/router.rs")).expect("the router is there");
    paths(&without_comments(&source))
}

/// A router with these arms, and these routes.
fn router(routes: &str, arms: &str) -> String {
    let source = format!(
        "enum Route<'p> {{ {routes} }}\nfn find() {{ match (surface, &segments[..length]) {{ {arms} _ => Err(no()), }} }}"
    );
    without_comments(&source)
}

#[test]
fn each_pattern_of_the_router_is_read_as_the_paths_that_it_matches() {
    let arms = r#"
        (Surface::Api, ["a", "b"]) | (_, ["c"]) => Ok(Route::One),
        // (Surface::Api, ["not", "one"]) => Ok(Route::No),
        (Surface::Admin, ["d" | "e", id]) if !id.is_empty() => {
            Ok(Route::Two { id })
        }
        (Surface::Api, ["kept" | "for", ..]) => Err(later()),
    "#;
    let found = paths(&router("One, Two { id: &'p str },", arms));
    let expected = [
        (Surface::Api, "/a/b"),
        (Surface::Api, "/c"),
        (Surface::Admin, "/c"),
        (Surface::Admin, "/d/{id}"),
        (Surface::Admin, "/e/{id}"),
    ];
    assert_eq!(found, expected.map(|(surface, path)| (surface, path.to_owned())).into());
}

#[test]
fn what_can_not_be_read_of_the_router_is_not_left_out() {
    for (routes, arms) in [
        ("One", r#"(Surface::Api, ["a", ..]) => Ok(Route::One),"#),
        ("One", r#"(Surface::Api, ["a", rest @ ..]) => Ok(Route::One),"#),
        ("One", r#"(Surface::Api, path) => Ok(Route::One),"#),
        ("One", r#"(Surface::Other, ["a"]) => Ok(Route::One),"#),
        ("One", r#"(Surface::Api, ["a"]) => elsewhere(),"#),
        ("One", r#"_ => Ok(Route::One),"#),
        ("One, Two", r#"(Surface::Api, ["a"]) => Ok(Route::One),"#),
    ] {
        let source = router(routes, arms);
        let read = std::panic::catch_unwind(|| paths(&source));
        assert!(read.is_err(), "{arms} is read as {read:?}");
    }
}

/// A path with what is filled in left out: `/api/{resource}` and `/api/products` are one route, and so are others.
fn shape(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segments = path.split('/').map(|segment| match segment {
        "products" | "example" => "{}",
        _ if segment.starts_with('{') => "{}",
        literal => literal,
    });
    segments.collect::<Vec<_>>().join("/")
}
