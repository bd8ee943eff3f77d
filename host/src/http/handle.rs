//! The way of a request: each step gives the next one a value that it can't be called without.
//!
//! `Credentials` -> `Caller` -> `Permit` -> `Admission` -> `Reply`

use std::sync::Arc;

use hyper::Response;
use hyper::body::Incoming;

use super::body::Body;
use super::problem::Problem;
use super::request::Request;
use super::{Http, call, identify, respond};
use crate::dispatch::Call;
use crate::manifest::Action;
use crate::policy::authorize;

/// Serves a request for a collection, or for one of its documents.
pub(super) async fn handle(
    http: &Http,
    name: &str,
    id: Option<&str>,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    let credentials = identify::credentials(http, &request.head)?;
    let caller = http.identity.caller(&credentials).await?;
    http.throttle.caller(&caller, &request.standings)?;

    let resource = http.dispatch.resource(name).ok_or_else(Problem::no_such_resource)?;
    let action = call::action(&request.head.method, id).ok_or_else(Problem::no_such_path)?;
    let permit = authorize(&caller, action, &resource.name, &resource.rules)?;

    // The body is read before a place is taken, so that a slow client holds up nobody.
    let (operation, idempotency) = call::read(http, &resource, &caller, id, request, body).await?;
    // While it arrived, the caller may have lost what it had.
    let permit = match action {
        Action::List | Action::Read => permit,
        Action::Create | Action::Update | Action::Delete => {
            let caller = http.identity.caller(&credentials).await?;
            authorize(&caller, action, &resource.name, &resource.rules)?
        }
    };
    let call = Call {
        operation,
        request: Arc::new(call::info(http, request)),
        idempotency,
    };

    let admission = http.dispatch.admit(&[&permit]).await?;
    let (reply, replayed) = http.dispatch.call(permit, admission, call).await?;
    respond::reply(request, name, &reply, replayed).await
}
