//! Clients that take up a connection and make no progress lose it; one that goes on, however slowly, does not.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use portcullis_tests::Host;
use serde_json::json;

/// A second without progress ends a connection.
const IMPATIENT: &str = "[server]\nheader_timeout_ms = 1000\nidle_timeout_ms = 1000\n";
/// Long after that.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_client_that_never_finishes_its_first_request_is_closed() {
    let host = impatient();
    for start in ["", "GET /healthz HTTP/1.1\r\nhost: a\r\n"] {
        let mut connection = connect(&host);
        connection.write_all(start.as_bytes()).expect("the host reads");
        assert_closed(&mut connection, start);
    }
}

#[test]
fn a_connection_that_is_idle_after_a_request_is_closed() {
    let host = impatient();
    let mut connection = connect(&host);
    connection
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("the host reads");
    let mut answer = Vec::new();
    connection
        .read_to_end(&mut answer)
        .expect("the host answers, then closes");
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
}

#[test]
fn a_client_of_http_2_that_takes_nothing_and_pings_is_closed() {
    let host = impatient();
    let mut connection = connect(&host);
    // No window for any answer: the host may not send it.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    // `:method GET`, `:scheme http`, and `:path`, `:authority` as they are (RFC 7541, appendix A and section 6).
    let mut headers = vec![0x82, 0x86];
    for (name, value) in [(4, "/healthz"), (1, "a")] {
        headers.extend([name, value.len() as u8]);
        headers.extend(value.as_bytes());
    }
    // The end of the headers and of the stream.
    let request = frame(1, 0x5, 1, &headers);
    let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &request].concat();
    connection.write_all(&opening).expect("the host reads");

    let begun = Instant::now();
    let mut reader = connection.try_clone().expect("a socket has two ends");
    let read = thread::spawn(move || {
        let mut received = Vec::new();
        // A reset is an end, too.
        let _ = reader.read_to_end(&mut received);
        received
    });
    while !read.is_finished() {
        assert!(begun.elapsed() < LONG, "pings keep the connection");
        // Fails once the host has closed it.
        let _ = connection.write_all(&frame(6, 0, 0, &[7; 8]));
        thread::sleep(Duration::from_millis(50));
    }
    let received = read.join().expect("the reader does not panic");
    // The host did answer the pings, and the request as far as it could.
    assert!(
        received.windows(8).any(|bytes| bytes == [7; 8]),
        "no pong: {}",
        received.escape_ascii()
    );
}

#[test]
fn a_client_that_goes_on_reading_gets_all_of_a_long_answer() {
    let host = Host::init().with_plugins(["hooked"]).with_config(IMPATIENT).start();
    let text = "x".repeat(500_000);
    for _ in 0..5 {
        host.api().post("/api/hooked", &json!({ "text": text })).expect(201);
    }
    let mut connection = connect(&host);
    connection
        .write_all(b"GET /api/hooked?limit=5 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        .expect("the host reads");
    let (mut received, mut piece) = (0, vec![0; 100_000]);
    let begun = Instant::now();
    loop {
        match connection.read(&mut piece).expect("the host goes on") {
            0 => break,
            bytes => received += bytes,
        }
        thread::sleep(Duration::from_millis(100));
    }
    // A page ends early where its documents are large.
    assert!(received > 4 * text.len(), "{received} bytes");
    assert!(begun.elapsed() > Duration::from_secs(1), "too fast to show anything");
}

fn impatient() -> Host {
    Host::init().with_config(IMPATIENT).start()
}

fn connect(host: &Host) -> TcpStream {
    let connection = TcpStream::connect(host.api().authority()).expect("the host listens");
    connection.set_read_timeout(Some(LONG)).expect("a timeout can be set");
    connection
}

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

#[track_caller]
fn assert_closed(connection: &mut TcpStream, what: &str) {
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{what:?}: {error}"),
    }
}
