//! Signing in with a certified OpenID provider: who gets which account, and what comes of every trick with the way there and
//! back.

use std::thread;
use std::time::Duration;

use portcullis_peers::{CALLBACK, Chromium, Front, Provider, Scene, Visitor, ada};
use portcullis_tests::Answer;
use serde_json::{Value, json};
use url::Url;

fn account(answer: &Answer) -> Value {
    answer.json()["account"].clone()
}

#[test]
fn somebody_new_gets_an_account_and_the_same_one_again() {
    for all_in_the_token in [false, true] {
        let front = Front::open();
        let provider = match all_in_the_token {
            false => Provider::start("example", &front.url()),
            true => Provider::start_with_all_in_the_token("example", &front.url()),
        };
        let scene = Scene::of(front, provider, "");
        let first = scene.sign_in(&mut Visitor::default(), &ada()).expect(200);
        assert_eq!(account(&first)["email"], "ada@example.org");
        assert_eq!(account(&first)["name"], "Ada Lovelace");
        let token = first.json()["token"].as_str().expect("a token").to_owned();
        let ada_here = scene.host.api().with_token(&token);
        assert_eq!(ada_here.get("/auth/me").expect(200).json()["id"], account(&first)["id"]);
        let linked = ada_here.get("/auth/identities").expect(200).json();
        assert_eq!(linked["items"][0]["subject"], "ada");
        assert_eq!(linked["items"][0]["issuer"], scene.provider.issuer());
        let moved = json!({ "sub": "ada", "email": "ada@example.com", "email_verified": true });
        let again = scene.sign_in(&mut Visitor::default(), &moved).expect(200);
        assert_eq!(account(&again), account(&first));
        // There is no password, so this is the only way in.
        let id = linked["items"][0]["id"].as_str().expect("an id");
        ada_here
            .delete(&format!("/auth/identities/{id}"))
            .expect_problem(409, "last_way_in");
    }
}

#[test]
fn a_browser_keeps_the_cookies_of_a_sign_in_and_of_its_session() {
    let scene = Scene::start();
    scene.provider.person(&ada());
    let chromium = Chromium::start();
    chromium.open(&scene.url("/auth/oidc/example?session=cookie&return_to=/auth/me"));
    assert_eq!(chromium.url(), scene.url("/auth/me"));
    let shown = chromium.script("return document.documentElement.outerHTML");
    assert!(shown.to_string().contains("ada@example.org"), "{shown}");

    chromium.open(&scene.url(&format!("{CALLBACK}?state=finished-long-ago&code=any")));
    assert_eq!(chromium.text("h1"), "This did not work");
    chromium.assert_accessible();
    chromium.picture("sign-in-spent");
}

#[test]
fn a_session_in_a_cookie_is_never_in_an_address() {
    let scene = Scene::start();
    scene.provider.person(&ada());
    let mut visitor = Visitor::default();
    let start = scene.url("/auth/oidc/example?session=cookie&return_to=/auth/me");
    let back = scene.way_back(&mut visitor, &start);
    let sent_on = visitor.visit(&back).expect(302);
    assert_eq!(sent_on.location(), scene.url("/auth/me"));
    assert!(sent_on.body.is_empty());
    let me = visitor.visit(&sent_on.location()).expect(200).json();
    assert_eq!(me["email"], "ada@example.org");
    // Without the cookie it would have to be.
    let begun = Visitor::default().visit(&scene.url("/auth/oidc/example?return_to=/auth/me"));
    begun.expect_problem(400, "malformed_query");
}

#[test]
fn the_cookie_of_a_sign_in_is_for_this_host_alone_and_for_no_script() {
    let scene = Scene::start();
    let begun = Visitor::default().visit(&scene.url("/auth/oidc/example")).expect(302);
    let cookie = begun.header("set-cookie").expect("a cookie");
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    assert!(parts.remove(0).starts_with("__Host-"), "{cookie}");
    parts.sort_unstable();
    assert_eq!(parts, ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]);
}

