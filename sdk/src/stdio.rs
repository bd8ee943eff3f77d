//! What the standard library asks of WASI in a component, answered without WASI.
//!
//! std always links printing of panics, and with it thirteen WASI interfaces (streams, terminals, the environment); each
//! import costs the host time whenever it starts an instance, which is for every call. These three functions of libc are where
//! all of that hangs. Defined here, they come before those of wasi-libc, and what a panic or `println!` prints
//! becomes lines of the log. A crate that needs WASI's own (say, with C code of its own that writes to files) turns
//! off the feature `log-stdio`.

// libc's functions have C's signatures.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int};

use crate::log::{self, Level};

/// One part of what `writev` writes.
#[repr(C)]
struct Part {
    start: *const u8,
    length: usize,
}

/// Prints to the log: standard output as [`Level::Info`], anything else as [`Level::Error`].
///
/// # Safety
/// `start` points to `length` bytes, as C demands of its callers.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(file: c_int, start: *const u8, length: usize) -> isize {
    if length > 0 {
        // SAFETY: see above.
        print(file, unsafe { core::slice::from_raw_parts(start, length) });
    }
    length as isize
}

/// Prints parts to the log, as [`write`] does.
///
/// # Safety
/// `parts` points to `count` parts, each of which is valid, as C demands of its callers.
#[unsafe(no_mangle)]
unsafe extern "C" fn writev(file: c_int, parts: *const Part, count: c_int) -> isize {
    let mut text = Vec::new();
    if count > 0 {
        // SAFETY: see above.
        for part in unsafe { core::slice::from_raw_parts(parts, count as usize) } {
            if part.length > 0 {
                // SAFETY: see above.
                text.extend_from_slice(unsafe { core::slice::from_raw_parts(part.start, part.length) });
            }
        }
    }
    print(file, &text);
    text.len() as isize
}

/// A call has no environment.
#[unsafe(no_mangle)]
extern "C" fn getenv(_: *const c_char) -> *const c_char {
    core::ptr::null()
}

fn print(file: c_int, text: &[u8]) {
    let level = if file == 1 { Level::Info } else { Level::Error };
    for line in String::from_utf8_lossy(text).lines() {
        // std explains to the one who started the process how to get a backtrace; the host logs one anyway.
        if !line.trim().is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE=1`") {
            log::write(level, line);
        }
    }
}
