//! `/account`: the small pages that links in mail lead to. Opening one does nothing, as programs open links too; what it is
//! for happens when its button is pressed. They need no script.

use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Response, StatusCode};

use super::auth::client;
use super::page::{Form, Page, Password, page};
use crate::accounts::{By, Confirmation, Error, LinkFor};
use crate::http::body::{self, Body};
use crate::http::problem::{Problem, sentence};
use crate::http::request::Request;
use crate::http::{Http, query};
use crate::storage::audit::Actor;

/// The only type that a form without script sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// `GET` and `POST /account/verify`
pub(in crate::http) async fn verify(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let form = |status: StatusCode, token: &str, password: Password, problem: Option<String>| {
        let form = Form {
            action: "/account/verify",
            token,
            button: "Confirm",
            password: Some(password),
            email: None,
        };
        let text = match password {
            Password::Own => {
                "Enter the password that you have registered with, to confirm that this e-mail address is yours."
            }
            Password::New(_) => {
                "Somebody else may have registered with your address, or you may have done so twice. Choose the \
                 password that you want to sign in with; the registered one will be good for nothing."
            }
        };
        let page_of = Page {
            title: "Confirm your e-mail address",
            text: Some(text),
            problem,
            form: Some(form),
        };
        page(status, &page_of)
    };
    if request.head.method != Method::POST {
        let token = token(request)?;
        return match http.accounts.check_link(LinkFor::Confirming, &token).await {
            Ok(()) => form(StatusCode::OK, &token, Password::Own, None),
            Err(error) => refused(error),
        };
    }
    let fields = fields(http, request, body).await?;
    let by = match fields.new.as_str() {
        "" => Confirmation::Registered(&fields.password),
        new => Confirmation::Own(new),
    };
    let said = match http.accounts.confirm(&fields.token, by, &client(request)).await {
        Ok(_) => return done("The address is confirmed", "You can sign in now, and close this page."),
        Err(Error::OtherRegistration) => Some("This registration has another password.".to_owned()),
        Err(Error::Invalid(violations)) => violations.first().map(|violation| sentence(&violation.message)),
        Err(error) => return refused(error),
    };
    let password = Password::New(http.accounts.least_password());
    form(StatusCode::UNPROCESSABLE_ENTITY, &fields.token, password, said)
}

/// `GET` and `POST /account/reset`
pub(in crate::http) async fn reset(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let form = |status: StatusCode, token: &str, problem: Option<String>| {
        let form = Form {
            action: "/account/reset",
            token,
            button: "Set the password",
            password: Some(Password::New(http.accounts.least_password())),
            email: None,
        };
        page(
            status,
            &Page {
                title: "Set a new password",
                problem,
                form: Some(form),
                ..Page::default()
            },
        )
    };
    if request.head.method != Method::POST {
        let token = token(request)?;
        return match http.accounts.check_link(LinkFor::Resetting, &token).await {
            Ok(()) => form(StatusCode::OK, &token, None),
            Err(error) => refused(error),
        };
    }
    let fields = fields(http, request, body).await?;
    match http.accounts.reset(&fields.token, &fields.new, &client(request)).await {
        Ok(()) => done(
            "The password is set",
            "All sessions were ended. Sign in with the new password.",
        ),
        Err(Error::Invalid(violations)) => {
            let said = violations.first().map(|violation| sentence(&violation.message));
            form(StatusCode::UNPROCESSABLE_ENTITY, &fields.token, said)
        }
        Err(error) => refused(error),
    }
}

/// `GET` and `POST /account/end-session`
pub(in crate::http) async fn end_session(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    if request.head.method != Method::POST {
        let token = token(request)?;
        if let Err(error) = http.accounts.check_link(LinkFor::Ending, &token).await {
            return refused(error);
        }
        let form = Form {
            action: "/account/end-session",
            token: &token,
            button: "Sign out",
            password: None,
            email: None,
        };
        let page_of = Page {
            title: "Sign out",
            text: Some(
                "Press the button to sign out whoever the mail was about, and to end all tokens for programs. Nobody needs \
                 to be signed in for this.",
            ),
            form: Some(form),
            ..Page::default()
        };
        return page(StatusCode::OK, &page_of);
    }
    let fields = fields(http, request, body).await?;
    match http.accounts.end_by_link(&fields.token, &client(request)).await {
        Ok(()) => done(
            "Signed out",
            "If it was not you who had signed in, set a new password now: somebody else knows the one you have.",
        ),
        Err(error) => refused(error),
    }
}

