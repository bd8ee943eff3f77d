//! With an authority in memory: what `pebble` never does. What it does is tested in `tests/peers`.

use std::convert::Infallible;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{LOCATION, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::storage::clock::SystemClock;

const NAME: &str = "shop.example.org";

/// A certificate that is good until the end of the century, and its key.
fn pair() -> [String; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

/// Begins in a folder, towards an authority on this machine.
fn prepare(folder: &Path, directory: &str) -> Acme {
    let config = config::Acme {
        domains: vec![NAME.to_owned()],
        contact: None,
        directory: directory.to_owned(),
        trust: None,
    };
    let mut acme = Acme::prepare(&config, folder, Arc::new(SystemClock)).unwrap();
    // The configuration takes no other than https.
    acme.client = acme.client.towards(directory);
    acme
}

/// An authority that believes everybody, asks for all the time that there is, and sends this as the certificate. Returns its
/// directory.
async fn authority(sent: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let directory = format!("{base}/directory");
    tokio::spawn(async move {
        let is_final = AtomicBool::new(false);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = service_fn(async |request: Request<Incoming>| {
                Ok::<_, Infallible>(answer(&base, request.uri().path(), &is_final, &sent))
            });
            let served = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            let _ = served.await;
        }
    });
    directory
}

fn answer(base: &str, path: &str, is_final: &AtomicBool, sent: &str) -> Response<Full<Bytes>> {
    is_final.fetch_or(path == "/finalize", Ordering::Relaxed);
    let body = match path {
        "/directory" => json!({
            "newNonce": format!("{base}/nonce"),
            "newAccount": format!("{base}/account"),
            "newOrder": format!("{base}/order"),
        }),
        "/order" | "/finalize" => json!({
            "status": if is_final.load(Ordering::Relaxed) { "valid" } else { "ready" },
            "authorizations": [],
            "finalize": format!("{base}/finalize"),
            "certificate": format!("{base}/certificate"),
        }),
        _ => json!({}),
    };
    let body = match path {
        "/certificate" => sent.to_owned(),
        _ => body.to_string(),
    };
    Response::builder()
        .header("replay-nonce", "once")
        .header(LOCATION, format!("{base}{path}"))
        .header(RETRY_AFTER, u64::MAX)
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn what_is_no_certificate_for_this_host_leaves_what_is_kept_as_it_is() {
    let [certificate, key] = pair();
    let good = pair().concat();
    for (sent, reason) in [
        (String::new(), "there is no certificate in it"),
        ("<h1>It works!</h1>".to_owned(), "there is no certificate in it"),
        (certificate.clone(), "it is not for the key of this host"),
        (certificate + &key, "there is more than certificates in it"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certificate.pem");
        write_secret(&path, good.as_bytes()).unwrap();
        let acme = prepare(folder.path(), &authority(sent).await);
        let leaf = acme.certificates.leaf();
        let refused = acme.renew().await.unwrap_err().to_string();
        assert!(refused.contains(reason), "{reason}: {refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), good, "{reason}");
        assert_eq!(acme.certificates.leaf(), leaf, "{reason}");
        assert!(!acme.is_due(), "{reason}");
    }
}

#[test]
fn where_what_is_kept_is_unusable_another_certificate_is_got() {
    let [certificate, _] = pair();
    let [_, other] = pair();
    for kept in [String::new(), certificate.clone(), certificate + &other] {
        let folder = tempfile::tempdir().unwrap();
        write_secret(&folder.path().join("certificate.pem"), kept.as_bytes()).unwrap();
        let acme = prepare(folder.path(), "http://127.0.0.1:1");
        assert!(acme.is_due(), "{kept}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_or_takes_too_long_is_one_that_failed_and_leaves_no_challenge() {
    let folder = tempfile::tempdir().unwrap();
    let acme = prepare(folder.path(), "http://127.0.0.1:1");
    let challenged = || {
        let pair = certificate::of_challenge(NAME, &[0; 32]).unwrap();
        acme.certificates.challenge(NAME.to_owned(), pair).unwrap();
        assert!(acme.certificates.is_challenged());
    };
    challenged();
    let panicked = acme.attempt(async { panic!("as the library may") }).await;
    assert!(matches!(panicked, Err(Refused::Panicked)));
    assert!(!acme.certificates.is_challenged());
    challenged();
    let endless = acme.attempt(std::future::pending()).await;
    assert!(matches!(endless, Err(Refused::Timeout)));
    assert!(!acme.certificates.is_challenged());
}
