//! What good configurations mean; the bad ones are golden pairs in `tests/config`.

use std::fs;
use std::path::Path;

use super::*;
use crate::manifest::Action;

fn parse(text: &str) -> Config {
    Config::parse(FILE_NAME, text).unwrap_or_else(|complaints| panic!("{complaints}"))
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(parse(""), Config::default());
}

#[test]
fn each_section_is_read() {
    let config = parse(
        r#"
        [server]
        listen = "[::]:80"
        body_kib = 64
        trusted_proxies = ["10.0.0.0/8", "::1"]
        [server.cors]
        origins = ["https://app.example.org", "http://[::1]:5173"]
        [rates]
        api = { per_second = 0 }
        mail = { per_second = 2, burst = 20 }
        [data]
        directory = "/srv/data"
        engine = "memory"
        [sandbox]
        instances = 16
        [limits]
        memory_mib = 64
        [request]
        headers = ["X-Tenant"]
        [log]
        level = "warn,plugin=debug"
        format = "json"
        [plugins.orders.settings]
        max_lines = 50
        greeting = "hello"
        [grants.orders.collections]
        products = { actions = ["read", "update"], as = "system" }
        "#,
    );
    assert_eq!(config.server.listen.to_string(), "[::]:80");
    assert!(config.server.trusted_proxies[1].contains(&"::1".parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(config.server.cors.origins.len(), 2);
    assert_eq!((config.rates.api.per_second, config.rates.mail.burst), (0, 20));
    assert_eq!((config.server.body_kib, config.server.header_kib), (64, 32));
    assert_eq!(
        (config.data.directory.as_path(), config.data.engine),
        (Path::new("/srv/data"), EngineKind::Memory)
    );
    assert_eq!(config.sandbox.instances, 16);
    assert_eq!(config.limits.memory_mib, 64);
    assert_eq!(config.request.headers, ["x-tenant".to_owned()].into());
    assert_eq!(
        (config.log.level.as_str(), config.log.format),
        ("warn,plugin=debug", LogFormat::Json)
    );
    let settings = &config.plugins["orders"].settings;
    assert_eq!(
        (settings["max_lines"].as_str(), settings["greeting"].as_str()),
        ("50", "hello")
    );
    let granted = &config.grants["orders"].collections["products"];
    assert_eq!(granted.actions, [Action::List, Action::Read, Action::Update].into());
    assert!(granted.as_system);
}

#[test]
fn a_relative_path_starts_at_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    let text = "[data]\ndirectory = \"store\"\n[server.tls]\ncertificate = \"cert.pem\"\nkey = \"/etc/key.pem\"";
    fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.data.directory, folder.path().join("store"));
    let tls = config.server.tls.unwrap();
    assert_eq!(tls.certificate, folder.path().join("cert.pem"));
    assert_eq!(tls.key, Path::new("/etc/key.pem"));
}

#[test]
fn the_files_of_policies_are_read_with_the_configuration_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    fs::write(&file, "[policy]\ndirectory = \"policies\"").unwrap();
    let missing = Config::load(&file).unwrap_err().to_string();
    assert!(missing.contains("policies"), "{missing}");
    let policies = folder.path().join("policies");
    fs::create_dir_all(policies.join("within")).unwrap();
    for (name, text) in [
        ("b.cedar", "b"),
        ("a.cedar", "a"),
        ("notes.txt", "c"),
        ("within/d.cedar", "d"),
    ] {
        fs::write(policies.join(name), text).unwrap();
    }
    let read = Config::load(&file).unwrap().policy.files;
    assert_eq!(
        read.iter().map(|file| file.text.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(read[0].name, policies.join("a.cedar").display().to_string());
    fs::write(policies.join("c.cedar"), "x".repeat(256 * 1024 + 1)).unwrap();
    let large = Config::load(&file).unwrap_err().to_string();
    assert!(large.contains("c.cedar") && large.contains("256 KiB"), "{large}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/portcullis.toml")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot read /nonexistent/portcullis.toml: "),
        "{error}"
    );
}

#[test]
fn a_reload_changes_what_may_change_and_names_the_rest() {
    let old = parse("[server]\nbody_kib = 64");
    let (config, ignored) = old.reloaded(parse("[log]\nlevel = \"warn\"\n[limits]\nmemory_mib = 1"));
    assert_eq!((config.limits.memory_mib, config.server.body_kib), (1, 64));
    assert_eq!(config.log, Log::default());
    assert_eq!(ignored, ["[server]", "[log]"]);
}

/// Every line of the example that could be a setting holds the default, so the file documents what the code does.
#[test]
fn the_example_in_the_repository_shows_every_key_with_its_default() {
    let text = include_str!("../../../portcullis.toml");
    let mut in_acme = false;
    let shown: String = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.contains(" = ") && !setting.starts_with(char::is_uppercase) => setting,
            Some(section) if section.starts_with('[') => section,
            _ => line,
        })
        // A secret is in one place; the other one is shown as well.
        .filter(|line| !line.starts_with("client_secret_file"))
        // So is the certificate.
        .filter(|line| {
            in_acme = *line == "[server.acme]" || (in_acme && !line.is_empty());
            !in_acme
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&shown);
    let mut default = Config {
        plugins: config.plugins.clone(),
        grants: config.grants.clone(),
        ..Config::default()
    };
    // These have no default, or one that is the machine's.
    default.server.public_url.clone_from(&config.server.public_url);
    default.server.tls.clone_from(&config.server.tls);
    default.rates.routes.clone_from(&config.rates.routes);
    default.policy.directory.clone_from(&config.policy.directory);
    default.accounts.hashing.concurrent = config.accounts.hashing.concurrent;
    let blocklist = &config.accounts.passwords.blocklist;
    default.accounts.passwords.blocklist.clone_from(blocklist);
    let shown_factor = &config.accounts.second_factor;
    default
        .accounts
        .second_factor
        .key_file
        .clone_from(&shown_factor.key_file);
    default.accounts.second_factor.issuer.clone_from(&shown_factor.issuer);
    default.oidc.clone_from(&config.oidc);
    default.mail = Mail {
        from: default.mail.from,
        ..config.mail.clone()
    };
    assert_eq!(config, default);
    for section in [
        "server",
        "server.tls",
        "server.acme",
        "server.cors",
        "rates",
        "data",
        "accounts.passwords",
        "accounts.hashing",
        "accounts.sessions",
        "accounts.second_factor",
        "accounts.attempts",
        "accounts.activity",
        "mail",
        "oidc.example",
        "sandbox",
        "limits",
        "request",
        "policy",
        "log",
    ] {
        let shown = text
            .split_once(&format!("[{section}]"))
            .unwrap()
            .1
            .replace("\n# ", "\n");
        for key in keys(section) {
            let is_section = text.contains(&format!("[{section}.{key}]\n"));
            assert!(
                is_section || shown.contains(&format!("\n{key} = ")),
                "{key} of [{section}] is not shown"
            );
        }
    }
}

/// The keys of a section, as the complaint about an unknown one lists them.
fn keys(section: &str) -> Vec<String> {
    let complaints = Config::parse(FILE_NAME, &format!("[{section}]\nno-such-key = 1")).unwrap_err();
    let help = complaints
        .iter()
        .next()
        .and_then(|complaint| complaint.help.clone())
        .unwrap();
    help.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
