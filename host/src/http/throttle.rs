//! How often a network and an account may ask, and what they are told about it (`RateLimit` and `RateLimit-Policy`, as
//! draft-ietf-httpapi-ratelimit-headers-10 has them).

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use parking_lot::Mutex;
use uuid::Uuid;

use super::problem::Problem;
use super::router::{Route, Surface};
use crate::config::{Rate, Rates, RouteRate};
use crate::policy::Caller;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How many requests go by until those who have asked for nothing of late are forgotten.
const SWEEP_EVERY: u32 = 1_024;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Api,
    Auth,
    Mail,
}

impl Group {
    /// The group of a route. A path that is new belongs to one, too; only what costs nothing and what is for the operator
    /// does not.
    pub(super) fn of(surface: Surface, route: Route<'_>, path: &str) -> Option<Self> {
        match route {
            _ if surface == Surface::Admin => None,
            Route::Healthz | Route::Readyz => None,
            Route::Register | Route::ForgotPassword => Some(Self::Mail),
            _ if path.starts_with("/auth/") || path.starts_with("/account/") => Some(Self::Auth),
            _ => Some(Self::Api),
        }
    }
}

/// Counts by network and by account. It is gone when the host stops.
pub(super) struct Throttle {
    api: Limit<IpAddr>,
    auth: Limit<IpAddr>,
    mail: Limit<IpAddr>,
    account: Limit<Uuid>,
    /// The longest path first, and one with a method before one without.
    routes: Vec<RouteLimit>,
}

/// What a network asks of one route.
struct RouteLimit {
    method: Option<String>,
    path: String,
    limit: Limit<IpAddr>,
}

impl RouteLimit {
    fn new(of: &RouteRate) -> Self {
        Self {
            method: of.method.clone(),
            path: of.path.clone(),
            limit: Limit::new("route", of.rate),
        }
    }

    /// Whether a request is for the route, or for one below it.
    fn is_for(&self, method: &Method, path: &str) -> bool {
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        let below = path.strip_prefix(self.path.as_str());
        self.method.as_deref().is_none_or(|own| own == method.as_str())
            && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }
}

impl Throttle {
    pub(super) fn new(rates: &Rates) -> Self {
        Self {
            api: Limit::new("api", rates.api),
            auth: Limit::new("auth", rates.auth),
            mail: Limit::new("mail", rates.mail),
            account: Limit::new("account", rates.account),
            routes: {
                let mut routes: Vec<_> = rates.routes.iter().map(RouteLimit::new).collect();
                routes.sort_by_key(|route| std::cmp::Reverse((route.path.len(), route.method.is_some())));
                routes
            },
        }
    }

    /// Lets a request of a network pass that is for a route with a rate of its own, or says when to try again.
    pub(super) fn route(
        &self,
        method: &Method,
        path: &str,
        peer: IpAddr,
        standings: &Standings,
    ) -> Result<(), Problem> {
        match self.routes.iter().find(|route| route.is_for(method, path)) {
            Some(route) => route.limit.pass(&network(peer), 1, &standings.route),
            None => Ok(()),
        }
    }

    /// Lets a request of a network pass, or says when to try again.
    pub(super) fn network(&self, group: Group, peer: IpAddr, standings: &Standings) -> Result<(), Problem> {
        let limit = match group {
            Group::Api => &self.api,
            Group::Auth => &self.auth,
            Group::Mail => &self.mail,
        };
        limit.pass(&network(peer), 1, &standings.network)
    }

    /// The same for the account that makes it; others are counted by their network only.
    pub(super) fn caller(&self, caller: &Caller, standings: &Standings) -> Result<(), Problem> {
        match caller.account() {
            Some(id) => self.account(id, standings),
            None => Ok(()),
        }
    }

    /// The same for an account that is known by its id.
    pub(super) fn account(&self, id: Uuid, standings: &Standings) -> Result<(), Problem> {
        self.account.pass(&id, 1, &standings.account)
    }

    /// Counts the operations of a batch; its request has counted as one already.
    pub(super) fn batch(
        &self,
        peer: IpAddr,
        caller: &Caller,
        operations: usize,
        standings: &Standings,
    ) -> Result<(), Problem> {
        let more = u32::try_from(operations).unwrap_or(u32::MAX).saturating_sub(1);
        if *caller == Caller::Operator || more == 0 {
            return Ok(());
        }
        if let Some(id) = caller.account() {
            self.account.pass(&id, more, &standings.account)?;
        }
        self.api.pass(&network(peer), more, &standings.network)
    }
}

/// One rate and those that it counts; nothing where there is no limit.
struct Limit<K: Hash + Eq + Clone>(Option<Counter<K>>);

struct Counter<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: Rate,
    burst: NonZeroU32,
    policy: HeaderValue,
    limiter: RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>,
    asked: AtomicU32,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(name: &'static str, rate: Rate) -> Self {
        let (Some(per_second), Some(burst)) = (NonZeroU32::new(rate.per_second), NonZeroU32::new(rate.burst)) else {
            return Self(None);
        };
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let window = rate.burst.div_ceil(rate.per_second);
        Self(Some(Counter {
            name,
            rate,
            burst,
            policy: header(format!("\"{name}\";q={};w={window}", rate.burst)),
            limiter: RateLimiter::dashmap(quota).with_middleware(),
            asked: AtomicU32::new(0),
        }))
    }

    /// Counts so many requests, or says when to try again, and notes how `key` stands now.
    fn pass(&self, key: &K, count: u32, standing: &Mutex<Option<Standing>>) -> Result<(), Problem> {
        let Some(counter) = &self.0 else { return Ok(()) };
        if counter.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            counter.limiter.retain_recent();
        }
        // A batch that is larger than the whole burst has to wait for all of it; otherwise it could never be done.
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN).min(counter.burst);
        let whole = Err(counter.rate.burst.div_ceil(counter.rate.per_second));
        let passed = counter.limiter.check_key_n(key, count).map_or(whole, |passed| {
            passed.map(|state| state.remaining_burst_capacity()).map_err(|refused| {
                let wait = refused.wait_time_from(DefaultClock::default().now());
                u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)
            })
        });
        let remaining = passed.unwrap_or(0);
        *standing.lock() = Some(Standing {
            name: counter.name,
            policy: counter.policy.clone(),
            remaining,
            reset_s: (counter.rate.burst - remaining).div_ceil(counter.rate.per_second),
        });
        passed.map(|_| ()).map_err(Problem::too_many_requests)
    }
}

/// How the one who makes a request stands with what limits it.
#[derive(Debug, Default)]
pub(super) struct Standings {
    network: Mutex<Option<Standing>>,
    route: Mutex<Option<Standing>>,
    account: Mutex<Option<Standing>>,
}

#[derive(Debug)]
struct Standing {
    name: &'static str,
    policy: HeaderValue,
    remaining: u32,
    /// Until nothing is counted any more.
    reset_s: u32,
}

impl Standings {
    /// Tells it.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        for standing in [&self.network, &self.route, &self.account] {
            let Some(standing) = standing.lock().take() else {
                continue;
            };
            let Standing {
                name,
                policy,
                remaining,
                reset_s,
            } = standing;
            headers.append(RATE_LIMIT_POLICY, policy);
            headers.append(RATE_LIMIT, header(format!("\"{name}\";r={remaining};t={reset_s}")));
        }
    }
}

/// A header of names and numbers of this file, which are always good for one.
fn header(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// Somebody with IPv6 has a whole /64.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
#[path = "throttle_tests.rs"]
mod tests;
