//! A cursor serves the caller and the query that it was made for, and nobody and nothing else.

use serde_json::json;

use super::Error;
use crate::capabilities::fixture::{Host, account, items};
use crate::capabilities::model::{Clause, Operator, Order, Page, Selection};
use crate::policy::{Caller, Scope};

async fn store() -> Host {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}, "text": {"type": "string"}}});
    let host = Host::with(items(schema, &[&["n"]], &[])).await;
    for n in 0..5 {
        host.insert(json!({"n": n})).await;
    }
    host
}

fn by_number() -> Selection {
    Selection {
        sort: vec![Order {
            field: "n".to_owned(),
            descending: false,
        }],
        limit: 2,
        ..Selection::default()
    }
}

async fn query(host: &Host, caller: Caller, selection: &Selection) -> Result<Page, Error> {
    let mut call = host.call();
    call.caller = caller;
    call.items().query(selection).await
}

fn code(result: Result<Page, Error>) -> &'static str {
    match result {
        Err(Error::BadSelection { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cursor_is_refused_to_another_caller() {
    let host = store().await;
    let cursor = query(&host, account(1), &by_number()).await.unwrap().next;
    let selection = Selection { cursor, ..by_number() };
    assert_eq!(query(&host, account(1), &selection).await.unwrap().items.len(), 2);
    for caller in [account(2), Caller::Anonymous, Caller::Operator] {
        assert_eq!(code(query(&host, caller, &selection).await), "bad_cursor");
    }
}

#[tokio::test]
async fn a_cursor_is_refused_for_another_query() {
    let host = store().await;
    let cursor = query(&host, Caller::Anonymous, &by_number()).await.unwrap().next;
    let filter = Clause {
        field: "n".to_owned(),
        operator: Operator::Ge,
        value: json!(0),
    };
    let others = [
        Selection {
            sort: Vec::new(),
            ..by_number()
        },
        Selection {
            sort: vec![Order {
                field: "n".to_owned(),
                descending: true,
            }],
            ..by_number()
        },
        Selection {
            sort: vec![Order {
                field: "text".to_owned(),
                descending: false,
            }],
            ..by_number()
        },
        Selection {
            filters: vec![filter],
            ..by_number()
        },
    ];
    for other in others {
        let selection = Selection {
            cursor: cursor.clone(),
            ..other
        };
        assert_eq!(
            code(query(&host, Caller::Anonymous, &selection).await),
            "bad_cursor",
            "{selection:?}"
        );
    }
    // The size of the page, and whether to count, are free.
    let selection = Selection {
        cursor: cursor.clone(),
        limit: 1,
        with_total: true,
        ..by_number()
    };
    let page = query(&host, Caller::Anonymous, &selection).await.unwrap();
    assert_eq!((page.items.len(), page.total), (1, Some(5)));
    // A wider scope is another query: the cursor of a narrow one says nothing there.
    let mut call = host.call();
    call.readable = Some(Scope::Owned(uuid::Uuid::nil()));
    assert_eq!(
        code(call.items().query(&Selection { cursor, ..by_number() }).await),
        "bad_cursor"
    );
}

#[tokio::test]
async fn forged_and_truncated_cursors_are_refused() {
    let host = store().await;
    let cursor = query(&host, Caller::Anonymous, &by_number())
        .await
        .unwrap()
        .next
        .unwrap();
    let mut forged: Vec<String> = (0..cursor.len()).map(|length| cursor[..length].to_owned()).collect();
    forged.extend(["%".repeat(40), "A".repeat(5_000), format!("{cursor}A"), "é".to_owned()]);
    for cursor in forged {
        let selection = Selection {
            cursor: Some(cursor),
            ..by_number()
        };
        assert_eq!(code(query(&host, Caller::Anonymous, &selection).await), "bad_cursor");
    }
}

#[tokio::test]
async fn a_cursor_goes_on_where_its_document_was_when_that_is_gone() {
    let host = store().await;
    let first = query(&host, Caller::Anonymous, &by_number()).await.unwrap();
    let mut call = host.call();
    call.items().delete(&first.items[1].id.to_string()).await.unwrap();
    call.commit().await.unwrap();
    let page = query(
        &host,
        Caller::Anonymous,
        &Selection {
            cursor: first.next,
            ..by_number()
        },
    )
    .await
    .unwrap();
    let bodies: Vec<&[u8]> = page.items.iter().map(|document| &document.body[..]).collect();
    assert_eq!(bodies, [br#"{"n":2}"#, br#"{"n":3}"#]);
}

#[tokio::test]
async fn a_cursor_outlives_an_index() {
    let host = store().await;
    let cursor = query(&host, Caller::Anonymous, &by_number()).await.unwrap().next;
    let schema = host
        .catalogue
        .current()
        .collection("items")
        .unwrap()
        .schema()
        .text()
        .as_ref()
        .clone();
    host.declare(items(schema, &[], &[])).await;
    let page = query(&host, Caller::Anonymous, &Selection { cursor, ..by_number() })
        .await
        .unwrap();
    assert_eq!(&page.items[0].body[..], br#"{"n":2}"#);
}

#[tokio::test]
async fn a_sort_value_that_no_cursor_holds_is_refused_where_there_is_a_next_page() {
    let host = store().await;
    host.insert(json!({"text": "x".repeat(10_000)})).await;
    let sort = vec![Order {
        field: "text".to_owned(),
        descending: true,
    }];
    let selection = |limit| Selection {
        sort: sort.clone(),
        limit,
        ..Selection::default()
    };
    assert_eq!(
        code(query(&host, Caller::Anonymous, &selection(1)).await),
        "sort_value_too_long"
    );
    assert_eq!(
        query(&host, Caller::Anonymous, &selection(10))
            .await
            .unwrap()
            .items
            .len(),
        6
    );
}

#[tokio::test]
async fn a_page_of_large_bodies_ends_early_and_goes_on() {
    let host = store().await;
    for _ in 0..20 {
        host.insert(json!({"n": 9, "text": "x".repeat(1_000_000)})).await;
    }
    for sort in [Vec::new(), by_number().sort] {
        let mut selection = Selection {
            sort,
            limit: 1_000,
            ..Selection::default()
        };
        let (mut pages, mut ids) = (0, std::collections::BTreeSet::new());
        loop {
            let page = query(&host, Caller::Anonymous, &selection).await.unwrap();
            let bytes: usize = page.items.iter().map(|document| document.body.len()).sum();
            assert!(bytes < super::MAX_PAGE_BYTES + super::MAX_BODY_BYTES, "{bytes}");
            ids.extend(page.items.iter().map(|document| document.id));
            pages += 1;
            let Some(next) = page.next else { break };
            selection.cursor = Some(next);
        }
        // Three of them pass the limit of a page.
        assert_eq!((pages, ids.len()), (7, 25));
    }
}

#[tokio::test]
async fn an_index_that_leads_to_too_much_is_no_reason_to_refuse_what_another_way_finds() {
    let host = store().await;
    for _ in 0..=super::MAX_EXAMINED_BYTES / 1_000_000 {
        host.insert(json!({"n": 9, "text": "x".repeat(1_000_000)})).await;
    }
    let selection = Selection {
        filters: vec![Clause {
            field: "n".to_owned(),
            operator: Operator::Eq,
            value: json!(9),
        }],
        limit: 1,
        ..Selection::default()
    };
    let page = query(&host, Caller::Anonymous, &selection).await.unwrap();
    assert_eq!((page.items.len(), page.next.is_some()), (1, true));
    // Sorted by what no index has, all of it would have to be read.
    let sorted = Selection {
        sort: vec![Order {
            field: "text".to_owned(),
            descending: false,
        }],
        ..selection
    };
    let refused = query(&host, Caller::Anonymous, &sorted).await;
    assert!(
        matches!(refused, Err(Error::IndexRequired { .. } | Error::TooManyRows(_))),
        "{refused:?}"
    );
}
