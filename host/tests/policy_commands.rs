//! `portcullis policy`: who may do what and by which rule, without a running host.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps says where it failed, helpers included"
)]

mod common;

use std::fs;
use std::process::Output;

use tempfile::TempDir;

use common::{command, scratch, stderr, stdout};

const MANIFEST: &str = r#"[plugin]
name = "catalog"
version = "0.1.0"

[[resource]]
name = "products"
schema = "schema.json"
access = { list = "anyone", read = "anyone", create = "member", update = "owner" }
"#;
const SCHEMA: &str = r#"{"type": "object", "properties": {"price_cents": {"type": "integer"}}}"#;
const POLICIES: &str = r#"// What clerks may do beside their own.
@id("cheap")
permit (principal in Portcullis::Role::"clerk", action == Portcullis::Action::"update", resource is Portcullis::products)
when { resource has price_cents && resource.price_cents < 1000 };

forbid (principal, action == Portcullis::Action::"read", resource is Portcullis::products)
when { resource has price_cents && resource.price_cents > 100000 };
"#;
const ADA: &str = "account:0198c0de-0000-7000-8000-000000000001";

/// A folder with a plugin, and with these policies.
fn folder(policies: &str) -> TempDir {
    let folder = scratch();
    let plugin = folder.path().join("plugins/catalog");
    fs::create_dir_all(&plugin).unwrap();
    fs::write(plugin.join("plugin.toml"), MANIFEST).unwrap();
    fs::write(plugin.join("schema.json"), SCHEMA).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/shop.cedar"), policies).unwrap();
    fs::write(
        folder.path().join("portcullis.toml"),
        "[policy]\ndirectory = \"policies\"\n",
    )
    .unwrap();
    folder
}

fn policy(folder: &TempDir, arguments: &[&str]) -> Output {
    command(folder.path()).arg("policy").args(arguments).output().unwrap()
}

fn asked<'a>(what: &'a str, principal: &'a str, action: &'a str, resource: &'a str) -> Vec<&'a str> {
    vec![
        what,
        "--principal",
        principal,
        "--action",
        action,
        "--resource",
        resource,
    ]
}

