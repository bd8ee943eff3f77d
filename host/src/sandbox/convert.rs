//! Between the values of `wit/types.wit` and those of `capabilities::model`.

use uuid::Uuid;

use crate::capabilities::json;
use crate::capabilities::model;

use super::bindings::portcullis::plugin::types as wit;
use super::fault::Fault;

/// The text of a stored body, which is JSON. Checking it for UTF-8 is faster than replacing what would not be.
fn text(body: &[u8]) -> String {
    std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// A document for the guest.
pub(super) fn document(document: &model::Document) -> wit::Document {
    wit::Document {
        id: document.id.to_string(),
        revision: document.revision,
        owner: document.owner.map(|owner| owner.to_string()),
        created_ms: document.created_ms,
        updated_ms: document.updated_ms,
        body: text(&document.body),
    }
}

/// A page for the guest.
pub(super) fn page(page: &model::Page) -> wit::Page {
    wit::Page {
        items: page.items.iter().map(document).collect(),
        next: page.next.clone(),
        total: page.total,
    }
}

/// A selection for the guest.
pub(super) fn selection(selection: &model::Selection) -> wit::Selection {
    wit::Selection {
        filters: selection.filters.iter().map(clause).collect(),
        sort: selection.sort.iter().map(order).collect(),
        limit: selection.limit,
        cursor: selection.cursor.clone(),
        with_total: selection.with_total,
    }
}

fn clause(clause: &model::Clause) -> wit::Clause {
    wit::Clause {
        field: clause.field.clone(),
        operator: match clause.operator {
            model::Operator::Eq => wit::Operator::Eq,
            model::Operator::Ne => wit::Operator::Ne,
            model::Operator::Lt => wit::Operator::Lt,
            model::Operator::Le => wit::Operator::Le,
            model::Operator::Gt => wit::Operator::Gt,
            model::Operator::Ge => wit::Operator::Ge,
            model::Operator::OneOf => wit::Operator::OneOf,
            model::Operator::Prefix => wit::Operator::Prefix,
        },
        value: json::print(&clause.value),
    }
}

fn order(order: &model::Order) -> wit::Order {
    wit::Order {
        field: order.field.clone(),
        descending: order.descending,
    }
}

/// A selection from the guest; the error is a sentence for it.
pub(super) fn selection_of(selection: wit::Selection) -> Result<model::Selection, String> {
    Ok(model::Selection {
        filters: selection.filters.into_iter().map(clause_of).collect::<Result<_, _>>()?,
        sort: selection.sort.into_iter().map(order_of).collect(),
        limit: selection.limit,
        cursor: selection.cursor,
        with_total: selection.with_total,
    })
}

fn clause_of(clause: wit::Clause) -> Result<model::Clause, String> {
    let value = json::parse(clause.value.as_bytes())
        .map_err(|error| format!("the value of the clause on `{}` is no JSON: {error}", clause.field))?;
    Ok(model::Clause {
        field: clause.field,
        operator: match clause.operator {
            wit::Operator::Eq => model::Operator::Eq,
            wit::Operator::Ne => model::Operator::Ne,
            wit::Operator::Lt => model::Operator::Lt,
            wit::Operator::Le => model::Operator::Le,
            wit::Operator::Gt => model::Operator::Gt,
            wit::Operator::Ge => model::Operator::Ge,
            wit::Operator::OneOf => model::Operator::OneOf,
            wit::Operator::Prefix => model::Operator::Prefix,
        },
        value,
    })
}

fn order_of(order: wit::Order) -> model::Order {
    model::Order {
        field: order.field,
        descending: order.descending,
    }
}

/// A problem for the guest.
pub(super) fn problem(problem: model::Problem) -> wit::Problem {
    match problem {
        model::Problem::Invalid(violations) => wit::Problem::Invalid(
            violations
                .into_iter()
                .map(|violation| wit::Violation {
                    pointer: violation.pointer,
                    message: violation.message,
                })
                .collect(),
        ),
        model::Problem::NotFound => wit::Problem::NotFound,
        model::Problem::Conflict(text) => wit::Problem::Conflict(text),
        model::Problem::Forbidden(text) => wit::Problem::Forbidden(text),
        model::Problem::Unavailable(text) => wit::Problem::Unavailable(text),
        model::Problem::Other(text) => wit::Problem::Other(text),
    }
}

/// What a guest returned, being taken over: the bytes are counted, the ids are checked. Bodies are any text yet.
pub(super) struct Answer {
    room: usize,
}

impl Answer {
    /// An answer of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { room: limit }
    }

    /// A page of the guest.
    pub(super) fn page(&mut self, page: wit::Page) -> Result<model::Page, Fault> {
        Ok(model::Page {
            items: page
                .items
                .into_iter()
                .map(|item| self.document(item))
                .collect::<Result<_, _>>()?,
            next: page.next.map(|next| self.text(next)).transpose()?,
            total: page.total,
        })
    }

    /// A document of the guest.
    pub(super) fn document(&mut self, document: wit::Document) -> Result<model::Document, Fault> {
        Ok(model::Document {
            id: id("id", &document.id)?,
            revision: document.revision,
            owner: document.owner.map(|owner| id("owner", &owner)).transpose()?,
            created_ms: document.created_ms,
            updated_ms: document.updated_ms,
            body: self.text(document.body)?.into(),
        })
    }

    /// A problem of the guest.
    pub(super) fn problem(&mut self, problem: wit::Problem) -> Result<model::Problem, Fault> {
        Ok(match problem {
            wit::Problem::Invalid(violations) => model::Problem::Invalid(
                violations
                    .into_iter()
                    .map(|violation| {
                        Ok(model::Violation {
                            pointer: self.text(violation.pointer)?,
                            message: self.text(violation.message)?,
                        })
                    })
                    .collect::<Result<_, Fault>>()?,
            ),
            wit::Problem::NotFound => model::Problem::NotFound,
            wit::Problem::Conflict(text) => model::Problem::Conflict(self.text(text)?),
            wit::Problem::Forbidden(text) => model::Problem::Forbidden(self.text(text)?),
            wit::Problem::Unavailable(text) => model::Problem::Unavailable(self.text(text)?),
            wit::Problem::Other(text) => model::Problem::Other(self.text(text)?),
        })
    }

    /// Any other text of the guest.
    pub(super) fn text(&mut self, text: String) -> Result<String, Fault> {
        self.room = self.room.checked_sub(text.len()).ok_or(Fault::Output)?;
        Ok(text)
    }
}

fn id(field: &str, text: &str) -> Result<Uuid, Fault> {
    Uuid::try_parse(text).map_err(|_| Fault::Malformed(format!("the {field} of a document is no UUID")))
}
