//! What the property tests of queries are fed with: bodies with odd values in all fields, and selections over them.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::capabilities::fixture::NOW_MS;
use crate::capabilities::model::{Clause, Operator, Order, Selection};

pub(super) fn text() -> impl Strategy<Value = Value> {
    select(vec![
        json!("a"),
        json!("ab"),
        json!("b"),
        json!(""),
        json!("a\0b"),
        json!("é"),
    ])
}

pub(super) fn number() -> impl Strategy<Value = Value> {
    select(vec![
        json!(-1),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(9_007_199_254_740_992_u64),
        json!(9_007_199_254_740_993_u64),
        json!(-0.25),
    ])
}

fn tags() -> impl Strategy<Value = Value> {
    prop::collection::vec(prop_oneof![4 => text(), 1 => Just(Value::Null)], 0..4).prop_map(Value::Array)
}

/// A value that every body has, of which there are not many equal ones.
pub(super) fn sku() -> impl Strategy<Value = Value> {
    (0..40).prop_map(|number| json!(format!("s{number:02}")))
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        text(),
        number(),
        tags(),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        Just(json!({"x": 1}))
    ]
}

pub(super) fn body() -> impl Strategy<Value = Value> {
    fn field(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
        prop_oneof![1 => Just(None), 4 => value.prop_map(Some)]
    }
    fn nullable(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
        prop_oneof![1 => Just(Value::Null), 6 => value]
    }
    let maker = field(text()).prop_map(|name| name.map_or(json!({}), |name| json!({"name": name})));
    let fields = (
        field(nullable(text())),
        field(nullable(number())),
        field(any::<bool>().prop_map(Value::Bool)),
        field(nullable(tags())),
        field(maker),
        field(anything()),
        sku(),
    );
    fields.prop_map(|(name, price, flag, tags, maker, any, sku)| {
        let fields = [
            ("sku", Some(sku)),
            ("name", name),
            ("price", price),
            ("flag", flag),
            ("tags", tags),
            ("maker", maker),
            ("any", any),
        ];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect())
    })
}

fn comparison() -> impl Strategy<Value = Operator> {
    use Operator::{Eq, Ge, Gt, Le, Lt, Ne};
    select(vec![Eq, Eq, Eq, Ne, Lt, Le, Gt, Ge])
}

fn equality() -> impl Strategy<Value = Operator> {
    select(vec![Operator::Eq, Operator::Eq, Operator::Ne])
}

pub(super) fn clause() -> impl Strategy<Value = Clause> {
    let clause = |(field, operator, value): (&str, Operator, Value)| Clause {
        field: field.to_owned(),
        operator,
        value,
    };
    let one_of = |value: BoxedStrategy<Value>| prop::collection::vec(value, 1..4).prop_map(Value::Array);
    let owner = select(vec![
        Value::Null,
        json!(Uuid::from_u128(1).to_string()),
        json!(Uuid::from_u128(2).to_string()),
    ]);
    prop_oneof![
        (Just("name"), comparison(), text()),
        (Just("name"), Just(Operator::Prefix), text()),
        (Just("name"), Just(Operator::OneOf), one_of(text().boxed())),
        (Just("price"), comparison(), number()),
        (Just("price"), Just(Operator::OneOf), one_of(number().boxed())),
        (
            select(vec!["name", "price", "flag", "tags", "any"]),
            equality(),
            Just(Value::Null)
        ),
        (Just("sku"), comparison(), sku()),
        (
            Just("sku"),
            Just(Operator::Prefix),
            select(vec![json!("s"), json!("s1")])
        ),
        (Just("sku"), Just(Operator::OneOf), one_of(sku().boxed())),
        (Just("flag"), equality(), any::<bool>().prop_map(Value::Bool)),
        (Just("tags"), equality(), text()),
        (Just("tags"), Just(Operator::OneOf), one_of(text().boxed())),
        (Just("maker.name"), comparison(), text()),
        (Just("any"), comparison(), prop_oneof![text(), number()]),
        (Just("owner"), equality(), owner),
        (
            Just("created_at"),
            comparison(),
            select(vec![json!(NOW_MS), json!(NOW_MS + 1), json!(NOW_MS + 2)])
        ),
    ]
    .prop_map(clause)
}

pub(super) fn selection() -> impl Strategy<Value = Selection> {
    let fields = vec![
        "name",
        "sku",
        "price",
        "flag",
        "maker.name",
        "any",
        "owner",
        "created_at",
        "updated_at",
        "id",
    ];
    let order = (select(fields), any::<bool>());
    let order = order.prop_map(|(field, descending)| Order {
        field: field.to_owned(),
        descending,
    });
    let filters = prop::collection::vec(clause(), 0..4);
    (filters, prop::collection::vec(order, 0..4), 1_u32..8, any::<bool>()).prop_map(
        |(filters, sort, limit, with_total)| Selection {
            filters,
            sort,
            limit,
            cursor: None,
            with_total,
        },
    )
}
