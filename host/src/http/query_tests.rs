//! Tests of the query strings of lists.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn kind(field: &str) -> Option<FieldKind> {
    Some(match field {
        "name" | "category" | "maker.name" => FieldKind::Text,
        "stock" => FieldKind::Integer,
        "price" => FieldKind::Number,
        "sold" => FieldKind::Boolean,
        "extra" => FieldKind::Any,
        "sizes" => FieldKind::Array(Box::new(FieldKind::Integer)),
        "maker" => FieldKind::Object,
        _ => return None,
    })
}

fn filters(query: &str) -> Vec<(String, Operator, Value)> {
    let selection = parse(query, kind).unwrap();
    selection
        .filters
        .into_iter()
        .map(|clause| (clause.field, clause.operator, clause.value))
        .collect()
}

fn refusal(query: &str) -> &'static str {
    parse(query, kind).unwrap_err().code
}

#[test]
fn a_whole_query_is_read() {
    let selection = parse(
        "category=games&price[gte]=10&sort=-price,name&limit=20&cursor=abc&count=true",
        kind,
    )
    .unwrap();
    let clause = |field: &str, operator, value| Clause {
        field: field.into(),
        operator,
        value,
    };
    let order = |field: &str, descending| Order {
        field: field.into(),
        descending,
    };
    assert_eq!(
        selection,
        Selection {
            filters: vec![
                clause("category", Operator::Eq, json!("games")),
                clause("price", Operator::Ge, json!(10))
            ],
            sort: vec![order("price", true), order("name", false)],
            limit: 20,
            cursor: Some("abc".into()),
            with_total: true,
        }
    );
}

#[test]
fn an_empty_query_asks_for_the_defaults() {
    assert_eq!(parse("", kind).unwrap(), Selection::default());
    assert_eq!(parse("&&cursor=&", kind).unwrap(), Selection::default());
}

#[test]
fn every_operator_has_a_name() {
    use Operator::*;
    for (name, operator) in [
        ("eq", Eq),
        ("ne", Ne),
        ("lt", Lt),
        ("le", Le),
        ("lte", Le),
        ("gt", Gt),
        ("ge", Ge),
        ("gte", Ge),
    ] {
        assert_eq!(
            filters(&format!("stock[{name}]=3")),
            [("stock".into(), operator, json!(3))]
        );
    }
    assert_eq!(filters("name[prefix]=a"), [("name".into(), Prefix, json!("a"))]);
    assert_eq!(filters("stock[in]=1,2"), [("stock".into(), OneOf, json!([1, 2]))]);
}

#[test]
fn texts_become_what_the_field_holds() {
    assert_eq!(filters("name=10")[0].2, json!("10"));
    assert_eq!(filters("name=null")[0].2, json!("null"));
    assert_eq!(filters("stock=10")[0].2, json!(10));
    assert_eq!(filters("price=-1.5e3")[0].2, json!(-1500.0));
    assert_eq!(filters("price=null")[0].2, json!(null));
    assert_eq!(filters("sold=true")[0].2, json!(true));
    assert_eq!(filters("extra=true")[0].2, json!(true));
    assert_eq!(filters("extra=NaN")[0].2, json!("NaN"));
    assert_eq!(filters("sizes=40")[0].2, json!(40));
    assert_eq!(filters("maker.name=")[0].2, json!(""));
}

#[test]
fn texts_are_decoded_once() {
    assert_eq!(filters("name=a+b%2Bc%20%C3%BC")[0].2, json!("a b+c ü"));
    assert_eq!(filters("price%5Bgte%5D=1")[0].1, Operator::Ge);
    assert_eq!(filters("name=%2541")[0].2, json!("%41"));
}

#[test]
fn what_is_wrong_is_named() {
    assert_eq!(refusal("colour=red"), "unknown_field");
    assert_eq!(refusal("sort=colour"), "unknown_field");
    assert_eq!(refusal("sort="), "unknown_field");
    assert_eq!(refusal("price[like]=1"), "unknown_operator");
    assert_eq!(refusal("price[]=1"), "unknown_operator");
    assert_eq!(refusal("price[gte=1"), "malformed_query");
    assert_eq!(refusal("name=%"), "malformed_query");
    assert_eq!(refusal("name=%zz"), "malformed_query");
    assert_eq!(refusal("name=%ff"), "malformed_query");
    assert_eq!(refusal("name=%00"), "malformed_query");
    assert_eq!(refusal("price=cheap"), "bad_value");
    assert_eq!(refusal("price=1e999"), "bad_value");
    assert_eq!(refusal("price=+1"), "bad_value");
    assert_eq!(refusal("stock=1.5"), "bad_value");
    assert_eq!(refusal("stock[in]=1,"), "bad_value");
    assert_eq!(refusal("sold=1"), "bad_value");
    assert_eq!(refusal("sizes=big"), "bad_value");
    assert_eq!(refusal("maker=x"), "bad_value");
    assert_eq!(refusal("sizes[prefix]=4"), "bad_operator");
    assert_eq!(refusal("price[prefix]=1"), "bad_operator");
    for limit in ["0", "1001", "-1", "+1", "", "ten", "99999999999"] {
        assert_eq!(refusal(&format!("limit={limit}")), "bad_limit");
    }
    assert_eq!(refusal("count=1"), "bad_count");
    assert_eq!(refusal("limit=1&limit=2"), "repeated_parameter");
    assert_eq!(refusal("sort=name,-name"), "repeated_sort_key");
}

#[test]
fn queries_are_bounded() {
    assert_eq!(refusal(&"name=a&".repeat(MAX_FILTERS + 1)), "too_many_filters");
    assert_eq!(refusal("sort=name,category,stock,price,sold"), "too_many_sort_keys");
    assert_eq!(
        refusal(&format!("stock[in]=1{}", ",1".repeat(MAX_ONE_OF))),
        "too_many_values"
    );
}

#[test]
fn the_next_page_is_the_same_query_with_another_cursor() {
    assert_eq!(with_cursor("", "a/b"), "cursor=a%2Fb");
    assert_eq!(
        with_cursor("name=x&cursor=old&limit=5", "new"),
        "name=x&limit=5&cursor=new"
    );
    assert_eq!(with_cursor("c%75rsor=old", "new"), "cursor=new");
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(query in "[\\x21-\\x7e]{0,60}") {
        if let Ok(selection) = parse(&query, |_| Some(FieldKind::Any)) {
            let again = with_cursor(&query, "c");
            prop_assert_eq!(parse(&again, |_| Some(FieldKind::Any)).unwrap(), Selection { cursor: Some("c".into()), ..selection });
        }
    }
}
