//! Which documents a query returns, and in which order.

use serde_json::Value;

use crate::Json;

/// How a clause compares a field with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Equal; on an array field, one of its elements is.
    Eq,
    /// Not equal, or the field is absent.
    Ne,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Equal to one of the elements of the value.
    OneOf,
    /// A string that starts with the value.
    Prefix,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// A field of the body, dotted for nested objects, or `id`, `owner`, `created_at`, `updated_at`.
    pub field: String,
    /// The comparison.
    pub operator: Operator,
    /// A JSON scalar; for [`Operator::OneOf`] an array of at most 100.
    pub value: Json,
}

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field, named as in [`Clause`].
    pub field: String,
    /// Largest first.
    pub descending: bool,
}

/// Which documents to return, in which order. A client's query arrives as one, and a plugin builds its own:
///
/// ```
/// use portcullis_sdk::Selection;
///
/// let cheap_games = Selection::new().eq("category", "games").lt("price_cents", 1_000).sort("name").limit(10);
/// assert_eq!(cheap_games.filters.len(), 2);
/// ```
///
/// Conditions must all hold (at most 16), there are at most 4 sort keys, and documents that are equal in all of them go by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Conditions that must all hold.
    pub filters: Vec<Clause>,
    /// Sort keys.
    pub sort: Vec<Order>,
    /// 1 to 1,000; 0 stands for the default of 20.
    pub limit: u32,
    /// [`Page::next`](crate::Page::next) of the page before; bound to the query and the caller.
    pub cursor: Option<String>,
    /// Whether to count all the documents that match.
    pub with_total: bool,
}

impl Selection {
    /// All documents, by id, 20 a page.
    pub fn new() -> Self {
        Self::default()
    }

    /// The field equals the value; on an array field, one of its elements does.
    pub fn eq(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Operator::Eq, value)
    }

    /// The field does not equal the value, or is absent.
    pub fn ne(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Operator::Ne, value)
    }

    /// The field is less than the value.
    pub fn lt(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Operator::Lt, value)
    }

    /// The field is less than the value or equal to it.
    pub fn le(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Operator::Le, value)
    }

    /// The field is greater than the value.
    pub fn gt(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Operator::Gt, value)
    }

    /// The field is greater than the value or equal to it.
    pub fn ge(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.filter(field, Operator::Ge, value)
    }

    /// The field equals one of at most 100 values.
    pub fn one_of<V: Into<Value>>(self, field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        self.filter(field, Operator::OneOf, values)
    }

    /// The field is a string that starts with this one.
    pub fn prefix(self, field: impl Into<String>, start: impl Into<String>) -> Self {
        self.filter(field, Operator::Prefix, start.into())
    }

    /// Adds a condition.
    pub fn filter(mut self, field: impl Into<String>, operator: Operator, value: impl Into<Value>) -> Self {
        self.filters.push(Clause {
            field: field.into(),
            operator,
            value: Json::from(value.into()),
        });
        self
    }

    /// Adds a sort key, smallest first.
    pub fn sort(mut self, field: impl Into<String>) -> Self {
        self.sort.push(Order {
            field: field.into(),
            descending: false,
        });
        self
    }

    /// Adds a sort key, largest first.
    pub fn sort_descending(mut self, field: impl Into<String>) -> Self {
        self.sort.push(Order {
            field: field.into(),
            descending: true,
        });
        self
    }

    /// At most this many documents a page: 1 to 1,000.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on after the page that returned this cursor.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// Counts all the documents that match, too.
    pub fn with_total(mut self) -> Self {
        self.with_total = true;
        self
    }
}
