//! Passwords come from a person at a terminal or from stdin, never from the command line, which others can read.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use crate::cli::failure::Failure;

/// More than any password has.
const MAX_BYTES: u64 = 4_096;

/// Asks for a password twice where somebody can answer, and reads a line otherwise.
pub(super) fn read() -> Result<String, Failure> {
    let cannot = |error: io::Error| Failure::Failed(format!("cannot read the password: {error}"));
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin()
            .lock()
            .take(MAX_BYTES)
            .read_line(&mut line)
            .map_err(cannot)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = rpassword::prompt_password("Password: ").map_err(cannot)?;
    let second = rpassword::prompt_password("Again: ").map_err(cannot)?;
    match first == second {
        true => Ok(first),
        false => Err(Failure::Failed("these are two different passwords".to_owned())),
    }
}

/// Asks before something that can't be undone; where nobody can answer, it is not done.
pub(super) fn confirm(what: &str) -> Result<(), Failure> {
    let refused = || Failure::Failed("nothing was done: confirm it with `yes`, or give --yes".to_owned());
    if !io::stdin().is_terminal() {
        return Err(refused());
    }
    eprint!("{what} Go on? [yes/no] ");
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_BYTES).read_line(&mut line);
    read.map_err(|error| Failure::Failed(format!("cannot read the answer: {error}")))?;
    match line.trim() {
        "yes" => Ok(()),
        _ => Err(refused()),
    }
}
