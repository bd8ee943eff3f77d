//! Between the SDK's types and the generated ones: moves, no copies of texts.

use crate::bindings::imports::portcullis::plugin::types as wit;
use crate::selection::{Clause, Operator, Order};
use crate::{Document, Json, Page, Problem, Selection, Violation};

impl From<wit::Document> for Document {
    fn from(document: wit::Document) -> Self {
        Self {
            id: document.id,
            revision: document.revision,
            owner: document.owner,
            created_ms: document.created_ms,
            updated_ms: document.updated_ms,
            body: Json::from_host(document.body),
        }
    }
}

impl From<Document> for wit::Document {
    fn from(document: Document) -> Self {
        Self {
            id: document.id,
            revision: document.revision,
            owner: document.owner,
            created_ms: document.created_ms,
            updated_ms: document.updated_ms,
            body: document.body.into_string(),
        }
    }
}

impl From<wit::Page> for Page {
    fn from(page: wit::Page) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
            total: page.total,
        }
    }
}

impl From<Page> for wit::Page {
    fn from(page: Page) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
            total: page.total,
        }
    }
}

impl From<wit::Selection> for Selection {
    fn from(selection: wit::Selection) -> Self {
        Self {
            filters: selection.filters.into_iter().map(Into::into).collect(),
            sort: selection.sort.into_iter().map(Into::into).collect(),
            limit: selection.limit,
            cursor: selection.cursor,
            with_total: selection.with_total,
        }
    }
}

impl From<Selection> for wit::Selection {
    fn from(selection: Selection) -> Self {
        Self {
            filters: selection.filters.into_iter().map(Into::into).collect(),
            sort: selection.sort.into_iter().map(Into::into).collect(),
            limit: selection.limit,
            cursor: selection.cursor,
            with_total: selection.with_total,
        }
    }
}

impl From<wit::Clause> for Clause {
    fn from(clause: wit::Clause) -> Self {
        Self {
            field: clause.field,
            operator: clause.operator.into(),
            value: Json::from_host(clause.value),
        }
    }
}

impl From<Clause> for wit::Clause {
    fn from(clause: Clause) -> Self {
        Self {
            field: clause.field,
            operator: clause.operator.into(),
            value: clause.value.into_string(),
        }
    }
}

impl From<wit::Order> for Order {
    fn from(order: wit::Order) -> Self {
        Self {
            field: order.field,
            descending: order.descending,
        }
    }
}

impl From<Order> for wit::Order {
    fn from(order: Order) -> Self {
        Self {
            field: order.field,
            descending: order.descending,
        }
    }
}

/// The variants of two enums that name the same things.
macro_rules! same_variants {
    ($from:ty, $to:ty, $($variant:ident),*) => {
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                match value { $(<$from>::$variant => Self::$variant),* }
            }
        }
    };
}
same_variants!(wit::Operator, Operator, Eq, Ne, Lt, Le, Gt, Ge, OneOf, Prefix);
same_variants!(Operator, wit::Operator, Eq, Ne, Lt, Le, Gt, Ge, OneOf, Prefix);

impl From<wit::Problem> for Problem {
    fn from(problem: wit::Problem) -> Self {
        match problem {
            wit::Problem::Invalid(violations) => Self::Invalid(
                violations
                    .into_iter()
                    .map(|wit::Violation { pointer, message }| Violation { pointer, message })
                    .collect(),
            ),
            wit::Problem::NotFound => Self::NotFound,
            wit::Problem::Conflict(message) => Self::Conflict(message),
            wit::Problem::Forbidden(message) => Self::Forbidden(message),
            wit::Problem::Unavailable(message) => Self::Unavailable(message),
            wit::Problem::Other(message) => Self::Other(message),
        }
    }
}

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Invalid(violations) => Self::Invalid(
                violations
                    .into_iter()
                    .map(|Violation { pointer, message }| wit::Violation { pointer, message })
                    .collect(),
            ),
            Problem::NotFound => Self::NotFound,
            Problem::Conflict(message) => Self::Conflict(message),
            Problem::Forbidden(message) => Self::Forbidden(message),
            Problem::Unavailable(message) => Self::Unavailable(message),
            Problem::Other(message) => Self::Other(message),
        }
    }
}
