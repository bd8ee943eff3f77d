//! The kinds of callers, and a host that knows them.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use portcullis_tests::{
    Answer, CHEAP_HASHING, Client, Host, MailServer, PASSWORD, Plugin, Request, UNLIMITED_ATTEMPTS,
};
use serde_json::json;

use super::provider;
use super::table::{Row, Surface};

/// How long a session lasts here that nobody uses.
const IDLE: Duration = Duration::from_secs(2 * 60);
/// How long here it is of late that somebody has proved who they are.
const RECENT: Duration = Duration::from_secs(60);
/// How often what is to grow old, and not to expire, is used. A host notes only what is used a minute after it was last, so
/// that this leaves half a minute for the slowest row.
const USED_EVERY: Duration = Duration::from_secs(25);

/// A kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody signed in.
    Anonymous,
    /// Whose the things in the paths are.
    Owner,
    /// The same in a browser, on a page of the host.
    Cookie,
    /// The page of another site, with the cookie of the owner's browser.
    Foreign,
    /// Another account.
    Other,
    /// An account with the role `editor`.
    Role,
    /// An account with the role `admin`.
    Administrator,
    /// A token for programs of the owner's, which may read.
    Program,
    /// The operator token.
    Operator,
    /// Somebody who has proved the password, and not the second factor.
    Half,
    /// Something that looks like the token of a session.
    Garbage,
    /// A session that was ended.
    Revoked,
    /// A session of another account that is a while old.
    Stale,
    /// A session whose time is over.
    Expired,
    /// The same in a browser, on a page of the host.
    ExpiredCookie,
}

impl Caller {
    pub(crate) const ALL: [Self; 15] = [
        Self::Anonymous,
        Self::Owner,
        Self::Cookie,
        Self::Foreign,
        Self::Other,
        Self::Role,
        Self::Administrator,
        Self::Program,
        Self::Operator,
        Self::Half,
        Self::Garbage,
        Self::Revoked,
        Self::Stale,
        Self::Expired,
        Self::ExpiredCookie,
    ];
}

/// A host with sessions that grow old.
pub(crate) struct World {
    host: Host,
    begun: Instant,
    stale: Vec<String>,
    /// When the stale sessions were used last.
    used: Cell<Instant>,
    expired: String,
    expired_cookie: String,
    count: Cell<u32>,
}

/// The owner of what is in a path, new for each request.
struct Owner {
    email: String,
    id: String,
    client: Client,
}

impl World {
    pub(crate) fn begin() -> Self {
        let access =
            r#"{ list = "anyone", read = "member", create = "member", update = "owner", delete = "role:editor" }"#;
        let sessions = "[accounts.sessions]\nidle_minutes = 2\nrecent_minutes = 1\n";
        // Without a public URL there would be no passkeys, and nobody could be sent back from a provider.
        let server = "[server]\npublic_url = \"https://shop.example.org\"\n";
        let (provider, mail) = (provider::config(), MailServer::refusing());
        let config = [
            CHEAP_HASHING,
            UNLIMITED_ATTEMPTS,
            sessions,
            server,
            &provider,
            &mail.config(),
        ];
        let host = Host::init()
            .with_plugin(&Plugin::named("catalog").allowing(access))
            .with_config(&config.concat())
            .start();
        host.account("expired@example.org", &[]);
        let mut world = Self {
            begun: Instant::now(),
            stale: Vec::new(),
            used: Cell::new(Instant::now()),
            expired: host.session("expired@example.org"),
            expired_cookie: host.cookie("expired@example.org"),
            count: Cell::new(0),
            host,
        };
        for number in 0..super::table::TABLE.len() {
            world.use_stale();
            let email = format!("stale{number}@example.org");
            world.host.account(&email, &[]);
            world.stale.push(world.host.session(&email));
        }
        // From here on all of them grow old.
        world.begun = Instant::now();
        world
    }

    /// Keeps the stale sessions from expiring before their turn, which a slow machine takes long to come to. That somebody
    /// uses a session proves nothing anew, so they grow old all the same.
    fn use_stale(&self) {
        if self.used.get().elapsed() < USED_EVERY {
            return;
        }
        self.used.set(Instant::now());
        for token in &self.stale {
            // A row that had its turn may have ended its session; whether those live whose turn comes is asked there.
            anybody_to(&self.host, token).get("/auth/me");
        }
    }

    /// What the route answers.
    pub(crate) fn ask(&self, row: &Row, caller: Caller) -> Answer {
        self.use_stale();
        let owner = self.owner();
        let client = self.client(row, caller, &owner);
        let path = self.filled(row.path, &owner);
        let request = client.request(row.method, &path);
        let request = match caller {
            Caller::Cookie => by_browser(request, &self.host.cookie(&owner.email), "same-origin"),
            Caller::Foreign => by_browser(request, &self.host.cookie(&owner.email), "cross-site"),
            Caller::ExpiredCookie => by_browser(request, &self.expired_cookie, "same-origin"),
            _ => request,
        };
        let body = self.filled(row.body, &owner);
        let request = match row.body.chars().next() {
            None => request,
            Some('{' | '[') if row.method == "PATCH" => request.body("application/merge-patch+json", body),
            Some('{' | '[') => request.body("application/json", body),
            Some(_) => request.body("application/x-www-form-urlencoded", body),
        };
        request.send()
    }

