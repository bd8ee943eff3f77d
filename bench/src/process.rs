//! What the kernel knows about a server's process: its CPU time and its memory.

use std::time::Duration;
use std::{fs, io};

/// Clock ticks of `/proc/PID/stat` in a second: a constant of the Linux ABI on all that we run on.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time of all threads so far.
pub fn cpu(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, which may contain anything.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// Resident memory in MiB.
pub fn resident_mib(pid: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    let kib = line
        .trim()
        .trim_end_matches(" kB")
        .parse::<f64>()
        .map_err(io::Error::other)?;
    Ok(kib / 1024.0)
}
