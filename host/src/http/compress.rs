//! Compression of answers: only when the client asked for it and the body is long enough to be worth it.

use std::io::{self, Write};

use bytes::Bytes;
use http_body_util::{BodyExt, Either};
use hyper::Response;
use hyper::body::Body as _;
use hyper::header::{CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue};

use super::background;
use super::body::{Body, full};
use super::conditional;
use super::media::{self, Coding};

/// A shorter body fits into one packet anyway.
const MIN_BYTES: u64 = 1_024;
/// A longer body is compressed on a thread where that holds up nobody.
const MAX_INLINE_BYTES: usize = 64 << 10;

/// Compresses the answer if the client wants that. A streamed answer goes out as it is.
pub(super) async fn compress(asked: &HeaderMap, response: Response<Body>) -> Response<Body> {
    let Either::Left(whole) = response.body() else {
        return response;
    };
    if whole.size_hint().lower() < MIN_BYTES {
        return response;
    }
    let Some(coding) = media::accepted_coding(asked) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    let plain = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => unreachable!("a body in one piece can't fail: {error}"),
    };
    match encode(coding, &plain).await {
        Ok(encoded) if encoded.len() < plain.len() => {
            head.headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            if let Some(tag) = head.headers.get_mut(ETAG) {
                *tag = conditional::with_coding(tag, coding);
            }
            Response::from_parts(head, full(encoded))
        }
        Ok(_) => Response::from_parts(head, full(plain)),
        Err(error) => {
            tracing::warn!(target: "http", %error, "an answer could not be compressed and goes out as it is");
            Response::from_parts(head, full(plain))
        }
    }
}

async fn encode(coding: Coding, plain: &Bytes) -> io::Result<Bytes> {
    if plain.len() <= MAX_INLINE_BYTES {
        return encode_now(coding, plain);
    }
    let plain = plain.clone();
    let encoded = background::run(move || encode_now(coding, &plain)).await;
    encoded.unwrap_or_else(|problem| Err(io::Error::other(problem.code())))
}

/// The levels are those at which each coding is about as fast as the network.
fn encode_now(coding: Coding, plain: &[u8]) -> io::Result<Bytes> {
    let encoded = match coding {
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(5));
            encoder.write_all(plain)?;
            encoder.finish()?
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4 << 10, 4, 20);
            encoder.write_all(plain)?;
            encoder.into_inner()
        }
        Coding::Zstd => zstd::bulk::compress(plain, 3)?,
    };
    Ok(Bytes::from(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::ACCEPT_ENCODING;
    use std::io::Read;

    async fn compressed(accept: &str, body: &[u8]) -> (HeaderMap, Bytes) {
        let asked = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap())]);
        let mut response = Response::new(full(Bytes::copy_from_slice(body)));
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"7\""));
        let response = compress(&asked, response).await;
        let headers = response.headers().clone();
        (headers, response.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn every_coding_can_be_undone_and_has_its_own_tag() {
        for length in [2_000, MAX_INLINE_BYTES + 1] {
            let body = vec![b'a'; length];
            let (headers, gzip) = compressed("gzip", &body).await;
            assert_eq!(
                (&headers[CONTENT_ENCODING], &headers[ETAG]),
                (&"gzip".parse().unwrap(), &"\"7-gzip\"".parse().unwrap())
            );
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&*gzip).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, body);

            let (headers, br) = compressed("br", &body).await;
            assert_eq!(
                (&headers[CONTENT_ENCODING], &headers[ETAG]),
                (&"br".parse().unwrap(), &"\"7-br\"".parse().unwrap())
            );
            let mut plain = Vec::new();
            brotli::Decompressor::new(&*br, 4096).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, body);

            let (headers, zstd) = compressed("zstd", &body).await;
            assert_eq!(
                (&headers[CONTENT_ENCODING], &headers[ETAG]),
                (&"zstd".parse().unwrap(), &"\"7-zstd\"".parse().unwrap())
            );
            assert_eq!(zstd::stream::decode_all(&*zstd).unwrap(), body);
        }
    }

    #[tokio::test]
    async fn what_is_short_or_not_asked_for_stays_as_it_is() {
        for (accept, length) in [("gzip", 1_023), ("identity", 5_000), ("gzip;q=0", 5_000)] {
            let body = vec![b'a'; length];
            let (headers, sent) = compressed(accept, &body).await;
            assert_eq!(
                (headers.get(CONTENT_ENCODING), &headers[ETAG]),
                (None, &HeaderValue::from_static("\"7\""))
            );
            assert_eq!(sent, body);
        }
    }

    #[tokio::test]
    async fn what_does_not_shrink_stays_as_it_is() {
        let mut noise = vec![0; 2_000];
        getrandom::fill(&mut noise).unwrap();
        let (headers, sent) = compressed("gzip", &noise).await;
        assert_eq!(headers.get(CONTENT_ENCODING), None);
        assert_eq!(sent, noise);
    }
}
