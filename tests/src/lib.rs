//! The harness of the tests: a host as a person would start it, and a client.
