//! An order, what a client asks for, and the steps from one status to the next.

use std::fmt;

use portcullis_sdk::{Result, Violations};
use serde::{Deserialize, Serialize};

/// Pieces of one product in one order, however many lines ask for them.
const MAX_QUANTITY: u64 = 1_000;

/// The body of a document in `orders`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) lines: Vec<Line>,
    pub(crate) status: Status,
    pub(crate) total_cents: u64,
}

/// One product of an order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) sku: String,
    pub(crate) quantity: u64,
    /// What a piece cost when it was ordered: later prices do not change an order.
    pub(crate) price_cents: u64,
}

/// What a client sends: an order without what the plugin sets, or the order as it was read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) lines: Vec<RequestLine>,
    pub(crate) status: Option<Status>,
    pub(crate) total_cents: Option<u64>,
}

/// One line of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestLine {
    pub(crate) sku: String,
    pub(crate) quantity: u64,
    pub(crate) price_cents: Option<u64>,
}

/// The part of a merge patch that asks for a step.
#[derive(Debug, Deserialize)]
pub(crate) struct StatusOnly {
    pub(crate) status: Option<Status>,
}

impl Order {
    /// A new order.
    pub(crate) fn pending(lines: Vec<Line>) -> Self {
        let total_cents = lines
            .iter()
            .map(|line| line.quantity.saturating_mul(line.price_cents))
            .fold(0, u64::saturating_add);
        Self {
            lines,
            status: Status::Pending,
            total_cents,
        }
    }
}

impl Request {
    /// Refuses what a client may not choose for a new order.
    pub(crate) fn check_new(&self) -> Result<()> {
        let mut violations = Violations::default();
        violations.require(
            self.status.is_none_or(|status| status == Status::Pending),
            "/status",
            "A new order is pending; leave the status out.",
        );
        violations.require(
            self.total_cents.is_none(),
            "/total_cents",
            "The shop computes the total; leave it out.",
        );
        for (index, line) in self.lines.iter().enumerate() {
            let pointer = format!("/lines/{index}/price_cents");
            violations.require(
                line.price_cents.is_none(),
                pointer,
                "The shop sets the price; leave it out.",
            );
        }
        violations.finish()
    }

    /// The lines with those of one product joined, in the order of their first appearance.
    pub(crate) fn merged_lines(&self) -> Result<Vec<RequestLine>> {
        let mut merged: Vec<RequestLine> = Vec::with_capacity(self.lines.len());
        let mut violations = Violations::default();
        for (index, line) in self.lines.iter().enumerate() {
            let quantity = match merged.iter_mut().find(|other| other.sku == line.sku) {
                Some(first) => {
                    first.quantity = first.quantity.saturating_add(line.quantity);
                    first.quantity
                }
                None => {
                    merged.push(line.clone());
                    line.quantity
                }
            };
            violations.require(
                quantity <= MAX_QUANTITY,
                format!("/lines/{index}/quantity"),
                format!("An order has at most {MAX_QUANTITY} pieces of a product."),
            );
        }
        violations.finish()?;
        Ok(merged)
    }

    /// Refuses to change anything but the status.
    pub(crate) fn check_unchanged(&self, order: &Order) -> Result<()> {
        let same_line = |(asked, line): (&RequestLine, &Line)| {
            asked.sku == line.sku
                && asked.quantity == line.quantity
                && asked.price_cents.is_none_or(|price| price == line.price_cents)
        };
        let same_lines = self.lines.len() == order.lines.len() && self.lines.iter().zip(&order.lines).all(same_line);
        let mut violations = Violations::default();
        violations.require(
            same_lines,
            "/lines",
            "The lines of an order do not change; cancel it and order anew.",
        );
        violations.require(
            self.total_cents.is_none_or(|total| total == order.total_cents),
            "/total_cents",
            "The shop computes the total; leave it out.",
        );
        violations.finish()
    }
}

/// Where an order is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Made, its pieces set aside.
    Pending,
    /// Paid for.
    Paid,
    /// On its way: the end.
    Shipped,
    /// Called off, its pieces back in the stock: the end.
    Cancelled,
}

impl Status {
    /// The statuses that may follow.
    fn followers(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Paid, Self::Cancelled],
            Self::Paid => &[Self::Shipped, Self::Cancelled],
            Self::Shipped | Self::Cancelled => &[],
        }
    }

    /// Whether this step is one of an order's way.
    pub(crate) fn may_become(self, next: Self) -> bool {
        self.followers().contains(&next)
    }

    /// Why the step is refused, and which ones there are.
    pub(crate) fn refusal(self, next: Self) -> String {
        match self.followers() {
            [] => format!("The order is {self}; it does not change any more."),
            [one, other] => format!("The order is {self}: it can become {one} or {other}, not {next}."),
            _ => format!("The order is {self}; it cannot become {next}."),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Cancelled => "cancelled",
        })
    }
}
