//! Bodies: what an answer's is made of, and how a request's is read within its limits.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::StatusCode;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};

use super::problem::Problem;

/// A body that is made while it is sent.
pub type Chunks = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The body of an answer: in one piece, which costs nothing extra, or made while it is sent.
pub(super) type Body = Either<Full<Bytes>, StreamBody<Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>>>>;

/// A body in one piece.
pub(super) fn full(bytes: Bytes) -> Body {
    Either::Left(Full::new(bytes))
}

/// No body.
pub(super) fn empty() -> Body {
    full(Bytes::new())
}

/// A body that is made while it is sent.
pub(super) fn streamed(chunks: Chunks) -> Body {
    Either::Right(StreamBody::new(Box::pin(chunks.map(|chunk| chunk.map(Frame::data)))))
}

/// The limits of request bodies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most bytes.
    pub(super) bytes: usize,
    /// The longest that a client may take to send them.
    pub(super) timeout: Duration,
}

/// Reads the whole body of a request.
pub(super) async fn read(headers: &HeaderMap, body: &mut Incoming, limits: Limits) -> Result<Bytes, Problem> {
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            format!("a body is sent without {CONTENT_ENCODING}; {ACCEPT_ENCODING} is for answers"),
        ));
    }
    if usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > limits.bytes) {
        return Err(Problem::too_large(limits.bytes));
    }
    match tokio::time::timeout(limits.timeout, collect(body, limits.bytes)).await {
        Ok(collected) => collected,
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "the body did not arrive in time",
        )),
    }
}

/// Joins the chunks; a single one, the usual case, is not copied.
async fn collect(body: &mut Incoming, limit_bytes: usize) -> Result<Bytes, Problem> {
    let Some(first) = next_chunk(body).await? else {
        return Ok(Bytes::new());
    };
    let mut joined = BytesMut::new();
    let mut length = first.len();
    while length <= limit_bytes {
        match next_chunk(body).await? {
            None if joined.is_empty() => return Ok(first),
            None => return Ok(joined.freeze()),
            Some(chunk) => {
                if joined.is_empty() {
                    joined.extend_from_slice(&first);
                }
                joined.extend_from_slice(&chunk);
                length = joined.len();
            }
        }
    }
    Err(Problem::too_large(limit_bytes))
}

/// The next chunk with data; trailers mean nothing here.
async fn next_chunk(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::bad_request("malformed_body", "the body broke off or is badly framed"))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The most bytes of an unwanted body that are read and thrown away, and the longest that this may take.
const MAX_DISCARD_BYTES: usize = 64 << 20;
const MAX_DISCARD_TIME: Duration = Duration::from_secs(2);

/// Throws away what is left of a body that nobody read. A connection that is closed while the client still sends is
/// reset, and then the client never sees the answer that says why.
pub(super) async fn discard(body: &mut Incoming) {
    let drain = async {
        let mut discarded = 0;
        while let Ok(Some(chunk)) = next_chunk(body).await {
            discarded += chunk.len();
            if discarded > MAX_DISCARD_BYTES {
                break;
            }
        }
    };
    // Either way there is nothing more to do.
    let _ = tokio::time::timeout(MAX_DISCARD_TIME, drain).await;
}
