//! Reading one wish for a collection; a grant is written in the same way.

use std::collections::BTreeSet;

use super::raw::RawWish;
use super::{Action, CollectionWish, Source, unknown};

/// A wish or a grant, with complaints about what is wrong with it.
pub(crate) fn wish(raw: RawWish, place: std::ops::Range<usize>, source: &mut Source<'_>) -> CollectionWish {
    let mut actions = BTreeSet::new();
    if raw.actions.is_empty() {
        source.complain(
            place,
            "no action is named",
            Some("write for instance `[\"read\"]`".to_owned()),
        );
    }
    for word in raw.actions {
        match Action::parse(word.get_ref()) {
            None => {
                let (message, help) = unknown("action", word.get_ref(), &Action::WORDS);
                source.complain(word.span(), message, help);
            }
            Some(action) => {
                if !actions.insert(action) {
                    source.complain(
                        word.span(),
                        format!("`{action}` is here twice"),
                        Some("remove one".to_owned()),
                    );
                }
            }
        }
    }
    let as_system = match raw.standing.as_ref().map(|word| (word.get_ref().as_str(), word.span())) {
        None | Some(("caller", _)) => false,
        Some(("system", _)) => true,
        Some((word, span)) => {
            let (message, help) = unknown("standing", word, &["caller", "system"]);
            source.complain(span, message, help);
            false
        }
    };
    if actions.contains(&Action::Read) {
        actions.insert(Action::List);
    }
    CollectionWish { actions, as_system }
}
