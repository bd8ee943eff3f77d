//! E-mail addresses: what is one, and when two are the same.

use std::fmt;
use std::str::FromStr;

use email_address::EmailAddress;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

/// The longest address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;

/// An e-mail address in its normal form: what looks the same is the same (NFKC), in lower case, since no provider in use
/// tells upper from lower case, and with its domain in the form that DNS knows (UTS 46). Two accounts that differ only there
/// would be one person or a trap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

/// The text is no e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no e-mail address")]
pub struct NoAddress;

impl Address {
    /// The address in its normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    /// Addresses with quotes, comments or an IP address in brackets are refused: nobody has one, and each program reads
    /// them differently.
    fn from_str(text: &str) -> Result<Self, NoAddress> {
        // Nothing below is done with what is too long anyway.
        let text = Some(text.trim())
            .filter(|text| text.len() <= MAX_BYTES)
            .ok_or(NoAddress)?;
        let (local, domain) = text.rsplit_once('@').ok_or(NoAddress)?;
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| NoAddress)?;
        let normal = format!("{}@{domain}", local.nfkc().collect::<String>().to_lowercase());
        let plain = normal.chars().all(|character| {
            !character.is_control() && !character.is_whitespace() && !"\"()<>[],;:\\".contains(character)
        });
        if !plain || normal.len() > MAX_BYTES || !EmailAddress::is_valid(&normal) {
            return Err(NoAddress);
        }
        Ok(Self(normal))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_addresses_that_differ_only_in_case_are_the_same() {
        let address: Address = " Ada.Lovelace+orders@Example.ORG ".parse().unwrap();
        assert_eq!(address.as_str(), "ada.lovelace+orders@example.org");
    }

    #[test]
    fn what_looks_the_same_is_the_same_address() {
        let normal = |text: &str| text.parse::<Address>().unwrap().to_string();
        assert_eq!(normal("\u{ff41}da@example.org"), "ada@example.org");
        assert_eq!(normal("ada@ex\u{e1}mple.org"), normal("ada@XN--exmple-qta.org"));
    }

    proptest! {
        #[test]
        fn an_address_that_is_stored_is_one_and_stays_as_it_is(local in "\\PC{1,40}", domain in "\\PC{1,40}") {
            for text in [format!("{local}@example.org"), format!("ada@{domain}.org"), "\u{130}".repeat(32) + "@example.org"] {
                if let Ok(address) = text.parse::<Address>() {
                    prop_assert_eq!(address.as_str().parse(), Ok(address.clone()));
                    let stored = serde_json::to_string(&address).unwrap();
                    prop_assert_eq!(serde_json::from_str::<Address>(&stored).unwrap(), address);
                }
            }
        }
    }

    #[test]
    fn what_a_mail_server_might_read_otherwise_is_no_address() {
        for text in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@@example.org",
            "ada@example.org,eve@example.org",
            "ada@example.org\r\nBcc: eve@example.org",
            "\"ada\"@example.org",
            "ada@[127.0.0.1]",
            "Ada <ada@example.org>",
            "ada@example..org",
            "ada love@example.org",
        ] {
            assert_eq!(text.parse::<Address>(), Err(NoAddress), "{text}");
        }
        let long = format!("{}@example.org", "a".repeat(250));
        assert_eq!(long.parse::<Address>(), Err(NoAddress));
    }
}