    /// What methods a route has.
    pub(crate) fn options(&self, surface: Surface, path: &str) -> Answer {
        let client = match surface {
            Surface::Api => self.host.api(),
            Surface::Admin => self.host.admin_as_anybody(),
        };
        // Whatever is filled in: methods are the route's.
        let path = path.replace("{resource}", "products").replace(['{', '}'], "");
        client.request("OPTIONS", &path).send()
    }

    fn owner(&self) -> Owner {
        let (email, id) = self.account(&[]);
        let client = self.host.member(&email);
        Owner { email, id, client }
    }

    fn account(&self, roles: &[&str]) -> (String, String) {
        let email = format!("{}@example.org", self.next());
        let id = self.host.account(&email, roles);
        (email, id)
    }

    fn next(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("a{}", self.count.get())
    }

    fn client(&self, row: &Row, caller: Caller, owner: &Owner) -> Client {
        let anybody = match row.surface {
            Surface::Api => self.host.api(),
            Surface::Admin => self.host.admin_as_anybody(),
        };
        let token = match caller {
            Caller::Anonymous | Caller::Cookie | Caller::Foreign => return anybody.clone(),
            Caller::Owner => self.host.session(&owner.email),
            Caller::Other => self.host.session(&self.account(&[]).0),
            Caller::Role => self.host.session(&self.account(&["editor"]).0),
            Caller::Administrator => self.host.session(&self.account(&["admin"]).0),
            Caller::Program => {
                let new = json!({ "name": "reader", "scopes": ["products:read"] });
                let made = owner.client.post("/auth/tokens", &new).expect(201).json();
                made["token"].as_str().expect("a token").to_owned()
            }
            Caller::Operator => self.host.token(),
            Caller::Half => {
                let (email, _) = self.account(&["admin"]);
                self.host.turn_on_codes(&mut self.host.member(&email));
                self.host.challenge(&email)
            }
            Caller::Garbage => format!("pcs_{}", "A".repeat(43)),
            Caller::Revoked => {
                let (email, _) = self.account(&["admin"]);
                let token = self.host.session(&email);
                anybody_to(&self.host, &token)
                    .post("/auth/logout", &json!({}))
                    .expect(204);
                token
            }
            Caller::Stale => {
                self.wait(RECENT);
                let index = super::table::TABLE.iter().position(|other| std::ptr::eq(other, row));
                let token = &self.stale[index.expect("the row is in the table")];
                // What it is used for keeps it from expiring.
                anybody_to(&self.host, token).get("/auth/me").expect(200);
                token.clone()
            }
            Caller::Expired => {
                self.wait(IDLE);
                self.expired.clone()
            }
            Caller::ExpiredCookie => {
                self.wait(IDLE);
                return anybody.clone();
            }
        };
        anybody.with_token(&token)
    }

    fn wait(&self, age: Duration) {
        let left = (age + Duration::from_secs(1)).saturating_sub(self.begun.elapsed());
        thread::sleep(left);
    }

    /// The text with things of the owner's in it.
    fn filled(&self, text: &str, owner: &Owner) -> String {
        let mut filled = text
            .replace("{email}", &owner.email)
            .replace("{account}", &owner.id)
            .replace("{nothing}", "01890000-0000-7000-8000-000000000000");
        if filled.contains("{sku}") {
            filled = filled.replace("{sku}", &self.next());
        }
        if filled.contains("{product}") {
            let new = json!({ "sku": self.next(), "name": "Lamp" });
            let made = owner.client.post("/api/products", &new).expect(201).json();
            filled = filled.replace("{product}", made["id"].as_str().expect("an id"));
        }
        if filled.contains("{session}") {
            let sessions = owner.client.get("/auth/sessions").expect(200).json();
            filled = filled.replace("{session}", sessions["items"][0]["id"].as_str().expect("an id"));
        }
        if filled.contains("{token}") {
            let new = json!({ "name": "backup", "scopes": ["read"] });
            let made = owner.client.post("/auth/tokens", &new).expect(201).json();
            filled = filled.replace("{token}", made["id"].as_str().expect("an id"));
        }
        if filled.contains("{letter}") {
            filled = filled.replace("{letter}", &self.dead_letter());
        }
        filled
    }

    /// A mail that nobody takes.
    fn dead_letter(&self) -> String {
        let mut letter = None;
        self.host
            .post(
                "/auth/register",
                &json!({ "email": format!("{}@example.org", self.next()), "password": PASSWORD }),
            )
            .expect(201);
        self.host.wait_until("a dead letter", || {
            let dead = self
                .host
                .admin()
                .get("/admin/api/outbox?state=dead&limit=1")
                .expect(200)
                .json();
            letter = dead["items"][0]["id"].as_str().map(str::to_owned);
            letter.is_some()
        });
        letter.expect("it is there")
    }
}

/// The request as a browser with this cookie sends it for a page of that site.
fn by_browser<'c>(request: Request<'c>, cookie: &str, site: &str) -> Request<'c> {
    request.header("cookie", cookie).header("sec-fetch-site", site)
}

fn anybody_to(host: &Host, token: &str) -> Client {
    host.api().with_token(token)
}
