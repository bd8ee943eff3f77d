//! A browser without script and without pictures: it keeps cookies and follows redirects, and the test sees each step.

use std::collections::BTreeMap;

use portcullis_tests::{Answer, Client};
use url::Url;

/// More redirects lead in a circle.
const MAX_STEPS: usize = 10;

/// A browser of one person.
#[derive(Debug, Default)]
pub struct Visitor {
    /// By host and port, then by name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    accept: Option<&'static str>,
}

impl Visitor {
    /// One whose browser takes pages.
    pub fn with_pages() -> Self {
        Self {
            accept: Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            ..Self::default()
        }
    }

    /// Goes to an address; a redirect is not followed.
    #[track_caller]
    pub fn visit(&mut self, url: &str) -> Answer {
        let url: Url = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
        let origin = url.origin().ascii_serialization();
        let client = Client::new(&origin);
        let mut request = client.request("GET", &url[url::Position::BeforePath..url::Position::AfterQuery]);
        if let Some(accept) = self.accept {
            request = request.header("accept", accept);
        }
        if let Some(cookies) = self.cookies.get(&origin) {
            let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", &cookies.join("; "));
        }
        let answer = request.send();
        self.take(&origin, &answer);
        answer
    }

    /// Keeps the cookies of an answer that came from there.
    pub fn take(&mut self, origin: &str, answer: &Answer) {
        let jar = self.cookies.entry(origin.to_owned()).or_default();
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match value {
                "" => jar.remove(name),
                value => jar.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    /// Follows redirects until one leads to an address that begins like this; returns it without going there.
    #[track_caller]
    pub fn until(&mut self, start: &str, end: &str) -> String {
        let mut url = start.to_owned();
        for _ in 0..MAX_STEPS {
            if url.starts_with(end) {
                return url;
            }
            let answer = self.visit(&url);
            url = target(&url, &answer).unwrap_or_else(|| panic!("{url} leads no further: {answer:?}"));
        }
        panic!("{start} leads in a circle");
    }

    /// Follows redirects to their end.
    #[track_caller]
    pub fn follow(&mut self, start: &str) -> Answer {
        let mut url = start.to_owned();
        for _ in 0..MAX_STEPS {
            let answer = self.visit(&url);
            match target(&url, &answer) {
                Some(next) => url = next,
                None => return answer,
            }
        }
        panic!("{start} leads in a circle");
    }
}

fn target(url: &str, answer: &Answer) -> Option<String> {
    let location = answer
        .header("location")
        .filter(|_| matches!(answer.status, 302 | 303))?;
    let base: Url = url.parse().ok()?;
    Some(base.join(location).ok()?.into())
}
