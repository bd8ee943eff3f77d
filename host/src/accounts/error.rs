//! Why something about an account is refused.

use crate::capabilities::model::Violation;
use crate::storage::transaction::Ended;

/// Why something about an account is refused. What a client may learn is in the names; the texts of the last two are for
/// the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address or the password is wrong, or the account may not log in: nobody is told which.
    #[error("the address or the password is wrong")]
    BadCredentials,
    /// Whoever confirms a registration has another password than the one who registered.
    #[error(
        "this registration has another password: if somebody else has registered with your address, \
         send a password of your own as `new`, in the place of `password`"
    )]
    OtherRegistration,
    /// The code of a second factor is wrong, or was used before.
    #[error("the code is wrong or was used before")]
    BadCode,
    /// A passkey is not one of the account's, or what it has signed is not what was asked for: nobody is told which.
    #[error("the passkey is not known here, or its answer is not to what was asked")]
    BadPasskey,
    /// What a passkey was asked with is used up, too old, or somebody else's.
    #[error("these options were used already or are too old; ask for new ones")]
    CeremonySpent,
    /// There is nothing that passkeys could be bound to.
    #[error(
        "passkeys are bound to a name: set `public_url` under [server] to the https address that people use, \
         or to http://localhost on this machine itself"
    )]
    PasskeysUnavailable,
    /// A login that waited for a second factor waits no more.
    #[error("this login waits no more; begin again with the password")]
    ChallengeSpent,
    /// It was tried too often of late.
    #[error("this was tried too often of late; wait, or use a link from a mail")]
    TooManyAttempts {
        /// When it may be tried again, in seconds.
        retry_after_s: u32,
    },
    /// It does not go with how things are; the text says what to do.
    #[error("{0}")]
    Conflict(&'static str),
    /// The session was ended meanwhile, or its account locked.
    #[error("the session has ended")]
    SessionEnded,
    /// Whoever acts was an administrator when they began, and is none by now.
    #[error("this account is no administrator any more")]
    NoAdministrator,
    /// The account was not authenticated within the last minutes.
    #[error("authenticate again to do this")]
    NotRecent,
    /// The account has a second factor, which was not used within the last minutes.
    #[error(
        "prove again who you are, with the second factor: POST /auth/reauthenticate with `code` and `method`, or `passkey`"
    )]
    NotRecentBySecond,
    /// The account must use a second factor, and this session or token was not begun with one.
    #[error(
        "this account must use a second factor: turn one on with POST /auth/totp or with a passkey, \
         or log in with the one that it has; tokens for programs must be made after that"
    )]
    SecondFactorRequired,
    /// What was given breaks rules.
    #[error("what was given breaks rules")]
    Invalid(Vec<Violation>),
    /// Accounts are made by the operator alone.
    #[error("accounts are made by the operator here")]
    RegistrationClosed,
    /// A link that has done what it does, is too old, or never was one.
    #[error("this link is no longer good; ask for another")]
    LinkSpent,
    /// There is no such account, or it has no such thing.
    #[error("there is no such account, or it has nothing of the kind")]
    NotFound,
    /// Another account has the address.
    #[error("another account has this address")]
    AddressTaken,
    /// A sign-in with a provider that is not under way in this browser.
    #[error("this sign-in was finished already, is too old, or was begun in another browser: begin again")]
    FlowSpent,
    /// A provider does not say that an address is somebody's, so nobody gets an account for it.
    #[error("the provider does not vouch for an e-mail address: register with a password, then link the provider")]
    AddressUnverified,
    /// The address of somebody who signs in with a provider has an account that the provider is not linked to.
    #[error("an account has this address already: sign in to it as before, then link the provider")]
    LinkFirst,
    /// An identity that another account is linked to.
    #[error("another account is linked to this identity")]
    IdentityTaken,
    /// An account is linked to very many.
    #[error("the account is linked to too many identities: remove one first")]
    TooManyIdentities,
    /// Nobody could log in to the account any more.
    #[error(
        "this is the last way to log in to the account: set a password, add a passkey or link another identity first"
    )]
    LastWayIn,
    /// Too many passwords wait for being checked.
    #[error("too many passwords wait for being checked")]
    Overloaded,
    /// Others were faster again and again.
    #[error("others were faster; nothing was written")]
    Contention,
    /// The store can't be read or takes no writes.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Nobody knows whether the write survives.
    #[error("whether the write was kept is not known: {0}")]
    OutcomeUnknown(String),
    /// A defect of the host.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// One rule that is broken, at a JSON Pointer.
    pub(super) fn invalid(pointer: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation {
            pointer: pointer.to_owned(),
            message: message.into(),
        }])
    }
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Conflict(_) => Self::Contention,
            Ended::Unavailable(reason) => Self::Unavailable(reason),
            Ended::Unknown(reason) => Self::OutcomeUnknown(reason),
            ended @ (Ended::Full(_) | Ended::TooLarge(_) | Ended::Duplicate(_)) => Self::Internal(ended.to_string()),
        }
    }
}