/// `GET` and `POST /account/setup`
pub(in crate::http) async fn set_up(
    http: &Http,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let form = |status: StatusCode, token: &str, email: &str, problem: Option<String>| {
        let form = Form {
            action: "/account/setup",
            token,
            button: "Make the account",
            password: Some(Password::New(http.accounts.least_password())),
            email: Some(email),
        };
        let page_of = Page {
            title: "Make the first administrator",
            problem,
            form: Some(form),
            ..Page::default()
        };
        page(status, &page_of)
    };
    if request.head.method != Method::POST {
        let token = token(request)?;
        return match http.accounts.check_link(LinkFor::SettingUp, &token).await {
            Ok(()) => form(StatusCode::OK, &token, "", None),
            Err(error) => not_set_up(error),
        };
    }
    let fields = fields(http, request, body).await?;
    let by = By {
        actor: Actor::Anonymous,
        client: client(request),
        as_operator: false,
    };
    match http
        .accounts
        .set_up(&fields.token, &fields.email, &fields.new, &by)
        .await
    {
        Ok(_) => done(
            "The account is made",
            "It is the first administrator. Sign in with it, and close this page.",
        ),
        Err(Error::Invalid(violations)) => {
            let said = violations.first().map(|violation| sentence(&violation.message));
            form(StatusCode::UNPROCESSABLE_ENTITY, &fields.token, &fields.email, said)
        }
        Err(error) => not_set_up(error),
    }
}

/// Why nobody is made an administrator, and what else makes one, which only an operator can do.
fn not_set_up(error: Error) -> Result<Response<Body>, Problem> {
    match error {
        Error::LinkSpent => failed(
            StatusCode::GONE,
            "This link has been used, is too old, or there has been an administrator since. A host that never had one \
             prints another link when it starts; `portcullis account create EMAIL --role admin` makes further ones.",
        ),
        error => refused(error),
    }
}

/// A page that says what came of something.
pub(super) fn done(title: &str, text: &str) -> Result<Response<Body>, Problem> {
    let page_of = Page {
        title,
        text: Some(text),
        ..Page::default()
    };
    page(StatusCode::OK, &page_of)
}

/// A page for what somebody in front of a browser can understand; the rest is a problem like others.
fn refused(error: Error) -> Result<Response<Body>, Problem> {
    let (status, text) = match error {
        Error::LinkSpent => (
            StatusCode::GONE,
            "This link has been used, is too old, or is not whole. Ask for another one.",
        ),
        Error::AddressTaken => (
            StatusCode::CONFLICT,
            "This address has an account already. Sign in with it.",
        ),
        Error::Overloaded | Error::Contention => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Too much is going on. Go back and press the button again in a moment.",
        ),
        other => return Err(other.into()),
    };
    failed(status, text)
}

/// A page that says why something did not work.
fn failed(status: StatusCode, text: &str) -> Result<Response<Body>, Problem> {
    let page_of = Page {
        title: "This did not work",
        problem: Some(text.to_owned()),
        ..Page::default()
    };
    page(status, &page_of)
}

/// A page that says what a problem is.
pub(super) fn problem(problem: &Problem) -> Result<Response<Body>, Problem> {
    failed(problem.status(), &problem.sentence())
}

/// The token of a link.
fn token(request: &Request) -> Result<String, Problem> {
    let pairs = query::pairs(request.head.uri.query().unwrap_or_default())?;
    let token = pairs.into_iter().find(|(name, _)| name == "token");
    Ok(token.map(|(_, value)| value.into_owned()).unwrap_or_default())
}

/// What a form has sent.
#[derive(Default)]
struct Fields {
    token: String,
    new: String,
    password: String,
    email: String,
}

async fn fields(http: &Http, request: &Request, incoming: &mut Incoming) -> Result<Fields, Problem> {
    let headers = &request.head.headers;
    let is_form = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(';')
                .next()
                .is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FORM))
        });
    if !is_form {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("the Content-Type must be {FORM}"),
        ));
    }
    let bytes = body::read(headers, incoming, http.body_limits()).await?;
    let text =
        std::str::from_utf8(&bytes).map_err(|_| Problem::bad_request("malformed_form", "the form is not UTF-8"))?;
    let mut fields = Fields::default();
    for (name, value) in query::pairs(text)? {
        match &*name {
            "token" => fields.token = value.into_owned(),
            "new" => fields.new = value.into_owned(),
            "password" => fields.password = value.into_owned(),
            "email" => fields.email = value.into_owned(),
            _ => {}
        }
    }
    Ok(fields)
}