#[test]
fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let scene = Scene::start();
    scene.provider.person(&ada());
    let start = scene.url("/auth/oidc/example");
    let mut visitor = Visitor::default();
    let back = scene.way_back(&mut visitor, &start);
    // Login CSRF: somebody is made to open the answer of another person.
    Visitor::default().visit(&back).expect_problem(400, "sign_in_spent");
    let mut other = Visitor::default();
    scene.way_back(&mut other, &start);
    other.visit(&back).expect_problem(400, "sign_in_spent");
    // Neither a state that nobody has, nor none.
    visitor
        .visit(&back.replace("state=", "state=x"))
        .expect_problem(400, "sign_in_spent");
    visitor
        .visit(&back.replace("state=", "stat="))
        .expect_problem(400, "malformed_answer");
    // It is still good where it belongs, once.
    visitor.visit(&back).expect(200);
    visitor.visit(&back).expect_problem(400, "sign_in_spent");
}

#[test]
fn a_code_is_good_for_the_sign_in_that_it_was_made_for() {
    let scene = Scene::start();
    scene.provider.person(&ada());
    let start = scene.url("/auth/oidc/example");
    let code = |url: &str| parameter(url, "code");
    // A stolen code, put into a sign-in of one's own: PKCE.
    let stolen = code(&scene.way_back(&mut Visitor::default(), &start));
    let mut thief = Visitor::default();
    let back = scene.way_back(&mut thief, &start);
    thief
        .visit(&back.replace(&code(&back), &stolen))
        .expect_problem(400, "code_refused");
    // The same with the challenge of the sign-in that it is put into: the nonce.
    let mut victim = Visitor::default();
    let there = victim.visit(&start).expect(302).location();
    let changed = there.replace(&parameter(&there, "nonce"), "a-nonce-of-somebody-else");
    let back = scene.way_back(&mut victim, &changed);
    victim.visit(&back).expect_problem(502, "provider_malformed");
}

#[test]
fn the_answer_of_another_provider_is_refused() {
    let front = Front::open();
    let provider = Provider::start("example", &front.url());
    let other = Provider::start("other", &front.url());
    let scene = Scene::of(front, provider, &other.config());
    other.person(&json!({ "sub": "eve", "email": "eve@example.org", "email_verified": true }));
    scene.provider.person(&ada());
    let start = scene.url("/auth/oidc/example");
    let others = Visitor::default().until(&scene.url("/auth/oidc/other"), &scene.url("/auth/oidc/other/callback"));

    let answer_with = |change: &dyn Fn(&str) -> String| {
        let mut visitor = Visitor::default();
        let back = scene.way_back(&mut visitor, &start);
        visitor.visit(&change(&back)).expect_problem(400, "issuer_mismatch");
    };
    let (code, issuer) = (parameter(&others, "code"), parameter(&others, "iss"));
    answer_with(&|back| {
        let back = back.replace(&parameter(back, "code"), &code);
        back.replace(&parameter(back.as_str(), "iss"), &issuer)
    });
    // The provider names itself, so an answer that names nobody is not its own.
    answer_with(&|back| back.replace("iss=", "is="));
    // It was this provider's, but comes back as if it were of the other.
    answer_with(&|back| back.replace("/oidc/example/", "/oidc/other/"));

    let listed = scene.host.get("/auth/oidc").expect(200).json();
    assert_eq!(listed["items"][1], json!({ "provider": "other", "label": "other" }));
}

#[test]
fn a_sign_in_leads_to_a_path_of_this_host_and_nowhere_else() {
    let scene = Scene::start();
    for bad in [
        "//evil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "https:evil.example",
        "https%3A%2F%2Fevil.example",
        "/orders%0D%0ASet-Cookie:%20a=b",
        "orders",
    ] {
        let begun = Visitor::default().visit(&scene.url(&format!("/auth/oidc/example?session=cookie&return_to={bad}")));
        begun.expect_problem(400, "malformed_return_to");
    }
    let begun = Visitor::default().visit(&scene.url("/auth/oidc/example?return_to=/a&return_to=/b"));
    begun.expect_problem(400, "malformed_query");
    Visitor::default()
        .visit(&scene.url("/auth/oidc/nobody"))
        .expect_problem(404, "not_found");
}

