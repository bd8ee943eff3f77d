//! The shop's orders. An order takes its pieces from the stock when it is made and gives them back when it is cancelled,
//! in the same transaction: a thousand customers who want the last hundred pieces get exactly a hundred.

mod order;
mod stock;

#[cfg(test)]
mod tests;

use portcullis_sdk::{Crud, Document, Json, Problem, Result, documents, export_crud};

use order::{Order, Request, Status, StatusOnly};

/// The plugin.
#[derive(Debug)]
pub struct Orders;

impl Crud for Orders {
    fn create(collection: &str, body: Json) -> Result<Document> {
        let request: Request = body.parse()?;
        request.check_new()?;
        let lines = stock::take(&request.merged_lines()?)?;
        documents::insert(collection, &Order::pending(lines))
    }

    fn replace(collection: &str, id: &str, body: Json) -> Result<Document> {
        let current = find(collection, id)?;
        let request: Request = body.parse()?;
        request.check_unchanged(&current.body)?;
        match request.status {
            Some(status) if status != current.body.status => advance(collection, current, status),
            _ => current.into_json(),
        }
    }

    fn patch(collection: &str, id: &str, merge_patch: Json) -> Result<Document> {
        let current = find(collection, id)?;
        let asked: StatusOnly = merge_patch.parse()?;
        let patched = Json::new(&current.body)?.merged(&merge_patch)?;
        patched.parse::<Request>()?.check_unchanged(&current.body)?;
        match asked.status {
            Some(status) => advance(collection, current, status),
            None => current.into_json(),
        }
    }

    fn remove(collection: &str, id: &str) -> Result<()> {
        match find(collection, id)?.body.status {
            Status::Cancelled => documents::delete(collection, id),
            status => Err(Problem::conflict(format!(
                "The order is {status}; only a cancelled order can be deleted."
            ))),
        }
    }
}

export_crud!(Orders);

fn find(collection: &str, id: &str) -> Result<Document<Order>> {
    documents::get(collection, id)?.ok_or(Problem::NotFound)
}

/// Takes an order one step on.
fn advance(collection: &str, current: Document<Order>, next: Status) -> Result<Document> {
    let mut order = current.body;
    if !order.status.may_become(next) {
        return Err(Problem::conflict(order.status.refusal(next)));
    }
    if next == Status::Cancelled {
        stock::give_back(&order.lines)?;
    }
    order.status = next;
    documents::replace(collection, &current.id, &order)
}
