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
fn a_body_that_does_not_arrive_in_time_is_408_however_it_trickles() {
    let config = "[server]\nbody_timeout_ms = 1000\n";
    let host = Host::init().with_config(config).start();
    let begun = Instant::now();
    let ways = [
        ("content-length: 100000", "{"),
        ("transfer-encoding: chunked", "1\r\n{\r\n"),
    ];
    thread::scope(|scope| {
        for (framing, piece) in ways {
            for pieces in [0, usize::MAX] {
                let host = &host;
                scope.spawn(move || {
                    let answer = answer_to_body(host, framing, piece, pieces);
                    // Nor was it closed because it was idle: that takes longer than `LONG`.
                    assert!(answer.starts_with("HTTP/1.1 408 "), "{framing}: {answer}");
                    assert!(answer.contains("\"code\":\"body_timeout\""), "{framing}: {answer}");
                    assert!(begun.elapsed() >= Duration::from_secs(1), "it had a second");
                });
            }
        }
    });
    // One that arrives is judged.
    let wrong = json!({ "email": "ada@example.org", "password": "not the password" });
    host.post("/auth/login", &wrong).expect_problem(401, "bad_credentials");
}

/// What the host answers to a body of up to so many pieces, one every now and then, until it closes the connection.
fn answer_to_body(host: &Host, framing: &str, piece: &str, pieces: usize) -> String {
    let mut connection = connect(host);
    let head = format!("POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{framing}\r\n\r\n");
    connection.write_all(head.as_bytes()).expect("the host reads");
    let begun = Instant::now();
    let mut reader = connection.try_clone().expect("a socket has two ends");
    let read = thread::spawn(move || {
        let mut answer = Vec::new();
        // A reset behind the answer is an end, too.
        let _ = reader.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    });
    for _ in 0..pieces {
        if read.is_finished() {
            break;
        }
        assert!(begun.elapsed() < LONG, "a body that trickles keeps the connection");
        // Fails once the host has closed it.
        let _ = connection.write_all(piece.as_bytes());
        thread::sleep(Duration::from_millis(50));
    }
    read.join().expect("the reader does not panic")
}

#[test]
fn a_client_of_http_2_that_takes_nothing_and_pings_is_closed() {
    let host = impatient();
    let mut connection = connect(&host);
    connection
        .write_all(&[opening().as_slice(), &get(1, "/healthz")].concat())
        .expect("the host reads");

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
        let _ = connection.write_all(&frame(PING, 0, 0, &[7; 8]));
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
fn of_one_connection_only_so_many_requests_wait_for_their_answers_to_be_taken() {
    let host = Host::init().start();
    let mut connection = connect(&host);
    let requests: Vec<u8> = (0..50).flat_map(|number| get(2 * number + 1, "/healthz")).collect();
    connection
        .write_all(&[opening(), requests].concat())
        .expect("the host reads");
    let mut frames = Frames(connection.try_clone().expect("a socket has two ends"));
    // The host says the heads of the answers that it has made, and may not say their bodies.
    for _ in 0..16 {
        frames.until(HEADERS);
    }
    // Behind them comes the pong to this, and no further head, however long one waits.
    thread::sleep(Duration::from_millis(200));
    connection
        .write_all(&frame(PING, 0, 0, &[7; 8]))
        .expect("the host reads");
    assert_eq!(frames.until(PING), Vec::<u8>::new(), "heads of further answers");
    // Now it may send as much as it likes, and does.
    for stream in 0..50 {
        let more = frame(WINDOW_UPDATE, 0, 2 * stream + 1, &1_000_000_u32.to_be_bytes());
        connection.write_all(&more).expect("the host reads");
    }
    for _ in 16..50 {
        frames.until(HEADERS);
    }
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

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

/// What a client of HTTP/2 says first: here, that there is no window for the bodies of answers.
fn opening() -> Vec<u8> {
    let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat()
}

/// A request: `:method GET`, `:scheme http`, and `:path` and `:authority` as they are (RFC 7541, appendix A and section 6).
fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut headers = vec![0x82, 0x86];
    for (name, value) in [(4, path), (1, "a")] {
        headers.extend([name, value.len() as u8]);
        headers.extend(value.as_bytes());
    }
    // The end of the headers and of the stream.
    frame(HEADERS, 0x5, stream, &headers)
}

/// The frames that the host sends.
struct Frames(TcpStream);

impl Frames {
    /// Reads up to a frame of a kind; returns the kinds of heads that came before.
    fn until(&mut self, wanted: u8) -> Vec<u8> {
        let mut heads = Vec::new();
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).expect("the host sends a frame");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).expect("the host sends a whole frame");
            match head[3] {
                kind if kind == wanted => return heads,
                HEADERS => heads.push(HEADERS),
                _ => {}
            }
        }
    }
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
