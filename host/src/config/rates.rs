//! `[rates]`: how often a network and an account may ask.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::reading::{RawNumber, number};
use crate::manifest::Source;

/// The most routes with a rate of their own; each request is compared with them.
const MAX_ROUTES: usize = 100;
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// How often a network and an account may ask. A network is an address of IPv4, or the /64 of one of IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// What a network asks of `/api`; a batch counts as its operations.
    pub api: Rate,
    /// What an account asks of `/api` and of `/auth`, wherever it is.
    pub account: Rate,
    /// What a network asks of `/auth` and of the pages of `/account`.
    pub auth: Rate,
    /// What a network asks that has a mail sent.
    pub mail: Rate,
    /// What a network asks of single routes, beside that.
    pub routes: Vec<RouteRate>,
}

/// The rate of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRate {
    /// The method; `None` for all of them. HEAD counts as GET.
    pub method: Option<String>,
    /// The path; those below it are meant as well.
    pub path: String,
    /// How often.
    pub rate: Rate,
}

/// So many at once, and then so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many are let through in a second in the long run; 0 does not limit.
    pub per_second: u32,
    /// How many come through at once.
    pub burst: u32,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |per_second, burst| Rate { per_second, burst };
        Self {
            // An office, or a whole mobile network, may be behind one address.
            api: rate(1_000, 10_000),
            account: rate(500, 5_000),
            auth: rate(20, 200),
            mail: rate(1, 60),
            routes: Vec::new(),
        }
    }
}

/// The section as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    api: Option<Spanned<RawRate>>,
    account: Option<Spanned<RawRate>>,
    auth: Option<Spanned<RawRate>>,
    mail: Option<Spanned<RawRate>>,
    #[serde(default)]
    routes: BTreeMap<Spanned<String>, Spanned<RawRate>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRate {
    per_second: RawNumber,
    burst: RawNumber,
}

pub(super) fn read(raw: Raw, source: &mut Source<'_>) -> Rates {
    let mut rates = Rates::default();
    for (given, target) in [
        (raw.api, &mut rates.api),
        (raw.account, &mut rates.account),
        (raw.auth, &mut rates.auth),
        (raw.mail, &mut rates.mail),
    ] {
        rate(given, target, source);
    }
    rates.routes = routes(raw.routes, source);
    rates
}

fn routes(given: BTreeMap<Spanned<String>, Spanned<RawRate>>, source: &mut Source<'_>) -> Vec<RouteRate> {
    let mut routes = Vec::new();
    for (number, (name, given)) in given.into_iter().enumerate() {
        if number == MAX_ROUTES {
            let help = format!("keep at most {MAX_ROUTES}; a path stands for all below it");
            source.complain(name.span(), "too many routes", Some(help));
        }
        let (method, path) = match name.get_ref().split_once(' ') {
            Some((method, path)) => (Some(method.to_owned()), path.to_owned()),
            None => (None, name.get_ref().clone()),
        };
        let is_method = method.as_deref().is_none_or(|method| METHODS.contains(&method));
        let is_path = ["/api/", "/auth/", "/account/"]
            .iter()
            .any(|start| path.starts_with(start))
            && path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%'))
            && !path.ends_with('/');
        if !is_method || !is_path {
            let help = "write a path, with a method before it or without, for instance `\"POST /auth/login\"` or \
                        `\"/api/orders\"`";
            let message = format!("`{}` is no route of the API", name.get_ref());
            source.complain(name.span(), message, Some(help.to_owned()));
        }
        let mut target = Rate {
            per_second: 0,
            burst: 1,
        };
        rate(Some(given), &mut target, source);
        routes.push(RouteRate {
            method,
            path,
            rate: target,
        });
    }
    routes
}

fn rate(given: Option<Spanned<RawRate>>, target: &mut Rate, source: &mut Source<'_>) {
    let Some(given) = given else { return };
    let span = given.span();
    let raw = given.into_inner();
    let is_whole = raw.burst.is_some() || raw.per_second.as_ref().is_some_and(|number| *number.get_ref() == 0);
    if raw.per_second.is_none() || !is_whole {
        let help = "write `{ per_second = 20, burst = 200 }`, or `{ per_second = 0 }` for no limit".to_owned();
        source.complain(span, "a rate has `per_second` and `burst`", Some(help));
    }
    number(raw.per_second, 0..=1_000_000, &mut target.per_second, source);
    number(raw.burst, 1..=10_000_000, &mut target.burst, source);
}
