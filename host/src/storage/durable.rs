//! sled's way to the disk, made one that survives a power cut. The functions below take the place of the C library's when
//! the program is linked: sled has no setting for either.
//!
//! After each write of its log sled calls `sync_file_range`, and takes what that covers for durable: it then overwrites
//! segments whose contents have moved there, even within the same batch. But `sync_file_range` leaves the disk's cache and
//! the length of the file alone, so a power cut could find the old contents overwritten and the new ones lost.
//!
//! When it is opened, sled writes a new snapshot, renames it into place, and then overwrites the segments that the snapshot
//! no longer needs. But a name is durable only once its directory was synced, so a power cut could find the old snapshot
//! with its segments gone.

use std::ffi::{CStr, OsStr, c_char, c_int, c_uint};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// `sync_file_range(2)`, doing more than it promises: it syncs the file's data, wherever it is, and its length.
#[allow(
    unsafe_code,
    reason = "the C library's function of this name is replaced, and is handed a descriptor"
)]
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(file: c_int, _offset: i64, _length: i64, _flags: c_uint) -> c_int {
    // SAFETY: the caller holds the descriptor open for the time of the call, and it is not closed here.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(file) });
    // The error itself is where the caller looks for it: in errno.
    file.sync_data().map_or(-1, |()| 0)
}

/// `rename(2)`, doing more than it promises: the new name is durable.
#[allow(
    unsafe_code,
    reason = "the C library's function of this name is replaced, and is handed C strings"
)]
#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the caller's strings live for the time of the call, and are handed on as they came.
    if unsafe { libc::renameat(libc::AT_FDCWD, from, libc::AT_FDCWD, to) } != 0 {
        return -1;
    }
    // SAFETY: it is a C string, since the call above has taken it.
    let to = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(to) }.to_bytes()));
    let folder = to
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // The error itself is in errno, as above.
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_or(-1, |()| 0)
}
