//! Why a sign-in with a provider comes to nothing.

/// Why a sign-in with a provider comes to nothing. None of it holds what the provider or the browser has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::http) enum Refused {
    #[error("there is no such provider")]
    NoSuchProvider,
    /// `state` is missing, or a parameter is given twice.
    #[error("this is no answer of a provider")]
    NoAnswer,
    #[error("`return_to` must be a path of this host, such as `/orders`")]
    NoLocalPath,
    /// RFC 9207: an attack that has one provider's code sent to another.
    #[error("this is the answer of another provider than the one that was asked")]
    OtherIssuer,
    #[error("the provider was not allowed to say who you are")]
    Denied,
    /// An error of RFC 6749 or OpenID Connect, by its registered name.
    #[error("the provider answers with an error: {0}")]
    Failed(&'static str),
    #[error("the provider does not accept its own answer: begin again")]
    BadCode,
    /// What it says is not signed, for somebody else, too old or makes no sense; the log has the reason.
    #[error("the provider's answer is not valid")]
    BadAnswer,
    #[error("the provider can't be reached: try again in a moment")]
    Unreachable,
}

/// The errors that a provider answers with (RFC 6749, 4.1.2.1; OpenID Connect Core 1.0, 3.1.2.6).
const KNOWN: [&str; 13] = [
    "invalid_request",
    "unauthorized_client",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "invalid_request_uri",
    "invalid_request_object",
    "request_not_supported",
    "registration_not_supported",
];

impl Refused {
    /// What an `error` parameter says. One that is not known is not repeated: anybody may write into a link what they like.
    pub(super) fn of_error(error: &str) -> Self {
        match error {
            "access_denied" => Self::Denied,
            "temporarily_unavailable" => Self::Unreachable,
            _ => Self::Failed(
                KNOWN
                    .into_iter()
                    .find(|known| *known == error)
                    .unwrap_or("an unknown one"),
            ),
        }
    }
}
