//! HTTP/1.1 as cheaply as it can be spoken: the generator shares two cores with the server that it measures.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Larger answers are not measured.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A request, rendered once and sent many times.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// `GET path`.
    pub fn get(path: &str) -> Self {
        Self::render("GET", path, &[], "")
    }

    /// `POST path` with a JSON body.
    pub fn post(path: &str, body: &str) -> Self {
        Self::render("POST", path, &[("content-type", "application/json")], body)
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let line = self
            .bytes
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .map_or(0, |at| at + 2);
        self.bytes
            .splice(line..line, format!("{name}: {value}\r\n").into_bytes());
        self
    }

    fn render(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body);
        Self {
            bytes: text.into_bytes(),
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a connection does not survive.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the connection in the middle of an answer.
    #[error("the server closed the connection")]
    Closed,
    /// Not an answer that this client reads: it wants a status line and a content length.
    #[error("not an answer that can be measured: {0}")]
    Answer(String),
}

/// One connection, kept alive, one request at a time.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

/// Where the parts of the answer at the front of the buffer are.
struct Frame {
    status: u16,
    head: usize,
    end: usize,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, WireError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 16 << 10],
            filled: 0,
        })
    }

    /// Sends a request and reads the whole answer, of which it keeps only the status.
    pub async fn status_of(&mut self, request: &Request) -> Result<u16, WireError> {
        Ok(self.exchange(request).await?.status)
    }

    /// Sends a request and returns the whole answer.
    pub async fn send(&mut self, request: &Request) -> Result<Answer, WireError> {
        let frame = self.exchange(request).await?;
        let head = String::from_utf8_lossy(&self.buffer[..frame.head]).into_owned();
        let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(": "));
        Ok(Answer {
            status: frame.status,
            headers: lines
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: self.buffer[frame.head..frame.end].to_vec(),
        })
    }

    /// The answer stays at the front of the buffer until the next request.
    async fn exchange(&mut self, request: &Request) -> Result<Frame, WireError> {
        self.filled = 0;
        self.stream.write_all(&request.bytes).await?;
        loop {
            if self.filled == self.buffer.len() {
                self.grow()?;
            }
            let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                return Err(WireError::Closed);
            }
            self.filled += read;
            if let Some(frame) = frame(&self.buffer[..self.filled])? {
                return Ok(frame);
            }
        }
    }

    fn grow(&mut self) -> Result<(), WireError> {
        if self.buffer.len() >= MAX_ANSWER_BYTES {
            return Err(WireError::Answer(format!("more than {MAX_ANSWER_BYTES} bytes")));
        }
        self.buffer.resize(self.buffer.len() * 2, 0);
        Ok(())
    }
}

/// The answer at the front of `bytes`; none while it is not complete.
fn frame(bytes: &[u8]) -> Result<Option<Frame>, WireError> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(None);
    };
    let unreadable = || WireError::Answer(String::from_utf8_lossy(&bytes[..head]).into_owned());
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.trim().parse::<usize>().ok();
    let status = bytes
        .get(9..12)
        .and_then(number)
        .and_then(|status| u16::try_from(status).ok());
    let length = bytes[..head]
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"content-length:"))
        .and_then(number);
    let (Some(status), Some(length)) = (status, length) else {
        return Err(unreadable());
    };
    let end = head + length;
    Ok((bytes.len() >= end).then_some(Frame { status, head, end }))
}

/// What a round of load came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Answers with the status that was expected.
    pub answers: u64,
    /// How long it took.
    pub took: Duration,
}

/// Has each of `connections` send `requests` in turn, one at a time, until `duration` is over or `most` have been sent in all.
/// An answer of another status than `status` ends the round with an error: it would be measured wrong.
pub async fn drive(
    address: SocketAddr,
    requests: &[Request],
    status: u16,
    connections: usize,
    duration: Duration,
    most: u64,
) -> Result<Load, WireError> {
    let mut clients = JoinSet::new();
    let start = Instant::now();
    for client in 0..connections {
        // Each starts elsewhere, so that they don't ask for the same document at the same time.
        let mut requests = requests.to_vec();
        let first = client * requests.len() / connections;
        requests.rotate_left(first);
        let most = most / connections as u64;
        clients.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut answers = 0;
            for request in requests.iter().cycle() {
                if answers == most || start.elapsed() >= duration {
                    break;
                }
                let answered = connection.status_of(request).await?;
                if answered != status {
                    return Err(WireError::Answer(format!("status {answered} in the place of {status}")));
                }
                answers += 1;
            }
            Ok::<u64, WireError>(answers)
        });
    }
    let mut answers = 0;
    while let Some(client) = clients.join_next().await {
        answers += client.map_err(std::io::Error::other)??;
    }
    Ok(Load {
        answers,
        took: start.elapsed(),
    })
}
