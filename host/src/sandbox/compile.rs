//! Compiling in a process of its own, whose memory and time are limited, so that a hostile component can harm nobody.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::engine;
use super::install::InstallError;
use super::settings::{Compiler, SandboxSettings};

/// The exit status of a compiler that refuses the component; the reason is on its standard error.
const REFUSED: u8 = 65;

/// The most bytes of a reason.
const REASON_BYTES: u64 = 4_096;

/// The argument that makes the program a compiler.
const COMMAND: &str = "compile";

/// Compiles a component for the engine of this host.
pub(super) async fn compile(settings: &SandboxSettings, wasm: &Bytes) -> Result<Vec<u8>, InstallError> {
    // The preamble tells components from core modules: version 0x0d in layer 1, and version 1 in layer 0.
    if wasm.get(4..8) == Some(&[1, 0, 0, 0]) {
        return Err(InstallError::CoreModule);
    }
    let code = match &settings.compiler {
        Compiler::CurrentProgram => {
            let program = std::env::current_exe().map_err(host)?;
            in_process(settings, &program, wasm).await?
        }
        Compiler::Program(program) => in_process(settings, program, wasm).await?,
        Compiler::ThisProcess => precompile(wasm).map_err(InstallError::Malformed)?,
    };
    Ok(code)
}

async fn in_process(settings: &SandboxSettings, program: &Path, wasm: &Bytes) -> Result<Vec<u8>, InstallError> {
    let child = Command::new(program)
        .arg(COMMAND)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal from the terminal is for the host, which ends it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(host)?;
    limit(settings, &child).map_err(host)?;
    let timeout = Duration::from_secs(settings.section.compile_timeout_s.into());
    let output = tokio::time::timeout(timeout, talk(settings, child, wasm))
        .await
        .map_err(|_| InstallError::CompileLimit {
            resource: "time",
            setting: "sandbox.compile_timeout_s",
        })?
        .map_err(host)?;
    let code_bytes = mebibytes(settings.section.code_mib);
    if output.code.len() as u64 > code_bytes {
        return Err(InstallError::TooLarge {
            what: "the compiled code",
            limit_mib: settings.section.code_mib,
            setting: "sandbox.code_mib",
        });
    }
    judge(output)
}

/// Limits the compiler. It waits for its standard input, so it has seen nothing of the component yet.
fn limit(settings: &SandboxSettings, child: &Child) -> io::Result<()> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let limits = [
        (Resource::As, mebibytes(settings.section.compile_memory_mib)),
        (Resource::Cpu, settings.section.compile_cpu_s.into()),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        prlimit(pid, resource, limit)?;
    }
    Ok(())
}

/// What a compiler left.
struct Output {
    status: ExitStatus,
    code: Vec<u8>,
    reason: Vec<u8>,
}

/// Hands the component over and collects what comes back: all at once, since either side may be waiting for the other.
async fn talk(settings: &SandboxSettings, mut child: Child, wasm: &Bytes) -> io::Result<Output> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let send = async {
        if let Some(mut stdin) = stdin {
            // A compiler that refuses early closes its end.
            match stdin.write_all(wasm).await {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        Ok(())
    };
    let ((), code, reason) = tokio::try_join!(
        send,
        read(stdout, mebibytes(settings.section.code_mib) + 1),
        read(stderr, REASON_BYTES)
    )?;
    Ok(Output {
        status: child.wait().await?,
        code,
        reason,
    })
}

async fn read(source: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(source) = source {
        source.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn judge(output: Output) -> Result<Vec<u8>, InstallError> {
    let Output { status, code, reason } = output;
    if status.success() {
        return Ok(code);
    }
    if status.code() == Some(REFUSED.into()) {
        return Err(InstallError::Malformed(String::from_utf8_lossy(&reason).into_owned()));
    }
    let killed_by = status.signal();
    if killed_by == Some(Signal::XCPU.as_raw()) || killed_by == Some(Signal::KILL.as_raw()) {
        return Err(InstallError::CompileLimit {
            resource: "CPU time",
            setting: "sandbox.compile_cpu_s",
        });
    }
    // A program of Rust aborts where it gets no memory.
    if killed_by == Some(Signal::ABORT.as_raw()) {
        return Err(InstallError::CompileLimit {
            resource: "memory",
            setting: "sandbox.compile_memory_mib",
        });
    }
    tracing::warn!(target: "sandbox", %status, reason = %String::from_utf8_lossy(&reason), "the compiler failed");
    Err(InstallError::Malformed("the compiler fails on it; see the log".into()))
}

/// The compiler: reads a component from standard input and writes its code to standard output. `main` calls this for
/// the hidden command `compile`, before it does anything else.
pub fn child_main() -> ExitCode {
    let mut wasm = Vec::new();
    if let Err(error) = io::stdin().lock().read_to_end(&mut wasm) {
        eprintln!("reading the component: {error}");
        return ExitCode::FAILURE;
    }
    match precompile(&wasm) {
        Ok(code) => match io::stdout().lock().write_all(&code) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(reason) => {
            eprint!("{reason}");
            ExitCode::from(REFUSED)
        }
    }
}

fn precompile(wasm: &[u8]) -> Result<Vec<u8>, String> {
    engine::compiling()
        .and_then(|engine| engine.precompile_component(wasm))
        .map_err(|error| format!("{error:#}"))
}

fn mebibytes(count: u32) -> u64 {
    u64::from(count) * 1_024 * 1_024
}

fn host(error: impl Into<io::Error>) -> InstallError {
    InstallError::Host(format!("starting the compiler: {}", error.into()))
}