#[test]
fn the_access_word_that_decides_is_named_with_its_line() {
    let folder = folder(POLICIES);
    for (principal, action, said) in [
        (
            "anonymous",
            "list",
            "allow: somebody who is not signed in may list products\n  plugins/catalog/plugin.toml:8  list = \"anyone\"\n",
        ),
        (
            "anonymous",
            "create",
            "deny: somebody who is not signed in may not create products\n  plugins/catalog/plugin.toml:8  create = \"member\"\n",
        ),
        (
            "operator",
            "delete",
            "deny: the operator may not delete products\n  plugins/catalog/plugin.toml  delete is left out, which means \"nobody\"\n",
        ),
    ] {
        let output = policy(&folder, &asked("explain", principal, action, "products"));
        assert_eq!(stdout(&output), said, "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn the_policy_that_decides_is_named_with_its_line_and_its_id() {
    let folder = folder(POLICIES);
    let update = |principal: &str, more: &[&str]| {
        let arguments = [&asked("explain", principal, "update", "products")[..], more].concat();
        stdout(&policy(&folder, &arguments))
    };
    let said = update("role:clerk", &["--document", r#"{"price_cents": 5}"#]);
    assert!(
        said.starts_with("allow: an account with the roles clerk may update products\n"),
        "{said}"
    );
    assert!(said.contains("policies/shop.cedar:2  @id(\"cheap\")"), "{said}");
    let said = update(ADA, &["--owner", "self"]);
    assert!(
        said.starts_with("allow: ") && said.contains("plugin.toml:8  update = \"owner\""),
        "{said}"
    );
    let said = update("role:clerk", &["--document", r#"{"price_cents": 5000}"#]);
    assert!(
        said.starts_with("deny: ") && said.contains("update = \"owner\""),
        "{said}"
    );

    // Of a document nobody has said what it holds: whoever asks is told that it counts.
    let read = asked("explain", "operator", "read", "products");
    let said = stdout(&policy(&folder, &read));
    assert!(
        said.starts_with("allow: the operator may read products, where it has none of the fields"),
        "{said}"
    );
    let read = [&read[..], &["-o", "json"]].concat();
    let said: serde_json::Value = serde_json::from_str(&stdout(&policy(&folder, &read))).unwrap();
    assert_eq!(said["depends_on_document"], true);

    let read = asked("explain", "operator", "read", "products");
    let read = [&read[..], &["--document", r#"{"price_cents": 100001}"#, "-o", "json"]].concat();
    let said: serde_json::Value = serde_json::from_str(&stdout(&policy(&folder, &read))).unwrap();
    assert_eq!(said["decision"], "deny");
    assert_eq!(said["depends_on_document"], false);
    assert_eq!(said["rules"][0]["line"], 6);
    assert_eq!(said["rules"][0]["rule"], "a policy without an @id");
}

#[test]
fn one_decision_is_tested_by_the_exit_code() {
    let folder = folder(POLICIES);
    let code = |principal: &str, action: &str, more: &[&str]| {
        let arguments = [&asked("test", principal, action, "products")[..], more].concat();
        policy(&folder, &arguments).status.code()
    };
    assert_eq!(code("anonymous", "read", &[]), Some(0));
    assert_eq!(code("anonymous", "update", &[]), Some(1));
    assert_eq!(code(ADA, "update", &[]), Some(1));
    assert_eq!(code(ADA, "update", &["--owner", "self"]), Some(0));
    assert_eq!(code("member", "update", &[]), Some(2));
    assert_eq!(code("anonymous", "write", &[]), Some(2));
    assert_eq!(code("anonymous", "read", &["--document", "[]"]), Some(2));
    assert_eq!(policy(&folder, &["test"]).status.code(), Some(2));
    assert_eq!(
        policy(&folder, &["test", "--principal", "anonymous"]).status.code(),
        Some(2)
    );
    let unknown = policy(&folder, &asked("test", "anonymous", "read", "product"));
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("there are: products"), "{}", stderr(&unknown));
}

#[test]
fn a_file_of_cases_shows_those_that_are_not_as_expected() {
    let folder = folder(POLICIES);
    let run = |text: &str| {
        fs::write(folder.path().join("cases.toml"), text).unwrap();
        policy(&folder, &["test", "cases.toml"])
    };
    let good = format!(
        "[[case]]\nprincipal = \"anonymous\"\naction = \"list\"\nresource = \"products\"\nexpect = \"allow\"\n\n\
         [[case]]\nname = \"clerks\"\nprincipal = [\"{ADA}\", \"role:clerk\"]\naction = \"update\"\nresource = \"products\"\n\
         document = {{ price_cents = 5 }}\nexpect = \"allow\"\n"
    );
    let output = run(&good);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "all 2 cases are as expected\n");
    let output = run(&good.replace("price_cents = 5", "price_cents = 5000"));
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(
        said.starts_with("cases.toml:7  clerks\n- expected allow\n+ deny: "),
        "{said}"
    );
    assert!(said.ends_with("1 of 2 cases are not as expected\n"), "{said}");
    for (bad, complaint) in [
        (
            good.replace("expect = \"allow\"", "expect = \"yes\""),
            "unknown decision `yes`",
        ),
        (
            good.replace("action = \"list\"", "action = \"write\""),
            "`write` is no action",
        ),
        (good.replace("name = ", "title = "), "unknown key `title`"),
        (String::new(), "no [[case]]"),
    ] {
        let output = run(&bad);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
    }
}

#[test]
fn policies_are_checked_and_their_schema_is_printed() {
    let sound = folder(POLICIES);
    let said = stdout(&policy(&sound, &["check"]));
    assert_eq!(said, "the file of policies is sound\n  products: read, update\n");
    let said = stdout(&policy(&sound, &["schema"]));
    assert!(said.contains("entity products"), "{said}");
    let wrong = folder("permit (principal, action, resource is Portcullis::product);\n");
    let output = policy(&wrong, &["check"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.starts_with("error: ") && said.contains("shop.cedar:1:40"),
        "{said}"
    );
}
