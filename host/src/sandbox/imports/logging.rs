//! `wasi:logging`: the plugin's log.
