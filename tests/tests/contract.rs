//! Every route for every kind of caller. A route that is not in the table fails the test, and so does a method of one.

mod contract {
    pub(crate) mod callers;
    pub(crate) mod design;
    pub(crate) mod provider;
    pub(crate) mod router;
    pub(crate) mod table;
}

use std::collections::BTreeSet;
use std::fs;

use contract::callers::{Caller, World};
use contract::design::{DESIGN, NOT_BUILT, Route};
use contract::router::{Paths, paths, without_comments};
use contract::table::{Row, Surface, TABLE};
use portcullis_tests::{Answer, Host, repository};

#[test]
fn each_route_answers_each_kind_of_caller_as_the_table_says() {
    let world = World::begin();
    let mut wrong = Vec::new();
    // What has to grow old first comes last.
    for caller in Caller::ALL {
        for row in TABLE {
            let answer = world.ask(row, caller);
            let (status, expected) = (answer.status, row.expected(caller));
            if status != expected {
                wrong.push(format!(
                    "{} {} as {caller:?}: {status}, and not {expected}",
                    row.method, row.path
                ));
            }
            // A browser would send what is good for nothing any more for as long as it has it.
            let is_refused = row.surface == Surface::Api && status == 401;
            if is_refused && caller == Caller::ExpiredCookie && !takes_cookie_away(&answer) {
                wrong.push(format!("{} {} leaves a browser the cookie", row.method, row.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn takes_cookie_away(answer: &Answer) -> bool {
    let set = answer.header("set-cookie");
    set.is_some_and(|set| set.starts_with("__Host-portcullis=;") && set.contains("Max-Age=0"))
}

#[test]
fn each_route_of_the_design_is_in_the_table_or_in_the_list_of_what_is_not_built() {
    let (design, not_built) = (each(DESIGN), each(NOT_BUILT));
    let built: BTreeSet<_> = TABLE
        .iter()
        .map(|row| (row.surface, row.method, shape(row.path)))
        .collect();
    let wrong: Vec<_> = design
        .iter()
        .filter(|route| built.contains(*route) == not_built.contains(*route))
        .collect();
    assert!(wrong.is_empty(), "in neither of the two, or in both: {wrong:#?}");
    let strange: Vec<_> = not_built.difference(&design).collect();
    assert!(strange.is_empty(), "not in the design: {strange:#?}");
}

#[test]
fn what_is_not_built_yet_is_served_to_nobody() {
    // The plugin and the resource are there, and what is asked of them is not.
    let host = Host::init().with_plugins(["catalog"]).start();
    for &(surface, method, path) in NOT_BUILT {
        let path = path.replace("{resource}", "products").replace("{plugin}", "catalog");
        let path = path.replace(['{', '}'], "");
        let clients = match surface {
            Surface::Api => [host.api().clone(), host.operator()],
            Surface::Admin => [host.admin_as_anybody().clone(), host.admin()],
        };
        for client in clients {
            let answer = client.request(method, &path).send().expect_problem(404, "not_found");
            // No resource of that name is looked for: a plugin could have one.
            let detail = answer.json()["detail"].clone();
            assert_eq!(detail, "nothing is served under this path", "{method} {path}");
        }
    }
}

/// Routes as they are compared.
fn each(routes: &'static [Route]) -> BTreeSet<(Surface, &'static str, String)> {
    let routes = routes.iter();
    routes
        .map(|&(surface, method, path)| (surface, method, shape(path)))
        .collect()
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
