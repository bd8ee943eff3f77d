//! What the host answered, with assertions that say what came instead.

use serde_json::Value;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request, for messages.
    pub asked: String,
    /// The status code.
    pub status: u16,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// Fails the test unless the answer has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{} was answered {}", self.asked, self.describe());
        self
    }

    /// Fails the test unless the answer is a well-formed problem (RFC 9457) with this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        let problem = answer.problem();
        assert_eq!(problem["code"], code, "{} was answered {problem}", answer.asked);
        answer
    }

    /// The body as a problem (RFC 9457); fails the test unless it is a well-formed one.
    #[track_caller]
    pub fn problem(&self) -> Value {
        let kind = self.header("content-type").unwrap_or_default();
        assert_eq!(
            kind,
            "application/problem+json",
            "{} was answered {}",
            self.asked,
            self.describe()
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        for member in ["type", "title", "code", "request_id"] {
            assert!(problem[member].is_string(), "the problem has no {member}: {problem}");
        }
        problem
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!(
                "{} was not answered with JSON ({error}): {}",
                self.asked,
                self.describe()
            ),
        }
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The id of the document in the body.
    #[track_caller]
    pub fn id(&self) -> String {
        let body = self.json();
        body["id"]
            .as_str()
            .unwrap_or_else(|| panic!("no id in {body}"))
            .to_owned()
    }

    /// The path of the document that was made.
    #[track_caller]
    pub fn location(&self) -> String {
        self.header("location")
            .unwrap_or_else(|| panic!("no Location: {}", self.describe()))
            .to_owned()
    }

    /// The revision of the document, as the header has it.
    #[track_caller]
    pub fn etag(&self) -> String {
        self.header("etag")
            .unwrap_or_else(|| panic!("no ETag: {}", self.describe()))
            .to_owned()
    }

    /// Status, headers and the start of the body.
    fn describe(&self) -> String {
        let shown = &self.body[..self.body.len().min(2_000)];
        format!("{} {:?}\n{}", self.status, self.headers, String::from_utf8_lossy(shown))
    }
}
