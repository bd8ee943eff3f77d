//! All routes on one page: which paths there are, which methods they take, and who serves them.

use hyper::body::Incoming;
use hyper::{Method, Response};

use super::body::Body;
use super::problem::Problem;
use super::request::Request;
use super::routes::auth::{account, login, passkeys, registration, second_factor, tokens};
use super::routes::{accounts, admin, audit, health, import, oidc, outbox, pages};
use super::{Http, batch, handle};

/// A listener, which decides what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    /// For clients.
    Api,
    /// For the operator.
    Admin,
}

/// A path that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Healthz,
    Readyz,
    Batch,
    Collection { resource: &'p str },
    Document { resource: &'p str, id: &'p str },
    VerifyPage,
    ResetPage,
    EndSessionPage,
    SetupPage,
    Register,
    VerifyEmail,
    ForgotPassword,
    ResetPassword,
    Login,
    LoginVerify,
    LoginPasskey,
    LoginPasskeyOptions,
    Logout,
    Reauthenticate,
    ReauthenticateOptions,
    Me,
    ExportMe,
    ReceiptKey,
    Password,
    Sessions,
    Session { id: &'p str },
    Activity,
    Totp,
    TotpConfirm,
    RecoveryCodes,
    Passkeys,
    PasskeyOptions,
    Passkey { id: &'p str },
    Tokens,
    Token { id: &'p str },
    Providers,
    SignIn { provider: &'p str },
    SignInCallback { provider: &'p str },
    Identities,
    FederatedIdentity { id: &'p str },
    Plugins,
    Reload,
    Verify,
    Backup,
    Import { resource: &'p str },
    Export { resource: &'p str },
    Accounts,
    Account { id: &'p str },
    SessionsOf { account: &'p str },
    FactorsOf { account: &'p str },
    TracesOf { account: &'p str },
    Audit,
    AuditVerify,
    Outbox,
    DeadLetter { id: &'p str },
    Retry { id: &'p str },
}

/// The longest path in segments, that of a longer one being none.
const MAX_SEGMENTS: usize = 5;

/// Finds the route of a path.
pub(super) fn find(surface: Surface, path: &str) -> Result<Route<'_>, Problem> {
    let mut segments = [""; MAX_SEGMENTS];
    let mut length = 0;
    // What is counted by its path is counted by this text, so a route has one spelling.
    let below = path.strip_prefix('/').ok_or_else(Problem::no_such_path)?;
    for segment in below.split('/') {
        check(segment)?;
        *segments.get_mut(length).ok_or_else(Problem::no_such_path)? = segment;
        length += 1;
    }
    match (surface, &segments[..length]) {
        (_, ["healthz"]) => Ok(Route::Healthz),
        (_, ["readyz"]) => Ok(Route::Readyz),

        (Surface::Api, ["api", "batch"]) => Ok(Route::Batch),
        // These names are kept for what comes.
        (Surface::Api, ["api", "search" | "integrations", ..]) => Err(Problem::no_such_path()),
        (Surface::Api, ["api", resource]) if !resource.is_empty() => Ok(Route::Collection { resource }),
        (Surface::Api, ["api", resource, id]) if !resource.is_empty() && !id.is_empty() => {
            Ok(Route::Document { resource, id })
        }

        (Surface::Api, ["account", "verify"]) => Ok(Route::VerifyPage),
        (Surface::Api, ["account", "reset"]) => Ok(Route::ResetPage),
        (Surface::Api, ["account", "end-session"]) => Ok(Route::EndSessionPage),
        (Surface::Api, ["account", "setup"]) => Ok(Route::SetupPage),

        (Surface::Api, ["auth", "register"]) => Ok(Route::Register),
        (Surface::Api, ["auth", "email", "verify"]) => Ok(Route::VerifyEmail),
        (Surface::Api, ["auth", "password", "forgot"]) => Ok(Route::ForgotPassword),
        (Surface::Api, ["auth", "password", "reset"]) => Ok(Route::ResetPassword),
        (Surface::Api, ["auth", "login"]) => Ok(Route::Login),
        (Surface::Api, ["auth", "login", "verify"]) => Ok(Route::LoginVerify),
        (Surface::Api, ["auth", "login", "passkey"]) => Ok(Route::LoginPasskey),
        (Surface::Api, ["auth", "login", "passkey", "options"]) => Ok(Route::LoginPasskeyOptions),
        (Surface::Api, ["auth", "logout"]) => Ok(Route::Logout),
        (Surface::Api, ["auth", "reauthenticate"]) => Ok(Route::Reauthenticate),
        (Surface::Api, ["auth", "reauthenticate", "options"]) => Ok(Route::ReauthenticateOptions),
        (Surface::Api, ["auth", "me"]) => Ok(Route::Me),
        (Surface::Api, ["auth", "me", "export"]) => Ok(Route::ExportMe),
        (Surface::Api, ["auth", "receipt-key"]) => Ok(Route::ReceiptKey),
        (Surface::Admin, ["admin", "api", "receipt-key"]) => Ok(Route::ReceiptKey),
        (Surface::Api, ["auth", "password"]) => Ok(Route::Password),
        (Surface::Api, ["auth", "sessions"]) => Ok(Route::Sessions),
        (Surface::Api, ["auth", "sessions", id]) if !id.is_empty() => Ok(Route::Session { id }),
        (Surface::Api, ["auth", "activity"]) => Ok(Route::Activity),
        (Surface::Api, ["auth", "totp"]) => Ok(Route::Totp),
        (Surface::Api, ["auth", "totp", "confirm"]) => Ok(Route::TotpConfirm),
        (Surface::Api, ["auth", "recovery-codes"]) => Ok(Route::RecoveryCodes),
        (Surface::Api, ["auth", "passkeys"]) => Ok(Route::Passkeys),
        (Surface::Api, ["auth", "passkeys", "options"]) => Ok(Route::PasskeyOptions),
        (Surface::Api, ["auth", "passkeys", id]) if !id.is_empty() => Ok(Route::Passkey { id }),
        (Surface::Api, ["auth", "tokens"]) => Ok(Route::Tokens),
        (Surface::Api, ["auth", "tokens", id]) if !id.is_empty() => Ok(Route::Token { id }),

        (Surface::Api, ["auth", "oidc"]) => Ok(Route::Providers),
        (Surface::Api, ["auth", "oidc", provider]) => Ok(Route::SignIn { provider }),
        (Surface::Api, ["auth", "oidc", provider, "callback"]) => Ok(Route::SignInCallback { provider }),
        (Surface::Api, ["auth", "identities"]) => Ok(Route::Identities),
        (Surface::Api, ["auth", "identities", id]) if !id.is_empty() => Ok(Route::FederatedIdentity { id }),

        (Surface::Admin, ["admin", "api", "plugins"]) => Ok(Route::Plugins),
        (Surface::Admin, ["admin", "api", "reload"]) => Ok(Route::Reload),
        (Surface::Admin, ["admin", "api", "verify"]) => Ok(Route::Verify),
        (Surface::Admin, ["admin", "api", "backup"]) => Ok(Route::Backup),
        (Surface::Admin, ["admin", "api", "import", resource]) => Ok(Route::Import { resource }),
        (Surface::Admin, ["admin", "api", "export", resource]) => Ok(Route::Export { resource }),
        (Surface::Admin, ["admin", "api", "accounts"]) => Ok(Route::Accounts),
        (Surface::Admin, ["admin", "api", "accounts", id]) if !id.is_empty() => Ok(Route::Account { id }),
        (Surface::Admin, ["admin", "api", "accounts", account, "sessions"]) if !account.is_empty() => {
            Ok(Route::SessionsOf { account })
        }
        (Surface::Admin, ["admin", "api", "accounts", account, "factors"]) if !account.is_empty() => {
            Ok(Route::FactorsOf { account })
        }
        (Surface::Admin, ["admin", "api", "accounts", account, "traces"]) if !account.is_empty() => {
            Ok(Route::TracesOf { account })
        }
        (Surface::Admin, ["admin", "api", "audit"]) => Ok(Route::Audit),
        (Surface::Admin, ["admin", "api", "audit", "verify"]) => Ok(Route::AuditVerify),

        (Surface::Admin, ["admin", "api", "outbox"]) => Ok(Route::Outbox),
        (Surface::Admin, ["admin", "api", "outbox", id]) if !id.is_empty() => Ok(Route::DeadLetter { id }),
        (Surface::Admin, ["admin", "api", "outbox", id, "retry"]) if !id.is_empty() => Ok(Route::Retry { id }),

        _ => Err(Problem::no_such_path()),
    }
}

/// No name that is served here needs percent-encoding, a dot segment or a backslash. What has one means to be read
/// differently by different programs, so it is refused rather than decoded.
fn check(segment: &str) -> Result<(), Problem> {
    let encoded = segment
        .bytes()
        .any(|byte| matches!(byte, b'%' | b'\\' | b';') || !byte.is_ascii_graphic());
    if encoded || segment == "." || segment == ".." {
        let detail = "a path is made of plain names: no percent-encoding, no `.` or `..`, no `\\` and no `;`";
        return Err(Problem::bad_request("malformed_path", detail));
    }
    Ok(())
}

impl Route<'_> {
    /// The methods that the path takes, as `Allow` lists them. HEAD is GET without the body.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::Healthz | Self::Readyz | Self::Plugins | Self::Verify | Self::ReceiptKey => "GET, HEAD, OPTIONS",
            Self::TracesOf { .. } => "GET, HEAD, OPTIONS",
            Self::Me => "GET, HEAD, DELETE, OPTIONS",
            Self::Activity | Self::Audit | Self::AuditVerify => "GET, HEAD, OPTIONS",
            // What is made while it is sent has no length to tell.
            Self::Backup | Self::Export { .. } | Self::ExportMe => "GET, OPTIONS",
            // A program that looks where a link leads begins and finishes nothing.
            Self::SignIn { .. } | Self::SignInCallback { .. } => "GET, OPTIONS",
            Self::Batch | Self::Reload | Self::Import { .. } => "POST, OPTIONS",
            Self::Register | Self::VerifyEmail | Self::ForgotPassword | Self::ResetPassword => "POST, OPTIONS",
            Self::Login | Self::LoginVerify | Self::Logout | Self::Reauthenticate | Self::Password => "POST, OPTIONS",
            Self::TotpConfirm | Self::RecoveryCodes | Self::PasskeyOptions => "POST, OPTIONS",
            Self::LoginPasskey | Self::LoginPasskeyOptions | Self::ReauthenticateOptions => "POST, OPTIONS",
            Self::Totp => "POST, DELETE, OPTIONS",
            Self::Retry { .. } => "POST, OPTIONS",
            Self::Outbox | Self::Providers => "GET, HEAD, OPTIONS",
            Self::Identities => "GET, HEAD, POST, OPTIONS",
            Self::FederatedIdentity { .. } => "DELETE, OPTIONS",
            Self::VerifyPage | Self::ResetPage => "GET, HEAD, POST, OPTIONS",
            Self::EndSessionPage | Self::SetupPage => "GET, HEAD, POST, OPTIONS",
            Self::Collection { .. } | Self::Accounts | Self::Tokens | Self::Passkeys => "GET, HEAD, POST, OPTIONS",
            Self::Sessions | Self::SessionsOf { .. } => "GET, HEAD, DELETE, OPTIONS",
            Self::Session { .. } | Self::Token { .. } | Self::DeadLetter { .. } => "DELETE, OPTIONS",
            Self::FactorsOf { .. } | Self::Passkey { .. } => "DELETE, OPTIONS",
            Self::Account { .. } => "GET, HEAD, PATCH, DELETE, OPTIONS",
            Self::Document { .. } => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
        }
    }

    /// Whether a browser goes there, whatever formats it takes.
    pub(super) fn is_page(self) -> bool {
        matches!(
            self,
            Self::VerifyPage
                | Self::ResetPage
                | Self::EndSessionPage
                | Self::SetupPage
                | Self::SignIn { .. }
                | Self::SignInCallback { .. }
        )
    }

    /// Whether the path takes the method.
    pub(super) fn allows(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }
}

/// Serves a request whose route takes its method.
pub(super) async fn serve(
    http: &Http,
    route: Route<'_>,
    request: &Request,
    body: &mut Incoming,
) -> Result<Response<Body>, Problem> {
    match route {
        Route::Healthz => health::alive(request).await,
        Route::Readyz => health::ready(http, request).await,
        Route::Collection { resource } => handle::handle(http, resource, None, request, body).await,
        Route::Document { resource, id } => handle::handle(http, resource, Some(id), request, body).await,
        Route::Batch => batch::handle(http, request, body).await,
        Route::VerifyPage => pages::verify(http, request, body).await,
        Route::ResetPage => pages::reset(http, request, body).await,
        Route::EndSessionPage => pages::end_session(http, request, body).await,
        Route::SetupPage => pages::set_up(http, request, body).await,
        Route::Register => registration::register(http, request, body).await,
        Route::VerifyEmail => registration::verify(http, request, body).await,
        Route::ForgotPassword => registration::forgot(http, request, body).await,
        Route::ResetPassword => registration::reset(http, request, body).await,
        Route::Login => login::login(http, request, body).await,
        Route::LoginVerify => login::verify(http, request, body).await,
        Route::LoginPasskey => passkeys::login(http, request, body).await,
        Route::LoginPasskeyOptions => passkeys::login_options(http, request, body).await,
        Route::Logout => login::logout(http, request).await,
        Route::Reauthenticate => login::reauthenticate(http, request, body).await,
        Route::ReauthenticateOptions => passkeys::reauthenticate_options(http, request).await,
        Route::Me => account::me(http, request).await,
        Route::ExportMe => account::export(http, request).await,
        Route::ReceiptKey => account::receipt_key(http, request).await,
        Route::Password => account::password(http, request, body).await,
        Route::Sessions => account::sessions(http, request).await,
        Route::Session { id } => account::end_session(http, id, request).await,
        Route::Activity => account::activity(http, request).await,
        Route::Totp => second_factor::totp(http, request).await,
        Route::TotpConfirm => second_factor::confirm(http, request, body).await,
        Route::RecoveryCodes => second_factor::recovery_codes(http, request).await,
        Route::Passkeys => passkeys::passkeys(http, request, body).await,
        Route::PasskeyOptions => passkeys::options(http, request).await,
        Route::Passkey { id } => passkeys::remove(http, id, request).await,
        Route::Tokens => tokens::tokens(http, request, body).await,
        Route::Token { id } => tokens::end(http, id, request).await,
        Route::Providers => oidc::providers(http, request).await,
        Route::SignIn { provider } => oidc::begin(http, provider, request).await,
        Route::SignInCallback { provider } => oidc::callback(http, provider, request).await,
        Route::Identities => oidc::identities(http, request, body).await,
        Route::FederatedIdentity { id } => oidc::unlink(http, id, request).await,
        Route::Plugins => admin::plugins(http, request).await,
        Route::Reload => admin::reload(http, request).await,
        Route::Verify => admin::verify(http, request).await,
        Route::Backup => admin::backup(http, request).await,
        Route::Import { resource } => import::import(http, resource, request, body).await,
        Route::Export { resource } => admin::export(http, resource, request).await,
        Route::Accounts => accounts::accounts(http, request, body).await,
        Route::Account { id } => accounts::account(http, id, request, body).await,
        Route::SessionsOf { account } => accounts::sessions(http, account, request).await,
        Route::FactorsOf { account } => accounts::factors(http, account, request).await,
        Route::TracesOf { account } => accounts::traces(http, account, request).await,
        Route::Audit => audit::list(http, request).await,
        Route::AuditVerify => audit::verify(http, request).await,
        Route::Outbox => outbox::list(http, request).await,
        Route::DeadLetter { id } => outbox::drop(http, id, request).await,
        Route::Retry { id } => outbox::retry(http, id, request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_listener_has_its_paths() {
        use Surface::{Admin, Api};
        let found = |surface, path| find(surface, path).ok();
        assert_eq!(
            found(Api, "/api/products"),
            Some(Route::Collection { resource: "products" })
        );
        assert_eq!(
            found(Api, "/api/products/7"),
            Some(Route::Document {
                resource: "products",
                id: "7"
            })
        );
        assert_eq!(found(Api, "/api/batch"), Some(Route::Batch));
        assert_eq!(
            found(Admin, "/admin/api/import/products"),
            Some(Route::Import { resource: "products" })
        );
        for surface in [Api, Admin] {
            assert_eq!(found(surface, "/healthz"), Some(Route::Healthz));
            assert_eq!(found(surface, "/readyz"), Some(Route::Readyz));
        }
        assert_eq!(found(Admin, "/api/products"), None);
        assert_eq!(found(Api, "/admin/api/reload"), None);
    }

    #[test]
    fn what_is_no_route_is_404() {
        for path in [
            "/",
            "",
            "/api",
            "/api/",
            "/api/products/",
            "/api//7",
            "/api/a/b/c",
            "/a/b/c/d/e/f",
            "/API/a",
            "*",
            "/api/search",
            "/api/search/products",
            "/api/integrations/a",
            "/healthz/",
            "/admin",
        ] {
            assert_eq!(find(Surface::Api, path).unwrap_err().status(), 404, "{path}");
        }
    }

    #[test]
    fn tricks_with_the_encoding_of_paths_are_400() {
        for path in [
            "/api/..",
            "/api/../admin",
            "/api/./a",
            "/api/%2e%2e/a",
            "/api/products%2F7",
            "/api/a%00",
            "/api/%70",
            "/api/a%",
            "/api/a\\b",
            "/api/a;b",
            "/api/%252e",
            "/api/ü",
        ] {
            assert_eq!(find(Surface::Api, path).unwrap_err().status(), 400, "{path}");
        }
    }

    #[test]
    fn a_path_takes_exactly_the_methods_that_it_lists() {
        let document = Route::Document { resource: "a", id: "b" };
        assert!(document.allows(&Method::PATCH) && document.allows(&Method::HEAD));
        assert!(!document.allows(&Method::POST) && !document.allows(&Method::TRACE));
        assert!(!document.allows(&Method::from_bytes(b"GET, HEAD").unwrap_or(Method::TRACE)));
        assert!(!Route::Batch.allows(&Method::GET));
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "\\PC{0,40}") {
            let _ = find(Surface::Api, &path);
        }
    }
}
