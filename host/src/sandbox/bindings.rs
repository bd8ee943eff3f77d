//! The Rust side of `wit/`: the only `bindgen!` of the host, in a file that does nothing else.

#![allow(missing_docs, unreachable_pub, reason = "generated code")]

// Imports only: `exports` calls what a plugin exports by its name, since the generated code would look up and check
// every function of an interface for each call of one.
wasmtime::component::bindgen!({
    path: "../wit",
    world: "portcullis:plugin/imports",
    imports: {
        // What answers at once needs no future.
        "portcullis:plugin/request": trappable,
        "wasi:config": trappable,
        "wasi:logging": trappable,
        default: async | trappable,
    },
    with: {
        "wasi:keyvalue/store.bucket": crate::capabilities::keyvalue::Bucket,
        "wasi:keyvalue/atomics.cas": super::imports::keyvalue::Cas,
    },
    require_store_data_send: true,
});
