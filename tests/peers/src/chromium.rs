//! Debian's Chromium, driven through ChromeDriver (W3C WebDriver), with pictures, checks of accessibility, and an authenticator
//! for passkeys that is made of software.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use data_encoding::BASE64;
use portcullis_tests::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tools::{Running, target, workspace};

const REMEDY: &str = "apt-get install -y chromium chromium-driver";
/// How long something on a page may take to be there.
const PATIENCE: Duration = Duration::from_secs(120);
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

/// What of a page is not to be seen: hidden, without a size, or beside the window. What a form sends unseen is not meant.
const UNSEEN: &str = "return [...document.querySelectorAll('main, main *:not([type=hidden])')].filter(each => {
    const box = each.getBoundingClientRect();
    const is_shown = each.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && box.width && box.height;
    return !is_shown || box.left < 0 || box.right > innerWidth;
}).map(each => each.outerHTML);";

/// What an element is called in answers (W3C WebDriver, 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with a profile of its own.
///
/// WebDriver is JSON over HTTP, which the client of the tests speaks; a crate for it would have half of the host's
/// dependencies built anew with other features.
#[derive(Debug)]
pub struct Chromium {
    driver: Client,
    session: String,
    runs_script: bool,
    // The driver ends before the files of the browser are removed.
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
        let (running, lines) = Running::start(Command::new("chromedriver").arg("--port=0"), REMEDY);
        let port: u16 = Running::first(&lines, REMEDY, |line| {
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
        let capabilities = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let driver = Client::new(&format!("http://127.0.0.1:{port}"));
        let begun = driver.post("/session", &capabilities);
        let Some(session) = begun.json()["value"]["sessionId"].as_str().map(str::to_owned) else {
            panic!("Chromium does not start ({}): run `{REMEDY}`", begun.text());
        };
        Self {
            driver,
            session,
            runs_script,
            _running: running,
            _profile: profile,
        }
    }

    /// Has the driver do something; what it says, or why it did not.
    fn attempt(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let path = format!("/session/{}{path}", self.session);
        let request = self.driver.request(method, &path);
        let answer = match body {
            Some(body) => request.json(&body).send(),
            None => request.send(),
        };
        let value = answer.json()["value"].take();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.attempt("GET", path, None)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        let done = self.attempt("POST", path, Some(body));
        done.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Tries until something is there.
    #[track_caller]
    fn wait<T>(&self, what: &str, mut there: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(there) = there() {
                return there;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain for {what}: {}",
                self.get("/source")
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn look(&self, css: &str) -> Option<String> {
        let wanted = json!({ "using": "css selector", "value": css });
        let found = self.attempt("POST", "/element", Some(wanted)).ok()?;
        Some(format!("/element/{}", found[ELEMENT].as_str()?))
    }

    #[track_caller]
    fn find(&self, css: &str) -> String {
        self.wait(css, || self.look(css))
    }

    /// Opens an address.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// Where it is.
    #[track_caller]
    pub fn url(&self) -> String {
        self.get("/url").as_str().unwrap_or_default().to_owned()
    }

    /// The text of the first element that a selector finds; waits until there is one.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        self.wait(css, || self.said(css))
    }

    /// Waits until an element says this.
    #[track_caller]
    pub fn wait_for(&self, css: &str, text: &str) {
        self.wait(text, || (self.said(css)? == text).then_some(()));
    }

    /// Waits until a part of what an element says is this. Another page may still be there that has such an element as well.
    #[track_caller]
    pub fn wait_for_part(&self, css: &str, part: &str) {
        self.wait(part, || self.said(css)?.contains(part).then_some(()));
    }

    /// What an element says at this moment, if it is there; the page may go away between the look and the question.
    fn said(&self, css: &str) -> Option<String> {
        let said = self.attempt("GET", &format!("{}/text", self.look(css)?), None).ok()?;
        said.as_str().map(str::to_owned)
    }

    /// Types into a field.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.post(&format!("{}/value", self.find(css)), json!({ "text": text }));
    }

    /// Presses something.
    #[track_caller]
    pub fn press(&self, css: &str) {
        self.post(&format!("{}/click", self.find(css)), json!({}));
    }

    /// Runs a function body in the page and returns what it returns.
    #[track_caller]
    pub fn script(&self, body: &str) -> Value {
        self.post("/execute/sync", json!({ "script": body, "args": [] }))
    }

    /// The same for one that hands its result to its last argument, later.
    #[track_caller]
    pub fn script_later(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.post("/execute/async", json!({ "script": body, "args": arguments }))
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

    /// Has the page shown as on a phone of this width and height.
    #[track_caller]
    pub fn shrink(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": screen });
        self.post("/goog/cdp/execute", command);
    }

    /// Fails the test where the page is blank, or a part of it is not to be seen without moving the window sideways.
    #[track_caller]
    pub fn assert_seen(&self) {
        assert_ne!(self.text("main"), "", "{} is blank", self.url());
        assert_eq!(self.script(UNSEEN), json!([]), "{} hides something", self.url());
        let is_wider = self.script("return document.documentElement.scrollWidth > innerWidth");
        assert_eq!(is_wider, false, "{} is wider than the window", self.url());
    }

    /// Keeps a picture of the page under `target/peers/screenshots`.
    #[track_caller]
    pub fn picture(&self, name: &str) -> PathBuf {
        let picture = self.get("/screenshot");
        let picture = BASE64.decode(picture.as_str().unwrap_or_default().as_bytes());
        let picture = picture.expect("a picture comes in base64");
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
        let id = self.post("/webauthn/authenticator", device);
        Authenticator {
            chromium: self,
            id: id.as_str().expect("a device has an id").to_owned(),
        }
    }
}

impl Authenticator<'_> {
    /// The passkeys that it holds.
    #[track_caller]
    pub fn credentials(&self) -> Vec<Value> {
        let held = self
            .chromium
            .get(&format!("/webauthn/authenticator/{}/credentials", self.id));
        held.as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver would leave the browser behind. Where it fails, the test has failed already.
        let _ = self
            .driver
            .request("DELETE", &format!("/session/{}", self.session))
            .try_send();
    }
}
