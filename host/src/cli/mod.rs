//! The commands, one file each. They print results on stdout and everything else on stderr.

mod account;
mod admin;
mod audit;
mod backup;
mod check;
mod dev;
mod download;
mod export;
mod failure;
mod import;
mod options;
mod outbox;
mod output;
mod policy;
mod reload;
mod restore;
mod run;
mod serve;
mod store;
pub mod toolchain;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// A backend in one binary: the host owns HTTP, data and policy, plugins own the logic.
#[derive(Parser)]
#[command(version, about, long_about = LONG_ABOUT, after_help = EXIT_CODES, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const LONG_ABOUT: &str = "A backend in one binary: the host owns HTTP, data and policy, plugins own the logic.

Plugins are WebAssembly components. Each call of one runs in a sandbox of its own and in one transaction, and may touch \
only what its role, its manifest (plugin.toml) and the operator's grants (portcullis.toml) allow together.

Start with `portcullis dev`, which builds the plugins in ./plugins, loads sample data and serves.";

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  failed, or not all of it could be done
  2  the command line is wrong

Environment:
  PORTCULLIS_LOG    what to log, before `[log] level`: error, warn, info, debug, trace, or per target `info,plugin=debug`
  PORTCULLIS_TOKEN  the operator token, before the one in the data directory";

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Dev(dev::Dev),
    Import(import::Import),
    Export(export::Export),
    Check(check::Check),
    Verify(verify::Verify),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Reload(reload::Reload),
    Account(account::Account),
    Outbox(outbox::Outbox),
    Audit(audit::Audit),
    Policy(policy::Policy),
    /// Compile a component from stdin to stdout: what the host starts to compile a plugin within limits
    #[command(hide = true)]
    Compile,
}

/// The whole program.
pub fn main() -> ExitCode {
    // clap ends the process itself: 0 after `--help` and `--version`, 2 where the command line is wrong.
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(command) => command.run(),
        Command::Dev(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Reload(command) => command.run(),
        Command::Account(command) => command.run(),
        Command::Outbox(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Compile => return crate::sandbox::compile::child_main(),
    };
    done.map_or_else(Failure::report, |()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        super::Arguments::command().debug_assert();
    }
}
