//! What is remembered of who logs in to an account: from where, and how often somebody failed to of late.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::attempts::Familiarity;
use super::session::Client;

/// The most networks and devices that are remembered of an account.
const MAX_KNOWN: usize = 20;
/// So many failures.
const MANY: usize = 10;
/// Within this time are many.
const MANY_WITHIN_MS: u64 = 60 * 60_000;
/// How often at most somebody is told of many failures.
const TOLD_EVERY_MS: u64 = 24 * 60 * 60_000;

/// What is remembered of who logs in to an account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    known: Vec<KnownPlace>,
    /// When somebody failed to log in, of late.
    failed_ms: Vec<u64>,
    /// When the owner was last told of many failures.
    told_ms: u64,
    /// Whether a place was forgotten: then what is known of none is new.
    #[serde(default)]
    has_forgotten: bool,
}

/// From where somebody has logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPlace {
    /// The network.
    pub network: Option<IpAddr>,
    /// What the program calls itself.
    pub agent: Option<String>,
    /// The place in it of the last login: an address of IPv4, a /64 of IPv6.
    #[serde(default)]
    pub place: Option<IpAddr>,
    /// Since when it is known, in milliseconds since the Unix epoch; 0 where that was not written down.
    #[serde(default)]
    pub since_ms: u64,
}

/// Where a login came from of which the owner was told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Origin {
    client: Client,
    /// Whether nobody had logged in from the network before: then all that came from it is meant, and else only what says that it
    /// is the same device.
    is_new_network: bool,
    /// When that was, in milliseconds since the Unix epoch: whoever came from the network since is meant as well, as they may say
    /// that they are any device.
    #[serde(default)]
    at_ms: Option<u64>,
}

impl Origin {
    /// Whether what began then, by such a client, came from there.
    fn has(&self, since_ms: u64, network: Option<IpAddr>, agent: Option<&String>) -> bool {
        let is_later = self.at_ms.is_some_and(|at_ms| since_ms >= at_ms);
        network == self.client.network() && (is_later || self.is_new_network || agent == self.client.agent.as_ref())
    }

    /// Whether a session that began then, by a client, came from there.
    pub(super) fn has_session(&self, made_ms: u64, client: &Client) -> bool {
        self.has(made_ms, client.network(), client.agent.as_ref())
    }
}

impl Watch {
    /// Where a client comes from that is about to be learned.
    pub(super) fn origin(&self, client: &Client, now_ms: u64) -> Origin {
        Origin {
            client: client.clone(),
            is_new_network: !self.knows_network(client),
            at_ms: Some(now_ms),
        }
    }

    /// How well it is known from where a client comes.
    pub(super) fn familiarity(&self, client: &Client) -> Familiarity {
        let place = client.place();
        match place.is_some() && self.known.iter().any(|known| known.place == place) {
            true => Familiarity::Place,
            false if self.knows_network(client) => Familiarity::Network,
            false => Familiarity::Unknown,
        }
    }

    fn knows_network(&self, client: &Client) -> bool {
        let network = client.network();
        self.known.iter().any(|known| known.network == network)
    }

    /// From where somebody has logged in.
    pub(super) fn known(&self) -> &[KnownPlace] {
        &self.known
    }

    /// When somebody failed to log in, of late.
    pub(super) fn failed_ms(&self) -> &[u64] {
        &self.failed_ms
    }

    /// Remembers where somebody comes from who has proved who they are. Whether that is new for an account that has been
    /// used before.
    pub(super) fn learn(&mut self, client: &Client, now_ms: u64) -> bool {
        let (network, agent) = (client.network(), &client.agent);
        let is_usual = self.knows_network(client) && self.known.iter().any(|known| known.agent == *agent);
        let is_first = self.known.is_empty() && !self.has_forgotten;
        let is_new = !(is_first || is_usual);
        let is_it = |known: &KnownPlace| known.network == network && known.agent == *agent;
        let since_ms = self.known.iter().find(|known| is_it(known));
        let since_ms = since_ms.map_or(now_ms, |known| known.since_ms);
        self.known.retain(|known| !is_it(known));
        if self.known.len() >= MAX_KNOWN {
            self.known.remove(0);
        }
        self.known.push(KnownPlace {
            network,
            agent: agent.clone(),
            place: client.place(),
            since_ms,
        });
        self.failed_ms.clear();
        is_new
    }

    /// Forgets that somebody has logged in from there, or from anywhere.
    pub(super) fn forget(&mut self, from: Option<&Origin>) {
        let is_from = |from: &Origin, known: &KnownPlace| from.has(known.since_ms, known.network, known.agent.as_ref());
        self.known
            .retain(|known| from.is_some_and(|from| !is_from(from, known)));
        self.has_forgotten = true;
    }

