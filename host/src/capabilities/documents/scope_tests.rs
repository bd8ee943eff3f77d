//! Scopes that the operator's policies make: each document is asked about, whatever is done with it.

use serde_json::{Value, json};

use super::{Error, MAX_EXAMINED};
use crate::capabilities::fixture::{Call, Host, account, items};
use crate::capabilities::model::{Clause, Operator, Page, Problem, Selection};
use crate::config::PolicyFile;
use crate::manifest::{Access, AccessWord, Action, Resource};
use crate::policy::cedar::Policies;
use crate::policy::{Rules, Scope, authorize};

/// Whoever is signed in may do everything with what is published.
const PUBLISHED: &str = "permit (principal is Portcullis::Account, action, resource) when { resource has published && resource.published };";

fn resource() -> Resource {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}, "published": {"type": "boolean"}}});
    Resource {
        access: Access::all(AccessWord::Operator),
        ..items(schema, &[&["n"]], &[])
    }
}

/// What these policies let an account do.
fn scope(text: &str, action: Action) -> Scope {
    let file = PolicyFile {
        name: "items.cedar".to_owned(),
        text: text.to_owned(),
    };
    let resource = resource();
    let policies = Policies::load(&[file], std::iter::once(&resource)).unwrap();
    let rules = Rules::new(resource.access.clone(), policies.of("items").cloned());
    let permit = authorize(&account(1), action, &"items".into(), &rules).unwrap();
    permit.scope().clone()
}

/// A call of an account under the policies.
fn call(host: &Host) -> Call {
    let mut call = host.call();
    call.caller = account(1);
    call.readable = Some(scope(PUBLISHED, Action::Read));
    call.writable = scope(PUBLISHED, Action::Update);
    call
}

/// A store with so many documents, of which these are published.
async fn host(documents: usize, published: impl Fn(usize) -> bool) -> Host {
    let host = Host::with(resource()).await;
    let numbers: Vec<usize> = (0..documents).collect();
    for numbers in numbers.chunks(1_000) {
        let mut call = host.call();
        for number in numbers {
            let body = json!({"n": number, "published": published(*number)});
            call.items().insert(body).await.unwrap();
        }
        call.commit().await.unwrap();
    }
    host
}

fn numbers(page: &Page) -> Vec<u64> {
    let body = |document: &super::Document| serde_json::from_slice::<Value>(&document.body).unwrap();
    page.items
        .iter()
        .map(|item| body(item)["n"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_list_and_its_count_hold_only_what_the_policies_allow() {
    let host = host(50, |number| number % 10 == 3).await;
    for sort in [Vec::new(), vec![order("n")]] {
        let mut selection = Selection {
            sort,
            limit: 2,
            with_total: true,
            ..Selection::default()
        };
        let mut found = Vec::new();
        loop {
            let page = call(&host).items().query(&selection).await.unwrap();
            assert_eq!(page.total, Some(5));
            found.extend(numbers(&page));
            selection.cursor = page.next;
            if selection.cursor.is_none() {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, [3, 13, 23, 33, 43]);
    }
}

fn order(field: &str) -> crate::capabilities::model::Order {
    crate::capabilities::model::Order {
        field: field.to_owned(),
        descending: false,
    }
}

#[tokio::test]
async fn a_page_ends_where_too_much_would_be_passed_over_and_its_cursor_leads_on() {
    let last = MAX_EXAMINED + 20;
    let host = host(last + 1, |number| number == 5 || number == last).await;
    let mut selection = Selection {
        sort: vec![order("n")],
        ..Selection::default()
    };
    let first = call(&host).items().query(&selection).await.unwrap();
    assert_eq!(numbers(&first), [5]);
    selection.cursor = first.next;
    assert!(selection.cursor.is_some(), "there may be more");
    let second = call(&host).items().query(&selection).await.unwrap();
    assert_eq!((numbers(&second), second.next), (vec![last as u64], None));

    // To count them all of them would have to be looked at.
    let counted = Selection {
        sort: vec![order("n")],
        with_total: true,
        ..Selection::default()
    };
    let refused = call(&host).items().query(&counted).await;
    assert!(matches!(refused, Err(Error::TooManyRows(_))), "{refused:?}");
    let narrow = Selection {
        filters: vec![Clause {
            field: "n".to_owned(),
            operator: Operator::Ge,
            value: json!(100),
        }],
        with_total: true,
        ..Selection::default()
    };
    let counted = call(&host).items().query(&narrow).await.unwrap();
    assert_eq!((numbers(&counted), counted.total), (vec![last as u64], Some(1)));
}

#[tokio::test]
async fn what_may_not_be_read_does_not_exist_and_what_may_not_be_written_is_forbidden() {
    let host = host(2, |number| number == 1).await;
    let by_number = Selection {
        sort: vec![order("n")],
        ..Selection::default()
    };
    let all = host.call().items().query(&by_number).await.unwrap();
    let (hidden, shown) = (all.items[0].id.to_string(), all.items[1].id.to_string());
    let body = || json!({"n": 7, "published": true});
    assert_eq!(call(&host).items().get(&hidden).await, Ok(None));
    assert!(call(&host).items().get(&shown).await.unwrap().is_some());
    let found = call(&host)
        .items()
        .get_many(&[hidden.clone(), shown.clone()])
        .await
        .unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    for result in [
        call(&host).items().replace(&hidden, body()).await.map(|_| ()),
        call(&host).items().patch(&hidden, json!({"n": 1})).await.map(|_| ()),
        call(&host).items().delete(&hidden).await,
    ] {
        assert_eq!(result, Err(Problem::NotFound.into()));
    }
    call(&host).items().replace(&shown, body()).await.unwrap();
    let mut readable = call(&host);
    readable.readable = Some(Scope::All);
    let refused = readable.items().delete(&hidden).await;
    assert!(
        matches!(refused, Err(Error::Problem(Problem::Forbidden(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_new_document_is_decided_about_as_it_will_be() {
    let host = host(0, |_| false).await;
    let mut creating = call(&host);
    creating.writable = scope(
        "permit (principal, action == Portcullis::Action::\"create\", resource)
         when { resource has n && resource.n < 10 && resource has owner && resource.owner == principal };",
        Action::Create,
    );
    creating.items().insert(json!({"n": 9})).await.unwrap();
    let refused = creating.items().insert(json!({"n": 10})).await;
    assert!(
        matches!(refused, Err(Error::Problem(Problem::Forbidden(_)))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_two_scopes_cover_is_found_in_either() {
    let host = host(4, |number| number == 2).await;
    let mut mine = host.call();
    mine.caller = account(1);
    mine.items().insert(json!({"n": 9, "published": false})).await.unwrap();
    mine.commit().await.unwrap();
    let mut either = call(&host);
    let own = Scope::Owned(account(1).account().unwrap());
    either.readable = either.readable.map(|scope| scope.or(own));
    let by_number = Selection {
        sort: vec![order("n")],
        ..Selection::default()
    };
    let page = either.items().query(&by_number).await.unwrap();
    assert_eq!(numbers(&page), [2, 9]);
}
