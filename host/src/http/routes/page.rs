//! How the pages under `/account` look: one template, one style, and no script.

use std::sync::LazyLock;

use bytes::Bytes;
use data_encoding::BASE64;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use minijinja::{Environment, context};
use sha2::{Digest as _, Sha256};

use crate::http::body::{self, Body};
use crate::http::problem::Problem;

const PAGE: &str = include_str!("../../../templates/pages/page.html");
const STYLE: &str = include_str!("../../../templates/pages/style.css");

/// What is kept of a page between requests.
static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // A mistake in it is one of this program's, and shows with the first page of the tests.
    environment
        .add_template("page.html", PAGE)
        .expect("the page is a template");
    environment.add_global("style", minijinja::Value::from_safe_string(STYLE.to_owned()));
    environment
});

/// Nothing is loaded, only this style is applied, and the form goes nowhere else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; object-src 'none'; base-uri 'none'; style-src 'sha256-{style}'; form-action 'self'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 is a header's text")
});

/// What a page shows.
#[derive(Default)]
pub(super) struct Page<'p> {
    pub(super) title: &'p str,
    pub(super) text: Option<&'p str>,
    pub(super) problem: Option<String>,
    pub(super) form: Option<Form<'p>>,
}

pub(super) struct Form<'p> {
    pub(super) action: &'p str,
    pub(super) token: &'p str,
    pub(super) button: &'p str,
    /// Where a password is asked for: which one.
    pub(super) password: Option<Password>,
    /// Where an address is asked for: what was given for one before.
    pub(super) email: Option<&'p str>,
}

/// A password that a form asks for.
#[derive(Clone, Copy)]
pub(super) enum Password {
    /// The one that somebody has.
    Own,
    /// A new one of at least so many characters.
    New(u32),
}

/// A page as an answer.
pub(super) fn page(status: StatusCode, page: &Page<'_>) -> Result<Response<Body>, Problem> {
    let form = page.form.as_ref().map(|form| {
        context! {
            action => form.action,
            token => form.token,
            button => form.button,
            asks_own => matches!(form.password, Some(Password::Own)),
            length => match form.password {
                Some(Password::New(least)) => Some(least),
                Some(Password::Own) | None => None,
            },
            email => form.email,
        }
    });
    let values = context! {
        title => page.title,
        text => page.text,
        problem => page.problem.as_deref(),
        form => form,
    };
    let template = PAGES.get_template("page.html");
    let rendered = template.and_then(|template| template.render(values));
    let text = rendered.map_err(|error| {
        tracing::error!(target: "http", %error, "a page can't be made");
        Problem::internal()
    })?;
    let mut response = Response::new(body::full(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
    Ok(response)
}
