//! Debian's Chromium, driven through ChromeDriver (W3C WebDriver), with pictures, checks of accessibility, and an authenticator
//! for passkeys that is made of software.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use portcullis_tests::Client as Plain;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};

use crate::tools::{Running, target, workspace};

const REMEDY: &str = "apt-get install -y chromium chromium-driver";
/// How long something on a page may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nobody is in front of it, it is thrown away, and it asks nobody on the network for anything.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=900,700",
];
/// Runs axe over the page and gives what it finds to the driver.
const CHECK: &str = "const done = arguments[arguments.length - 1];
    axe.run(document).then(found => done(found.violations.map(each => each.id + ': ' + each.nodes.map(node => node.html))));";

/// A browser with a profile of its own.
#[derive(Debug)]
pub struct Chromium {
    runtime: Runtime,
    client: Client,
    driver: Plain,
    session: String,
    runs_script: bool,
    // In this order: the browser ends before its driver, and that before its files.
    _running: Running,
    _profile: TempDir,
}

/// A virtual authenticator (WebAuthn, 11): a device that holds passkeys, and whose owner agrees to everything.
#[derive(Debug)]
pub struct Authenticator<'c> {
    chromium: &'c Chromium,
    id: String,
}

impl Chromium {
    /// A browser as most people have it.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(true, &[])
    }

    /// One whose owner likes it dark.
    #[track_caller]
    pub fn start_in_the_dark() -> Self {
        Self::with(true, &["--force-dark-mode"])
    }

    /// One that runs no script of any page.
    #[track_caller]
    pub fn start_without_script() -> Self {
        Self::with(false, &[])
    }

    #[track_caller]
    fn with(runs_script: bool, more: &[&str]) -> Self {
        let profile = tempfile::tempdir().expect("there is room for a profile");
        let (running, mut lines) = Running::start(Command::new("chromedriver").arg("--port=0"), REMEDY);
        let port: u16 = Running::first(&mut lines, REMEDY, |line| {
            line.split_once("successfully on port ")?
                .1
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        let mut arguments = vec![format!("--user-data-dir={}", profile.path().display())];
        arguments.extend(ARGUMENTS.iter().chain(more).map(|argument| (*argument).to_owned()));
        // 1 allows it, 2 does not.
        let setting = if runs_script { 1 } else { 2 };
        let preferences = json!({ "profile.managed_default_content_settings.javascript": setting });
        let options = json!({ "args": arguments, "prefs": preferences });
        let capabilities = Map::from_iter([("goog:chromeOptions".to_owned(), options)]);

        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("there are threads");
        let driver = format!("http://127.0.0.1:{port}");
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&driver).await
        });
        let client = client.unwrap_or_else(|error| panic!("Chromium does not start ({error}): run `{REMEDY}`"));
        let session = runtime.block_on(client.session_id()).expect("the driver answers");
        Self {
            runtime,
            client,
            driver: Plain::new(&driver),
            session: session.expect("there is a session"),
            runs_script,
            _running: running,
            _profile: profile,
        }
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, done: impl Future<Output = Result<T, CmdError>>) -> T {
        match self.runtime.block_on(done) {
            Ok(done) => done,
            Err(error) => {
                let source = self.runtime.block_on(self.client.source());
                panic!("{what}: {error}; the page is {}", source.unwrap_or_default())
            }
        }
    }

    #[track_caller]
    fn find(&self, css: &str) -> Element {
        let waiting = self.client.wait().at_most(PATIENCE);
        self.wait(css, waiting.for_element(Locator::Css(css)))
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.wait(url, self.client.goto(url));
    }

    /// Where it is.
    #[track_caller]
    pub fn url(&self) -> String {
        self.wait("the address", self.client.current_url()).into()
    }

    /// The text of the first element that a selector finds; waits until there is one.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        self.wait(css, self.find(css).text())
    }

    /// Waits until an element says this.
    #[track_caller]
    pub fn wait_for(&self, css: &str, text: &str) {
        let reached = async {
            while self.client.find(Locator::Css(css)).await?.text().await? != text {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok::<(), CmdError>(())
        };
        let waited = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, reached).await });
        assert!(matches!(waited, Ok(Ok(()))), "{css} does not say {text:?}: {waited:?}");
    }

    /// Types into a field.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.wait(css, self.find(css).send_keys(text));
    }

    /// Presses something.
    #[track_caller]
    pub fn press(&self, css: &str) {
        self.wait(css, self.find(css).click());
    }

    /// Runs a function body in the page and returns what it returns.
    #[track_caller]
    pub fn script(&self, body: &str) -> Value {
        self.wait("a script", self.client.execute(body, Vec::new()))
    }

    /// The same for one that hands its result to its last argument, later.
    #[track_caller]
    pub fn script_later(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.wait("a script", self.client.execute_async(body, arguments))
    }

    /// Fails the test where somebody could not use the page: axe finds nothing, and the page has a language, a title, one
    /// heading of the first rank, and a mark around what has the focus. Axe itself needs script.
    #[track_caller]
    pub fn assert_accessible(&self) {
        if self.runs_script {
            let axe = workspace().join("node_modules/axe-core/axe.min.js");
            let axe = fs::read_to_string(&axe).unwrap_or_else(|error| {
                panic!(
                    "{} can't be read ({error}): run `cd tests/peers && npm ci`",
                    axe.display()
                );
            });
            let found = self.script_later(&format!("{axe};\n{CHECK}"), Vec::new());
            assert_eq!(found, json!([]), "{} has faults", self.url());
        }
        let page = self.script(
            "const focused = document.querySelector('input:not([type=hidden]), button');
            if (focused) focused.focus();
            return {
                lang: document.documentElement.lang,
                title: document.title !== '',
                headings: document.querySelectorAll('h1').length,
                unnamed: [...document.querySelectorAll('input:not([type=hidden])')].filter(each => !each.labels.length).length,
                marked: !focused || getComputedStyle(focused).outlineStyle === 'solid',
            };",
        );
        let expected = json!({ "lang": "en", "title": true, "headings": 1, "unnamed": 0, "marked": true });
        assert_eq!(page, expected, "{} has faults", self.url());
    }

    /// Keeps a picture of the page under `target/peers/screenshots`.
    #[track_caller]
    pub fn picture(&self, name: &str) -> PathBuf {
        let picture = self.wait("a picture", self.client.screenshot());
        let folder = target().join("screenshots");
        fs::create_dir_all(&folder).expect("the target folder takes folders");
        let file = folder.join(format!("{name}.png"));
        // Two tests may keep pictures at a time, but not of one name.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let part = folder.join(format!("{name}.{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::write(&part, picture).expect("the folder takes files");
        fs::rename(&part, &file).expect("the folder takes files");
        file
    }

    /// Plugs in a device that holds passkeys.
    #[track_caller]
    pub fn authenticator(&self) -> Authenticator<'_> {
        let device = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
        });
        let answer = self
            .driver
            .post(&format!("/session/{}/webauthn/authenticator", self.session), &device);
        let id = answer.expect(200).json()["value"].as_str().map(str::to_owned);
        Authenticator {
            chromium: self,
            id: id.expect("a device has an id"),
        }
    }
}

impl Authenticator<'_> {
    /// The passkeys that it holds.
    #[track_caller]
    pub fn credentials(&self) -> Vec<Value> {
        let path = format!(
            "/session/{}/webauthn/authenticator/{}/credentials",
            self.chromium.session, self.id
        );
        let held = self.chromium.driver.get(&path).expect(200).json();
        held["value"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver would leave the browser behind. Where it fails, the test has failed already.
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}
