//! A port in front of a host that is known before the host starts, as that of a proxy is: what `public_url` names.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use portcullis_tests::Host;

/// Passes connections on to a host.
#[derive(Debug)]
pub struct Front {
    port: u16,
    target: Arc<Mutex<Option<String>>>,
}

impl Front {
    /// A port that leads nowhere yet.
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("the listener is bound").port();
        let target = Arc::new(Mutex::new(None));
        let of_thread = Arc::clone(&target);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let target: Option<String> = of_thread.lock().expect("nobody panics with the lock").clone();
                if let Some(server) = target.and_then(|target| TcpStream::connect(target).ok()) {
                    // One that ends early is the test's business.
                    let _ = join(client, server);
                }
            }
        });
        Self { port, target }
    }

    /// `http://localhost:PORT`
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on it leads to this host.
    pub fn lead_to(&self, host: &Host) {
        *self.target.lock().expect("nobody panics with the lock") = Some(host.api().authority().to_owned());
    }
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (back, forth) = ((server.try_clone()?, client.try_clone()?), (client, server));
    for (mut from, mut to) in [back, forth] {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
    Ok(())
}