#[test]
fn a_provider_sends_people_back_to_the_public_url_whatever_host_is_asked() {
    let scene = Scene::start();
    scene.provider.person(&ada());
    let forged = |path: &str, cookie: &str| {
        let request = scene.host.api().request("GET", path).header("cookie", cookie);
        let request = request.header("host", "evil.example");
        request.header("x-forwarded-host", "evil.example").send().expect(302)
    };
    let begun = forged("/auth/oidc/example?session=cookie&return_to=/auth/me", "other=any");
    let there: Url = begun.location().parse().expect("an address");
    let back = there.query_pairs().find(|(name, _)| name == "redirect_uri");
    assert_eq!(back.expect("where to come back to").1, scene.url(CALLBACK));
    // Nor does it lead elsewhere from there.
    let cookie = begun.header("set-cookie").and_then(|set| set.split(';').next());
    let back = scene.way_back(&mut Visitor::default(), &begun.location());
    let path = back.strip_prefix(&scene.front.url()).expect("it leads to the host");
    let sent_on = forged(path, cookie.expect("a cookie"));
    assert_eq!(sent_on.location(), scene.url("/auth/me"));
}

#[test]
fn what_a_provider_refuses_is_said_and_nothing_is_repeated() {
    let scene = Scene::start();
    scene
        .sign_in(&mut Visitor::default(), &json!({ "sub": "ada", "deny": true }))
        .expect_problem(403, "provider_denied");

    let mut visitor = Visitor::with_pages();
    let there = visitor.visit(&scene.url("/auth/oidc/example")).expect(302).location();
    let (state, issuer) = (parameter(&there, "state"), scene.provider.issuer().replace(':', "%3A"));
    let script = "%3Cscript%3Ealert(1)%3C/script%3E";
    let forged = scene.url(&format!(
        "{CALLBACK}?state={state}&iss={issuer}&error={script}&error_description={script}"
    ));
    let page = visitor.visit(&forged).expect(502);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.text().contains("an unknown one") && !page.text().contains("alert(1)"),
        "{}",
        page.text()
    );
}

#[test]
fn nobody_gets_in_whom_the_provider_or_the_operator_does_not_vouch_for() {
    let scene = Scene::start();
    for person in [
        json!({ "sub": "bob", "email": "bob@example.org", "email_verified": false }),
        json!({ "sub": "bob", "email": "bob@example.org" }),
        json!({ "sub": "bob" }),
    ] {
        scene
            .sign_in(&mut Visitor::default(), &person)
            .expect_problem(403, "address_unverified");
    }
    let id = account(&scene.sign_in(&mut Visitor::default(), &ada()).expect(200))["id"].clone();
    let path = format!("/admin/api/accounts/{}", id.as_str().expect("an id"));
    scene.host.admin().patch(&path, &json!({ "locked": true })).expect(200);
    scene
        .sign_in(&mut Visitor::default(), &ada())
        .expect_problem(401, "bad_credentials");

    let front = Front::open();
    let provider = Provider::start("example", &front.url());
    let closed = Scene::of(front, provider, "[accounts]\nregistration = \"closed\"\n");
    closed
        .sign_in(&mut Visitor::default(), &ada())
        .expect_problem(403, "registration_closed");
}

#[test]
fn a_provider_that_is_down_is_said_and_one_with_new_keys_is_trusted_again() {
    let mut scene = Scene::start();
    scene.provider.stop();
    let start = scene.url("/auth/oidc/example");
    let down = Visitor::default()
        .visit(&start)
        .expect_problem(503, "provider_unavailable");
    assert!(down.header("retry-after").is_some());
    for _ in 0..2 {
        scene.provider.restart();
        scene.provider.person(&ada());
        scene.host.wait_until("a sign-in", || signs_in_or_waits(&start));
    }
}

/// Whether somebody new gets in. Where not, waits for as long as the host says: it asks a provider again only seconds after the
/// last time, and whoever does not wait is soon told so by the rate of their network.
fn signs_in_or_waits(start: &str) -> bool {
    let answer = Visitor::default().follow(start);
    if answer.status == 200 {
        return true;
    }
    let refused = answer.expect_problem(503, "provider_unavailable");
    let seconds = refused.header("retry-after").and_then(|seconds| seconds.parse().ok());
    thread::sleep(Duration::from_secs(seconds.expect("whole seconds")));
    false
}

/// A parameter of an address as it stands there.
#[track_caller]
fn parameter(url: &str, name: &str) -> String {
    let found = url
        .split(['?', '&'])
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("{url} has no {name}")).to_owned()
}
