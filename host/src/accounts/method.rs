//! The ways of proving who one is.

use serde::{Deserialize, Serialize};

/// A way of proving who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A password.
    Password,
    /// A one-time code of a generator (RFC 6238).
    Totp,
    /// A recovery code.
    Recovery,
    /// A code that was mailed. It shows no more than a reset link does, so it never counts as a second factor.
    Email,
    /// A passkey (WebAuthn).
    Passkey,
    /// An identity at an OpenID provider.
    Oidc,
    /// A link in a mail.
    Link,
}

impl Method {
    /// Whether it counts as a second factor, wherever it is asked for.
    pub(super) fn is_second(self) -> bool {
        matches!(self, Self::Totp | Self::Recovery | Self::Passkey)
    }
}
