//! E-mail addresses: what is one, and when two are the same.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const MAX_BYTES: usize = 254;

/// An e-mail address in its normal form: in lower case, since no provider in use tells upper from lower case, and two
/// accounts that differ only there would be one person or a trap.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
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
        let text = text.trim();
        let plain = text.chars().all(|character| {
            !character.is_control() && !character.is_whitespace() && !"\"()<>[],;:\\".contains(character)
        });
        if !plain || text.len() > MAX_BYTES {
            return Err(NoAddress);
        }
        text.parse::<email_address::EmailAddress>().map_err(|_| NoAddress)?;
        Ok(Self(text.to_lowercase()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

impl TryFrom<String> for Address {
    type Error = NoAddress;

    fn try_from(text: String) -> Result<Self, NoAddress> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_that_differ_only_in_case_are_the_same() {
        let address: Address = " Ada.Lovelace+orders@Example.ORG ".parse().unwrap();
        assert_eq!(address.as_str(), "ada.lovelace+orders@example.org");
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
