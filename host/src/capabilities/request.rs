//! What a plugin may know about the request that its call serves.

/// What the host knows about a request before it knows what the request wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// The request's id, as in `X-Request-Id`: printable ASCII, at most 128 bytes.
    pub id: String,
    /// The client's preferred language (a BCP 47 tag), `en` where none was given.
    pub locale: String,
    /// The headers that the operator lets plugins see: lower-case names, at most 32.
    pub headers: Vec<(String, String)>,
}
