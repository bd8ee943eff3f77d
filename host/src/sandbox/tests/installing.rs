//! What is refused when a component is installed, and what the code cache holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bytes::Bytes;

use super::{Bench, create, generous, guests, invocation, settings, text};
use crate::manifest::Instances;
use crate::sandbox::{Compiler, InstallError, Sandbox};

async fn refusal(wasm: impl Into<Bytes>) -> InstallError {
    let bench = Bench::new();
    let loaded = bench.sandbox.load(wasm.into(), Instances::Fresh).await;
    loaded.err().expect("a refusal")
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    assert!(matches!(refusal("no wasm at all").await, InstallError::Malformed(_)));
    assert!(matches!(refusal("").await, InstallError::Malformed(_)));
    assert!(matches!(
        refusal(guests::echo().slice(..100)).await,
        InstallError::Malformed(_)
    ));
}

#[tokio::test]
async fn a_core_module_is_told_from_a_component() {
    let module = wat::parse_str("(module)").unwrap();
    assert_eq!(refusal(module).await, InstallError::CoreModule);
}

/// What is said of a component that is written as text.
async fn refusal_of(text: &str) -> InstallError {
    refusal(wat::parse_str(text).expect("a component")).await
}

#[tokio::test]
async fn every_missing_import_is_named() {
    let refused = refusal_of(
        r#"(component
            (import "portcullis:plugin/request@0.1.0" (instance (export "now-ms" (func (result u64)))))
            (import "test:mail/smtp@1.0.0" (instance (export "send" (func))))
            (import "wasi:http/outgoing-handler@0.2.0" (instance)))"#,
    );
    let missing = ["test:mail/smtp@1.0.0", "wasi:http/outgoing-handler@0.2.0"];
    assert_eq!(
        refused.await,
        InstallError::MissingImports(missing.map(String::from).to_vec())
    );
}

#[tokio::test]
async fn another_version_of_the_contract_is_named() {
    for text in [
        r#"(component (import "portcullis:plugin/documents@0.2.0" (instance)))"#,
        r#"(component (instance $none) (export "portcullis:plugin/documents@0.2.0" (instance $none)))"#,
    ] {
        let InstallError::WrongVersion { found, spoken } = refusal_of(text).await else {
            panic!("another refusal");
        };
        assert_eq!(found, "portcullis:plugin/documents@0.2.0");
        assert_eq!(spoken, "portcullis:plugin@0.1.0");
    }
}

#[tokio::test]
async fn a_component_without_a_role_is_refused() {
    assert_eq!(refusal_of("(component)").await, InstallError::NoRole);
}

#[tokio::test]
async fn an_import_of_another_type_is_refused() {
    let text = r#"(component
        (import "portcullis:plugin/request@0.1.0" (instance (export "now-ms" (func (result string))))))"#;
    assert!(matches!(refusal_of(text).await, InstallError::Mismatch(_)));
}

#[tokio::test]
async fn an_export_without_its_functions_is_refused() {
    let text = r#"(component (instance $none) (export "portcullis:plugin/crud@0.1.0" (instance $none)))"#;
    assert!(matches!(refusal_of(text).await, InstallError::Mismatch(_)));
}

#[tokio::test]
async fn a_component_that_fails_at_its_start_is_refused() {
    for (items, reason) in [
        ("(func $start unreachable) (start $start)", "the plugin trapped"),
        ("(func $start (loop $again (br $again))) (start $start)", "CPU time"),
    ] {
        let InstallError::Instantiation(message) = refusal(guests::hooks(items, "unreachable")).await else {
            panic!("another refusal");
        };
        assert!(message.contains(reason), "{message}");
    }
}

#[tokio::test]
async fn a_component_with_more_memories_than_the_pool_gives_is_refused() {
    let memories = "(core module $m (memory 1)) ".to_owned() + &"(core instance (instantiate $m)) ".repeat(5);
    let text =
        format!(r#"(component {memories} (instance $none) (export "portcullis:plugin/crud@0.1.0" (instance $none)))"#);
    assert!(matches!(refusal_of(&text).await, InstallError::Instantiation(_)));
}

#[tokio::test]
async fn compiled_code_is_used_again() {
    let bench = Bench::new();
    bench.guest(guests::echo()).await;
    let mut settings = settings(&bench.directory);
    settings.compiler = Compiler::Program(PathBuf::from("/nonexistent"));
    let second = Sandbox::new(settings).unwrap();
    let guest = second.load(guests::echo(), Instances::Fresh).await.unwrap();
    assert_eq!(text(create(&guest, invocation(generous())).await), r#"{"name":"it"}"#);
}

#[tokio::test]
async fn compiled_code_that_was_changed_is_not_loaded() {
    let bench = Bench::new();
    bench.guest(guests::echo()).await;
    let code = bench.code_files().pop().unwrap();
    let mut bytes = fs::read(&code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&code, &bytes).unwrap();
    bench.guest(guests::echo()).await;
    assert_ne!(fs::read(&code).unwrap(), bytes, "it was compiled anew");
}

#[tokio::test]
async fn compiled_code_of_another_component_is_not_loaded() {
    let bench = Bench::new();
    bench.guest(guests::echo()).await;
    let first = bench.code_files();
    bench.guest(guests::hooks("", "unreachable")).await;
    let second = bench
        .code_files()
        .into_iter()
        .find(|path| !first.contains(path))
        .unwrap();
    fs::copy(&first[0], &second).unwrap();
    let guest = bench.guest(guests::hooks("", "unreachable")).await;
    assert!(
        create(&guest, invocation(generous())).await.result.is_err(),
        "the trap, not the echo"
    );
}

#[tokio::test]
async fn only_the_owner_may_read_the_key_and_the_directory() {
    let bench = Bench::new();
    let directory = bench.directory.path().join("code");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(directory.join("key")), 0o600);
    assert_eq!(mode(directory), 0o700);
}

impl Bench {
    fn code_files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join("code")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some()).collect()
    }
}
