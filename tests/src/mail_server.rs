//! A mail server that says of each mail what the test wants it to say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// A mail server on a free port of this machine, which is where mail may go unencrypted.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    manner: Arc<Manner>,
    mails: mpsc::Receiver<String>,
}

/// How it treats whoever connects.
#[derive(Debug)]
struct Manner {
    /// What it begins with.
    greeting: AtomicU16,
    /// What it answers to whom a mail is for.
    reply: Mutex<String>,
    /// How often it was asked to take a mail.
    asked: AtomicU64,
}

impl MailServer {
    /// One that refuses everybody for good.
    pub fn refusing() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let manner = Arc::new(Manner {
            greeting: AtomicU16::new(220),
            reply: Mutex::new("550 no".to_owned()),
            asked: AtomicU64::new(0),
        });
        let (taken, mails) = mpsc::channel();
        let shared = Arc::clone(&manner);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (manner, taken) = (Arc::clone(&shared), taken.clone());
                // A client that goes away in the middle has no mail delivered, which is all there is to it.
                thread::spawn(move || serve(&stream, &manner, &taken));
            }
        });
        Self { address, manner, mails }
    }

    /// From here on, whoever connects is greeted with this code; 220 is a welcome.
    pub fn greet(&self, code: u16) {
        self.manner.greeting.store(code, Ordering::SeqCst);
    }

    /// From here on, whoever a mail is for is answered with this code and what is behind it.
    pub fn answer(&self, reply: &str) {
        reply.clone_into(&mut self.manner.reply.lock().expect("no test fails in between"));
    }

    /// How often it was asked to take a mail until now, whatever it answered.
    pub fn asked(&self) -> u64 {
        self.manner.asked.load(Ordering::SeqCst)
    }

    /// The section of `portcullis.toml`.
    pub fn config(&self) -> String {
        format!("[mail]\nserver = \"smtp://{}\"\n", self.address)
    }

    /// The next mail that was taken, without the breaks that quoted-printable puts into its lines.
    #[track_caller]
    pub fn mail(&self) -> String {
        let mail = self.mails.recv_timeout(PATIENCE).expect("a mail arrives");
        mail.replace("=\r\n", "").replace("=3D", "=")
    }

    /// Whether no mail was taken but those that `mail` has given out.
    pub fn has_no_more(&self) -> bool {
        self.mails.try_recv().is_err()
    }
}

/// One connection: as much of RFC 5321 as it takes to get a mail.
fn serve(mut stream: &TcpStream, manner: &Manner, taken: &mpsc::Sender<String>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let greeting = manner.greeting.load(Ordering::SeqCst);
    write!(stream, "{greeting} mail.test\r\n")?;
    if greeting != 220 {
        return Ok(());
    }
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "RCPT" => {
                manner.asked.fetch_add(1, Ordering::SeqCst);
                manner.reply.lock().expect("no test fails in between").clone()
            }
            "QUIT" => "221 bye".to_owned(),
            "DATA" => "354 go on".to_owned(),
            _ => "250 fine".to_owned(),
        };
        write!(stream, "{reply}\r\n")?;
        if verb == "DATA" {
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") && lines.read_line(&mut mail)? > 0 {}
            // The test may have ended.
            let _ = taken.send(mail);
            stream.write_all(b"250 taken\r\n")?;
        }
        line.clear();
    }
    Ok(())
}
