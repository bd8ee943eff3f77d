//! sled's way to the disk, made one that survives a power cut.
//!
//! After each write of its log sled calls `sync_file_range`, and takes what that covers for durable: it then overwrites
//! segments whose contents have moved there, even within the same batch. But `sync_file_range` leaves the disk's cache and
//! the length of the file alone, so a power cut could find the old contents overwritten and the new ones lost. The function
//! below takes the place of the C library's when the program is linked. sled has no setting for this.

use std::ffi::{c_int, c_uint};
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether sled has ever come by here.
static IN_PLACE: AtomicBool = AtomicBool::new(false);

/// Whether the function below has taken the place of the C library's, as it does for sled as a whole or not at all: then
/// what sled has flushed is durable. Known once something was flushed.
pub(super) fn is_in_place() -> bool {
    IN_PLACE.load(Ordering::Relaxed)
}

/// `sync_file_range(2)`, doing more than it promises: it syncs the file's data, wherever it is, and its length.
#[allow(
    unsafe_code,
    reason = "the C library's function of this name is replaced, and is handed a descriptor"
)]
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(file: c_int, _offset: i64, _length: i64, _flags: c_uint) -> c_int {
    IN_PLACE.store(true, Ordering::Relaxed);
    // SAFETY: the caller holds the descriptor open for the time of the call, and it is not closed here.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(file) });
    // The error itself is where the caller looks for it: in errno.
    file.sync_data().map_or(-1, |()| 0)
}
