//! The table: what each route answers to each kind of caller.

use super::callers::Caller;

/// A listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Surface {
    Api,
    Admin,
}

/// One method of one route. In its path and its body, what is in braces is filled in: with something of the owner's.
pub(crate) struct Row {
    pub(crate) surface: Surface,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// A JSON text, or a form on a page; empty for none.
    pub(crate) body: &'static str,
    rule: Rule,
}

/// Who gets which status.
enum Rule {
    /// Everybody, whatever they present.
    Public(u16),
    /// Who is signed in by a session.
    Session(u16),
    /// Who has proved of late who they are.
    Recent(u16),
    /// The one whose it is; to others it does not exist.
    Own(u16),
    /// The same, if they have proved of late who they are.
    OwnRecent(u16),
    /// The operator and administrators.
    Operator(u16),
    /// Everybody who may present nothing, but nothing wrong.
    Anyone(u16),
    /// What else: for each kind of caller, in the order of `Caller::ALL`.
    Each([u16; Caller::ALL.len()]),
}

impl Row {
    pub(crate) fn expected(&self, caller: Caller) -> u16 {
        use Caller::{
            Administrator, Anonymous, Cookie, Expired, ExpiredCookie, Foreign, Garbage, Half, Operator, Other, Program,
            Revoked, Role, Stale,
        };
        match (&self.rule, caller) {
            (Rule::Each(statuses), caller) => statuses[caller as usize],
            (Rule::Public(status), _) => *status,
            (_, Expired | ExpiredCookie | Revoked | Half | Garbage) => 401,
            // The admin API takes no cookies, whosever they are.
            (Rule::Operator(_), Cookie | Foreign) => 401,
            (_, Foreign) => 403,
            (Rule::Anyone(status), _) => *status,
            (_, Anonymous) => 401,
            (Rule::Operator(status), Administrator | Operator) => *status,
            (Rule::Operator(_), _) => 403,
            // Neither has a session.
            (_, Program | Operator) => 403,
            (Rule::Recent(_) | Rule::OwnRecent(_), Stale) => 403,
            (Rule::Own(_) | Rule::OwnRecent(_), Other | Role | Administrator | Stale) => 404,
            (Rule::Own(status) | Rule::OwnRecent(status) | Rule::Session(status) | Rule::Recent(status), _) => *status,
        }
    }
}

const fn api(method: &'static str, path: &'static str, body: &'static str, rule: Rule) -> Row {
    Row {
        surface: Surface::Api,
        method,
        path,
        body,
        rule,
    }
}

const fn admin(method: &'static str, path: &'static str, body: &'static str, status: u16) -> Row {
    Row {
        surface: Surface::Admin,
        method,
        path,
        body,
        rule: Rule::Operator(status),
    }
}

const fn everywhere(surface: Surface, path: &'static str) -> Row {
    Row {
        surface,
        method: "GET",
        path,
        body: "",
        rule: Rule::Public(200),
    }
}

use Rule::{Anyone, Each, Own, OwnRecent, Public, Recent, Session};

/// What a browser answers with a passkey, but nothing is signed.
const PASSKEY_ANSWER: &str = r#"{"challenge": "pck_none", "credential": {"type": "public-key", "id": "AA", "rawId": "AA",
    "response": {"authenticatorData": "AA", "clientDataJSON": "AA", "signature": "AA"}}}"#;
/// What a browser makes, but empty.
const NEW_PASSKEY: &str = r#"{"credential": {"type": "public-key", "id": "AA", "rawId": "AA",
    "response": {"attestationObject": "AA", "clientDataJSON": "AA"}}}"#;

