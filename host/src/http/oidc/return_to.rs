//! Where a browser goes once somebody has signed in: a path of this host and nothing else.

/// The longest path.
const MAX_BYTES: usize = 1_024;

/// Whether it is a path of this host, however a browser reads it. The answer puts the public URL before it all the same.
pub(in crate::http) fn local_path(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    text.starts_with('/')
        && text.len() <= MAX_BYTES
        // A browser takes `\` for `/`, and reads over tabs and line ends.
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !path.contains("//")
        && !text.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_path_of_this_host_is_returned_to() {
        for good in ["/", "/orders", "/orders?page=2&next=https://a.example", "/a/b?c//d"] {
            assert!(local_path(good), "{good}");
        }
        for bad in [
            "",
            "orders",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/orders\r\nSet-Cookie: a=b",
            "/.//evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            " /orders",
            "/orders#top",
            "/\u{ff0f}evil.example",
        ] {
            assert!(!local_path(bad), "{bad:?}");
        }
        assert!(!local_path(&format!("/{}", "a".repeat(MAX_BYTES))));
    }

    proptest! {
        #[test]
        fn what_is_returned_to_stays_on_this_host(text in "[/\\\\a-z@:.?#\t ]{0,20}") {
            if local_path(&text) {
                let url: hyper::Uri = format!("https://shop.example{text}").parse().unwrap();
                prop_assert_eq!(url.host(), Some("shop.example"));
            }
        }
    }
}
