//! How many connections each network has: one of them must not take all places of a listener.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::throttle::network;

/// The connections of a listener, by network. It is asked when one begins and when it ends, never by requests.
pub(super) struct Tally {
    limit: u32,
    open: Mutex<HashMap<IpAddr, u32>>,
}

impl Tally {
    pub(super) fn new(limit: u32) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open: Mutex::default(),
        })
    }

    /// Counts a connection until the value is dropped; nothing where its network has as many as it may have.
    pub(super) fn count(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let network = network(address);
        let mut open = self.open.lock();
        let connections = open.entry(network).or_insert(0);
        if *connections >= self.limit {
            return None;
        }
        *connections += 1;
        Some(Counted {
            tally: Arc::clone(self),
            network,
        })
    }
}

/// A connection that counts.
pub(super) struct Counted {
    tally: Arc<Tally>,
    network: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.tally.open.lock();
        if let Some(connections) = open.get_mut(&self.network) {
            *connections -= 1;
            if *connections == 0 {
                open.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_only_so_many_connections_and_others_are_not_held_back_by_it() {
        let tally = Tally::new(2);
        let count = |address: &str| tally.count(address.parse().unwrap());
        let (first, second) = (count("2001:db8::1"), count("2001:db8::2"));
        assert!(first.is_some() && second.is_some() && count("2001:db8::3").is_none());
        assert!(count("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(count("2001:db8::3").is_some());
        drop(second);
        assert!(tally.open.lock().is_empty());
    }
}
