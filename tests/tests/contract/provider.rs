//! An OpenID provider that one can be sent to and nobody comes back from: `tests/peers` has a real one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};

/// Starts one, which runs as long as the test; its section of `portcullis.toml`, where it is `example`.
pub(crate) fn config() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    let issuer = format!("http://{address}");
    let section = format!("[oidc.example]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\n");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // Who goes away in the middle asks again.
            let _ = serve(&stream, &issuer);
        }
    });
    section
}

/// One request of a connection.
fn serve(mut stream: &TcpStream, issuer: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body = match asked.contains("/.well-known/openid-configuration ") {
        true => metadata(issuer).to_string(),
        false => json!({ "keys": [] }).to_string(),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// What it says of itself (OpenID Connect Discovery 1.0, 3).
fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}
