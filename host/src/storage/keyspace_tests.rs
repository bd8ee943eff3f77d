//! Tests of the keys.

use proptest::prelude::*;

use super::*;

fn holds(range: &Range, key: &Key) -> bool {
    *key >= range.start && *key < range.end
}

proptest! {
    #[test]
    fn a_prefix_range_holds_exactly_the_keys_with_the_prefix(prefix: Vec<u8>, other: Vec<u8>, rest: Vec<u8>) {
        let range = prefix_range(Key::from(prefix.clone()));
        prop_assert!(holds(&range, &Key::from([&prefix[..], &rest[..]].concat())));
        prop_assert_eq!(holds(&range, &Key::from(other.clone())), other.starts_with(&prefix));
    }

    #[test]
    fn no_choice_of_bucket_and_key_reaches_another_bucket(a: (String, String), b: (String, String)) {
        let (first, second) = (keyvalue("p", &a.0, &a.1), keyvalue("p", &b.0, &b.1));
        prop_assert_eq!(first == second, a == b);
        prop_assert_eq!(holds(&keyvalue_bucket("p", &b.0), &first), a.0 == b.0);
        prop_assert_eq!(keyvalue_name(&first, "p", &a.0), Some(a.1.as_str()));
    }

    #[test]
    fn the_key_of_a_document_tells_its_collection_and_id(collection in "[a-z][a-z0-9-]{0,30}", id: [u8; 16]) {
        let id = Uuid::from_bytes(id);
        let key = document(&collection, id);
        prop_assert_eq!(parse_document(&key), Some((collection.as_str(), id)));
        prop_assert!(holds(&documents(&collection), &key));
    }
}

#[test]
fn a_collection_does_not_hold_the_documents_of_one_with_a_longer_name() {
    assert!(!holds(&documents("order"), &document("orders", Uuid::nil())));
    assert!(!holds(&documents("order"), &document("order-lines", Uuid::max())));
}

#[test]
fn documents_are_charged_to_their_collection_and_entries_to_their_plugin() {
    let quota = quota("shop", ["orders"], 1);
    assert_eq!(
        charged(&document("orders", Uuid::nil())),
        Some(quota.prefixes[0].clone())
    );
    assert_eq!(
        charged(&keyvalue("shop", "bucket", "key")),
        Some(quota.prefixes[1].clone())
    );
    assert_eq!(
        charged(&answer(Uuid::max(), &[0; 32])).as_deref(),
        Some([b"r".as_slice(), &[255; 16]].concat().as_slice())
    );
    assert_eq!(charged(&index_entry("orders", 1, b"x", Uuid::nil())), None);
}

#[test]
fn the_logical_ranges_are_all_but_what_is_the_engines() {
    for first in 0..=u8::MAX {
        let key = Key::from(vec![first, b'x']);
        let holding = logical()
            .iter()
            .filter(|range| range.start <= key && key < range.end)
            .count();
        assert_eq!(holding, usize::from(!is_internal(&key)), "{first}");
    }
}