/// Every route. The host's products have the access words
/// `{ list = "anyone", read = "member", create = "member", update = "owner", delete = "role:editor" }`, and the program may
/// read.
pub(crate) static TABLE: &[Row] = &[
    everywhere(Surface::Api, "/healthz"),
    everywhere(Surface::Api, "/readyz"),
    everywhere(Surface::Admin, "/healthz"),
    everywhere(Surface::Admin, "/readyz"),
    //    anon own  cook forn othr role adm  prog oper half gar  rev  stal exp  exck
    api("GET", "/api/products", "", Anyone(200)),
    api(
        "POST",
        "/api/products",
        r#"{"sku": "{sku}", "name": "Lamp"}"#,
        Each([
            401, 201, 201, 403, 201, 201, 201, 403, 201, 401, 401, 401, 201, 401, 401,
        ]),
    ),
    api(
        "GET",
        "/api/products/{product}",
        "",
        Each([
            401, 200, 200, 403, 200, 200, 200, 200, 200, 401, 401, 401, 200, 401, 401,
        ]),
    ),
    api(
        "PUT",
        "/api/products/{product}",
        r#"{"sku": "{sku}", "name": "Lamp"}"#,
        Each([
            401, 200, 200, 403, 403, 403, 200, 403, 200, 401, 401, 401, 403, 401, 401,
        ]),
    ),
    api(
        "PATCH",
        "/api/products/{product}",
        r#"{"name": "Lamp"}"#,
        Each([
            401, 200, 200, 403, 403, 403, 200, 403, 200, 401, 401, 401, 403, 401, 401,
        ]),
    ),
    api(
        "DELETE",
        "/api/products/{product}",
        "",
        Each([
            401, 403, 403, 403, 403, 204, 204, 403, 204, 401, 401, 401, 403, 401, 401,
        ]),
    ),
    api(
        "POST",
        "/api/batch",
        r#"{"operations": [{"method": "DELETE", "path": "/api/products/{product}"}]}"#,
        Each([
            401, 403, 403, 403, 403, 200, 200, 403, 200, 401, 401, 401, 403, 401, 401,
        ]),
    ),
    // What needs no session takes no notice of one.
    api(
        "POST",
        "/auth/register",
        r#"{"email": "{sku}@example.org", "password": "plover quartz ninety lamp"}"#,
        Public(201),
    ),
    api(
        "POST",
        "/auth/email/verify",
        r#"{"token": "pcl_none", "password": ""}"#,
        Public(410),
    ),
    api(
        "POST",
        "/auth/password/forgot",
        r#"{"email": "nobody@example.org"}"#,
        Public(204),
    ),
    api(
        "POST",
        "/auth/password/reset",
        r#"{"token": "pcl_none", "new": "seventeen copper umbrellas"}"#,
        Public(410),
    ),
    api(
        "POST",
        "/auth/login",
        r#"{"email": "{email}", "password": "plover quartz ninety lamp"}"#,
        Public(200),
    ),
    api(
        "POST",
        "/auth/login/verify",
        r#"{"challenge": "pcc_none", "method": "totp", "code": "000000"}"#,
        Public(410),
    ),
    // Only a browser has passkeys: tests/peers has one.
    api("POST", "/auth/login/passkey/options", "{}", Public(200)),
    api("POST", "/auth/login/passkey", PASSKEY_ANSWER, Public(410)),
    api("GET", "/auth/receipt-key", "", Public(200)),
    api("GET", "/account/verify?token=pcl_none", "", Public(410)),
    api("POST", "/account/verify", "token=pcl_none", Public(410)),
    api("GET", "/account/reset?token=pcl_none", "", Public(410)),
    api(
        "POST",
        "/account/reset",
        "token=pcl_none&new=seventeen+copper+umbrellas",
        Public(410),
    ),
    api("GET", "/account/end-session?token=pcl_none", "", Public(410)),
    api("POST", "/account/end-session", "token=pcl_none", Public(410)),
    api("GET", "/account/setup?token=pcl_none", "", Public(410)),
    api(
        "POST",
        "/account/setup",
        "token=pcl_none&email=eve%40example.org&new=seventeen+copper+umbrellas",
        Public(410),
    ),
    // What somebody does with their own account.
    api("GET", "/auth/me", "", Session(200)),
    api("POST", "/auth/logout", "{}", Session(204)),
    api(
        "POST",
        "/auth/reauthenticate",
        r#"{"password": "plover quartz ninety lamp"}"#,
        Session(200),
    ),
    api("POST", "/auth/reauthenticate/options", "{}", Session(409)),
    api("GET", "/auth/sessions", "", Session(200)),
    api("DELETE", "/auth/sessions", "", Recent(204)),
    api("DELETE", "/auth/sessions/{session}", "", OwnRecent(204)),
    api("GET", "/auth/activity", "", Session(200)),
    api("GET", "/auth/tokens", "", Session(200)),
    api("DELETE", "/auth/tokens/{token}", "", Own(204)),
    // What they must have proved of late who they are for.
    api(
        "POST",
        "/auth/tokens",
        r#"{"name": "backup", "scopes": ["read"]}"#,
        Recent(201),
    ),
    api(
        "POST",
        "/auth/password",
        r#"{"new": "seventeen copper umbrellas"}"#,
        Recent(200),
    ),
    api("POST", "/auth/totp", "{}", Recent(200)),
    api("POST", "/auth/totp/confirm", r#"{"code": "000000"}"#, Recent(409)),
    api("DELETE", "/auth/totp", "", Recent(404)),
    api("POST", "/auth/recovery-codes", "{}", Recent(409)),
    api("GET", "/auth/passkeys", "", Session(200)),
    api("POST", "/auth/passkeys/options", "{}", Recent(200)),
    api("POST", "/auth/passkeys", NEW_PASSKEY, Recent(410)),
    api("DELETE", "/auth/passkeys/{nothing}", "", Recent(404)),
    // Nobody comes back from the provider here: tests/peers has another, and unlinks what was linked.
    api("GET", "/auth/oidc", "", Public(200)),
    api("GET", "/auth/oidc/example", "", Public(302)),
    api("GET", "/auth/oidc/example/callback", "", Public(400)),
    api("GET", "/auth/identities", "", Session(200)),
    api("POST", "/auth/identities", r#"{"provider": "example"}"#, Recent(200)),
    api("DELETE", "/auth/identities/{nothing}", "", Recent(404)),
    api("GET", "/auth/me/export", "", Recent(200)),
    api("DELETE", "/auth/me", "", Recent(200)),
    // What an operator does.
    admin("GET", "/admin/api/plugins", "", 200),
    admin("POST", "/admin/api/reload", "{}", 200),
    admin("GET", "/admin/api/verify", "", 200),
    admin("GET", "/admin/api/backup", "", 200),
    admin(
        "POST",
        "/admin/api/import/products",
        r#"[{"sku": "{sku}", "name": "Lamp"}]"#,
        200,
    ),
    admin("GET", "/admin/api/export/products", "", 200),
    admin("GET", "/admin/api/accounts", "", 200),
    admin("POST", "/admin/api/accounts", r#"{"email": "{sku}@example.org"}"#, 201),
    admin("GET", "/admin/api/accounts/{account}", "", 200),
    admin("PATCH", "/admin/api/accounts/{account}", r#"{"roles": ["admin"]}"#, 200),
    admin("DELETE", "/admin/api/accounts/{account}", "", 200),
    admin("GET", "/admin/api/accounts/{account}/sessions", "", 200),
    admin("DELETE", "/admin/api/accounts/{account}/sessions", "", 204),
    admin("DELETE", "/admin/api/accounts/{account}/factors", "", 204),
    admin("GET", "/admin/api/accounts/{account}/traces", "", 200),
    admin("GET", "/admin/api/audit", "", 200),
    admin("GET", "/admin/api/audit/verify", "", 200),
    everywhere(Surface::Admin, "/admin/api/receipt-key"),
    admin("GET", "/admin/api/outbox", "", 200),
    admin("DELETE", "/admin/api/outbox/{letter}", "", 204),
    admin("POST", "/admin/api/outbox/{letter}/retry", "{}", 204),
];