    /// Counts a failure. Whether the owner is to be told.
    pub(super) fn fail(&mut self, now_ms: u64) -> bool {
        self.failed_ms
            .retain(|at_ms| now_ms.saturating_sub(*at_ms) < MANY_WITHIN_MS);
        if self.failed_ms.len() >= MANY {
            self.failed_ms.remove(0);
        }
        self.failed_ms.push(now_ms);
        let is_told = self.failed_ms.len() >= MANY && now_ms.saturating_sub(self.told_ms) >= TOLD_EVERY_MS;
        if is_told {
            self.told_ms = now_ms;
        }
        is_told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, agent: &str) -> Client {
        Client {
            address: Some(address.parse().unwrap()),
            agent: Some(agent.to_owned()),
        }
    }

    #[test]
    fn a_first_login_is_nothing_new_and_another_network_or_device_is() {
        let mut watch = Watch::default();
        assert!(!watch.learn(&client("192.0.2.1", "browser"), 1));
        assert!(!watch.learn(&client("192.0.2.77", "browser"), 1), "the same network");
        assert!(watch.learn(&client("198.51.100.1", "browser"), 1));
        assert!(watch.learn(&client("192.0.2.1", "program"), 1));
        assert!(!watch.learn(&client("192.0.2.1", "program"), 1));
        for number in 0..100 {
            watch.learn(&client("192.0.2.1", &number.to_string()), number);
        }
        assert_eq!(watch.known.len(), MAX_KNOWN);
    }

    #[test]
    fn what_was_forgotten_is_new_again_even_where_nothing_else_is_known() {
        let (home, thief) = (client("192.0.2.1", "browser"), client("198.51.100.1", "browser"));
        let mut watch = Watch::default();
        watch.learn(&home, 1);
        let new_device = client("192.0.2.1", "program");
        let origin = watch.origin(&new_device, 7);
        for (made_ms, agent, is_from_there) in [(6, "browser", false), (7, "browser", true), (6, "program", true)] {
            let client = client("192.0.2.9", agent);
            assert_eq!(origin.has_session(made_ms, &client), is_from_there, "{made_ms} {agent}");
        }
        assert!(!origin.has_session(8, &thief));
        assert!(watch.learn(&new_device, 7));
        watch.forget(Some(&origin));
        assert!(watch.knows_network(&home) && watch.learn(&new_device, 7));
        let origin = watch.origin(&thief, 9);
        assert!(watch.learn(&thief, 9));
        assert!(!watch.learn(&client("198.51.100.2", "program"), 1), "both are known");
        watch.forget(Some(&origin));
        assert!(watch.knows_network(&home) && !watch.knows_network(&thief));
        assert!(!watch.learn(&home, 1));
        assert!(watch.learn(&thief, 9));
        watch.forget(None);
        assert!(!watch.knows_network(&home));
        assert!(watch.learn(&thief, 9), "it is not the first login");
    }

    #[test]
    fn a_place_is_known_apart_from_its_network() {
        let mut watch = Watch::default();
        watch.learn(&client("2001:db8:aa:1::1", "browser"), 1);
        watch.learn(&client("192.0.2.1", "browser"), 1);
        for (address, familiarity) in [
            ("2001:db8:aa:1::2", Familiarity::Place),
            ("2001:db8:aa:100::1", Familiarity::Network),
            ("2001:db8:ab:1::1", Familiarity::Unknown),
            ("192.0.2.1", Familiarity::Place),
            ("192.0.2.2", Familiarity::Network),
            ("192.0.3.1", Familiarity::Unknown),
        ] {
            assert_eq!(watch.familiarity(&client(address, "program")), familiarity, "{address}");
        }
    }

    #[test]
    fn whoever_came_in_with_a_thief_is_forgotten_with_them() {
        let mut watch = Watch::default();
        watch.learn(&client("192.0.2.1", "browser"), 1);
        let thief = client("192.0.2.9", "program");
        let origin = watch.origin(&thief, 7);
        watch.learn(&thief, 7);
        // They say that they are something else now.
        watch.learn(&client("192.0.2.9", "another"), 8);
        watch.forget(Some(&origin));
        assert_eq!(watch.known().len(), 1);
        assert!(watch.learn(&client("192.0.2.9", "another"), 9));
    }

    #[test]
    fn many_failures_are_told_once_a_day_and_few_never() {
        let mut watch = Watch::default();
        let told = |watch: &mut Watch, at_ms: u64| (0..30).filter(|number| watch.fail(at_ms + number)).count();
        assert_eq!((0..9).filter(|number| watch.fail(TOLD_EVERY_MS + number)).count(), 0);
        watch.learn(&client("192.0.2.1", "browser"), 1);
        assert_eq!(told(&mut watch, 2 * TOLD_EVERY_MS), 1);
        assert_eq!(told(&mut watch, 2 * TOLD_EVERY_MS + 2 * MANY_WITHIN_MS), 0);
        assert_eq!(told(&mut watch, 3 * TOLD_EVERY_MS + 1), 1);
        // One every ten minutes is not many.
        let slow = |number: u64| 5 * TOLD_EVERY_MS + number * 10 * 60_000;
        assert_eq!((0..50).filter(|number| watch.fail(slow(*number))).count(), 0);
    }
}
