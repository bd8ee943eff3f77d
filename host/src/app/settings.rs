//! The settings that security rests on, as the audit log tells of them: by their names in `portcullis.toml`, and without secrets.
//!
//! Each section is taken apart whole, so that a new setting does not compile until somebody has decided whether it is told.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::{
    Accounts, Attempts, Config, Cors, Hashing, Mail, Passwords, Provider, Rate, Rates, Registration, Request,
    SecondFactor, Server, Sessions,
};
use crate::storage::audit::Settings;

/// What a configuration says.
pub(super) fn of(config: &Config) -> Settings {
    let Config {
        server,
        rates,
        accounts,
        mail,
        oidc,
        request,
        // Told otherwise: what plugins may touch, and the policies.
        policy: _,
        grants: _,
        // What plugins are told may hold a secret; the rest says how much, and where.
        plugins: _,
        data: _,
        sandbox: _,
        limits: _,
        log: _,
    } = config;
    let Request { headers } = request;
    let mut told = Settings::from([("request.headers".to_owned(), json!(headers))]);
    add(&mut told, "server", of_server(server));
    add(&mut told, "rates", of_rates(rates));
    add(&mut told, "accounts", of_accounts(accounts));
    add(&mut told, "mail", of_mail(mail));
    for (name, provider) in oidc {
        add(&mut told, "oidc", [(name.as_str(), of_provider(provider))]);
    }
    told
}

fn add<'n>(told: &mut Settings, section: &str, settings: impl IntoIterator<Item = (&'n str, Value)>) {
    let named = |(name, value)| (format!("{section}.{name}"), value);
    told.extend(settings.into_iter().map(named));
}

fn of_server(server: &Server) -> [(&'static str, Value); 9] {
    let Server {
        listen,
        admin_listen,
        public_url,
        tls: _,
        acme: _,
        hsts_seconds,
        behind_proxy,
        trusted_proxies,
        cors,
        // What a connection and a request may cost.
        connections: _,
        connections_per_address: _,
        header_timeout_ms: _,
        body_timeout_ms: _,
        idle_timeout_ms: _,
        drain_timeout_ms: _,
        header_kib: _,
        header_count: _,
        body_kib: _,
        batch_operations: _,
    } = server;
    let Cors {
        origins,
        credentials,
        max_age_seconds: _,
    } = cors;
    let proxies: Vec<String> = trusted_proxies.iter().map(ToString::to_string).collect();
    [
        // Who reaches it depends on the address, not on the port.
        ("listen", json!(listen.ip())),
        ("admin_listen", json!(admin_listen.ip())),
        ("public_url", json!(public_url)),
        ("with_tls", json!(server.is_secure())),
        ("hsts_seconds", json!(hsts_seconds)),
        ("behind_proxy", json!(behind_proxy)),
        ("trusted_proxies", json!(proxies)),
        ("cors.origins", json!(origins)),
        ("cors.credentials", json!(credentials)),
    ]
}

fn of_rates(rates: &Rates) -> [(&'static str, Value); 5] {
    let Rates {
        api,
        account,
        auth,
        mail,
        routes,
    } = rates;
    let rate = |Rate { per_second, burst }: &Rate| json!({ "per_second": per_second, "burst": burst });
    let routes = routes.iter().map(|route| {
        let method = route.method.iter().map(|method| format!("{method} "));
        (method.chain([route.path.clone()]).collect(), rate(&route.rate))
    });
    [
        ("api", rate(api)),
        ("account", rate(account)),
        ("auth", rate(auth)),
        ("mail", rate(mail)),
        ("routes", json!(routes.collect::<BTreeMap<String, Value>>())),
    ]
}

fn of_accounts(accounts: &Accounts) -> [(&'static str, Value); 10] {
    let Accounts {
        registration,
        passwords,
        hashing,
        sessions,
        second_factor,
        attempts,
        activity,
    } = accounts;
    let Passwords {
        length,
        length_with_second_factor,
        blocklist,
    } = passwords;
    let SecondFactor {
        email_codes,
        required_for,
        key_file: _,
        issuer: _,
    } = second_factor;
    let Attempts {
        per_account,
        per_network,
    } = attempts;
    let registration = match registration {
        Registration::Open => "open",
        Registration::Closed => "closed",
    };
    [
        ("registration", json!(registration)),
        ("passwords.length", json!(length)),
        ("passwords.length_with_second_factor", json!(length_with_second_factor)),
        ("passwords.blocklist", json!(blocklist)),
        ("hashing", of_hashing(hashing)),
        ("sessions", of_sessions(sessions)),
        ("second_factor.email_codes", json!(email_codes)),
        ("second_factor.required_for", json!(required_for)),
        (
            "attempts",
            json!({ "per_account": per_account, "per_network": per_network }),
        ),
        ("activity.days", json!(activity.days)),
    ]
}

fn of_hashing(hashing: &Hashing) -> Value {
    let Hashing {
        memory_kib,
        iterations,
        lanes,
        // As many as there are cores: it says nothing of what is stored.
        concurrent: _,
    } = hashing;
    json!({ "memory_kib": memory_kib, "iterations": iterations, "lanes": lanes })
}

fn of_sessions(sessions: &Sessions) -> Value {
    let Sessions {
        idle_minutes,
        hours,
        recent_minutes,
    } = sessions;
    json!({ "idle_minutes": idle_minutes, "hours": hours, "recent_minutes": recent_minutes })
}

/// Through whom the links go that set a password.
fn of_mail(mail: &Mail) -> [(&'static str, Value); 1] {
    let Mail {
        server,
        from: _,
        username: _,
        password_file: _,
        templates: _,
    } = mail;
    [("server", json!(server))]
}

fn of_provider(provider: &Provider) -> Value {
    let Provider {
        issuer,
        client_id,
        scopes,
        secret,
        label: _,
    } = provider;
    json!({ "issuer": issuer, "client_id": client_id, "scopes": scopes, "with_secret": secret.is_some() })
}
