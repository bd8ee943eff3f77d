//! Small guests, written as text, each of which does one thing wrong or right.

use bytes::Bytes;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The parts of WASI that the guests use.
const WASI: [(&str, &str); 3] = [
    ("io.wit", "package wasi:io@0.2.6; interface poll { resource pollable; }"),
    (
        "clocks.wit",
        "package wasi:clocks@0.2.6;
        interface monotonic-clock {
            use wasi:io/poll@0.2.6.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
        }",
    ),
    (
        "random.wit",
        "package wasi:random@0.2.6; interface random { get-random-u64: func() -> u64; }",
    ),
];

/// What the guests may import and what they export.
const HOOKS_WORLD: &str = "
    package test:guests;
    world guest {
        include portcullis:plugin/imports@0.1.0;
        import wasi:clocks/monotonic-clock@0.2.6;
        import wasi:random/random@0.2.6;
        export portcullis:plugin/hooks@0.1.0;
    }";

/// A guest with hooks: `items` are fields of its core module, `body` is what `before-create` does. The body it is given
/// is at `(local.get 2)`, its length in `(local.get 3)`; `(call $answer POINTER LENGTH)` makes the reply.
pub(super) fn hooks(items: &str, body: &str) -> Bytes {
    let interface = "portcullis:plugin/hooks@0.1.0";
    let document = "i32 i32 i64 i32 i32 i32 i64 i64 i32 i32";
    let module = format!(
        r#"(module
            {items}
            (memory (export "memory") 4 300)
            (global $heap (mut i32) (i32.const 4096))
            (global $calls (mut i32) (i32.const 0))
            (func $answer (param i32 i32) (result i32)
                (i32.store8 (i32.const 1024) (i32.const 0))
                (i32.store (i32.const 1028) (local.get 0))
                (i32.store (i32.const 1032) (local.get 1))
                (i32.const 1024))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $heap)
                (global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 7)) (i32.const -8))))
            (func $before_create (export "{interface}#before-create") (param i32 i32 i32 i32) (result i32)
                {body})
            (func (export "{interface}#before-update") (param i32 i32 {document} i32 i32) (result i32)
                unreachable)
            (func (export "{interface}#before-delete") (param i32 i32 {document}) (result i32)
                unreachable)
        )"#
    );
    component(&module, HOOKS_WORLD)
}

/// A component of this core module, with the types of this world.
pub(super) fn component(module: &str, world: &str) -> Bytes {
    let mut module = wat::parse_str(module).expect("a module");
    let mut resolve = Resolve::default();
    for (path, text) in WASI {
        resolve.push_source(path, text).expect("the types of WASI");
    }
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    resolve.push_path(contract).expect("the plugin contract");
    let package = resolve.push_source("world.wit", world).expect("a world");
    let world = resolve.select_world(&[package], None).expect("one world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("types that fit");
    let component = ComponentEncoder::default()
        .module(&module)
        .and_then(|mut encoder| encoder.encode());
    component.expect("a component").into()
}

/// Returns what it was given.
pub(super) fn echo() -> Bytes {
    hooks("", "(call $answer (local.get 2) (local.get 3))")
}
