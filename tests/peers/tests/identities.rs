//! Identities at a provider: who links one to an account, and who takes it away again.

use portcullis_peers::{Scene, Visitor, ada};
use portcullis_tests::PASSWORD;
use serde_json::json;

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";

#[test]
fn an_address_that_has_an_account_is_linked_by_its_owner_alone() {
    let scene = Scene::start();
    let id = scene.host.account(ADA, &[]);
    scene.host.account(EVE, &[]);
    scene
        .sign_in(&mut Visitor::default(), &ada())
        .expect_problem(409, "link_required");
    scene
        .host
        .post("/auth/identities", &json!({ "provider": "example" }))
        .expect_problem(401, "unauthenticated");

    let token = scene.host.session(ADA);
    let mut visitor = Visitor::with_pages();
    let there = scene.begin_to_link(&mut visitor, &token);
    assert!(
        visitor
            .follow(&there)
            .expect(200)
            .text()
            .contains("The accounts are linked")
    );
    let signed_in = scene.sign_in(&mut Visitor::default(), &ada()).expect(200);
    assert_eq!(signed_in.json()["account"]["id"], id.as_str());

    let eve = scene.host.session(EVE);
    let mut visitor = Visitor::default();
    let there = scene.begin_to_link(&mut visitor, &eve);
    visitor.follow(&there).expect_problem(409, "identity_taken");
}

#[test]
fn a_link_is_not_finished_for_a_session_that_has_ended_or_in_another_browser() {
    let scene = Scene::start();
    scene.host.account(ADA, &[]);
    scene.provider.person(&ada());
    let token = scene.host.session(ADA);
    let mut visitor = Visitor::default();
    let there = scene.begin_to_link(&mut visitor, &token);
    let back = scene.way_back(&mut visitor, &there);
    scene
        .host
        .api()
        .with_token(&token)
        .post("/auth/logout", &json!({}))
        .expect(204);
    visitor.visit(&back).expect_problem(401, "unauthenticated");

    // Ada's address in the browser of somebody else, who is signed in at the provider: nothing of theirs is linked to her.
    let token = scene.host.session(ADA);
    let there = scene.begin_to_link(&mut Visitor::default(), &token);
    let mut other = Visitor::default();
    let back = scene.way_back(&mut other, &there);
    other.visit(&back).expect_problem(400, "sign_in_spent");
    let linked = scene
        .host
        .api()
        .with_token(&token)
        .get("/auth/identities")
        .expect(200)
        .json();
    assert_eq!(linked["items"], json!([]));
}

#[test]
fn an_identity_that_is_unlinked_leads_to_the_account_no_more() {
    let scene = Scene::start();
    let id = scene.host.account(ADA, &[]);
    scene.host.account(EVE, &[]);
    let (ada_here, eve) = (scene.host.member(ADA), scene.host.member(EVE));
    scene.provider.person(&ada());
    let mut visitor = Visitor::default();
    let there = scene.begin_to_link(&mut visitor, ada_here.token().expect("a session"));
    visitor.follow(&there).expect(200);
    let signed_in = scene.sign_in(&mut Visitor::default(), &ada()).expect(200);
    assert_eq!(signed_in.json()["account"]["id"], id.as_str());

    // The owner is told of it, with a way to end what somebody else has begun.
    let told = scene.host.mail_to(ADA, 1);
    assert_eq!(
        told.subject,
        "Another way to sign in to your account was added or removed"
    );
    assert!(told.link().contains("/account/end-session?"), "{told:?}");

    let linked = ada_here.get("/auth/identities").expect(200).json();
    let path = format!("/auth/identities/{}", linked["items"][0]["id"].as_str().expect("an id"));
    eve.delete(&path).expect_problem(404, "not_found");
    assert_eq!(ada_here.get("/auth/identities").expect(200).json(), linked);
    ada_here.delete(&path).expect(204);
    assert_eq!(ada_here.get("/auth/identities").expect(200).json()["items"], json!([]));
    ada_here.delete(&path).expect_problem(404, "not_found");
    let activity = ada_here.get("/auth/activity?limit=1").expect(200).json();
    assert_eq!(activity["items"][0]["act"], "identity_unlinked");

    // The provider vouches for the address as before, and that is not enough.
    scene
        .sign_in(&mut Visitor::default(), &ada())
        .expect_problem(409, "link_required");
    // Whoever it was there is somebody new here.
    let moved = json!({ "sub": "ada", "email": "ada@example.com", "email_verified": true });
    let other = scene.sign_in(&mut Visitor::default(), &moved).expect(200);
    assert_ne!(other.json()["account"]["id"], id.as_str());
    scene.host.login(ADA, PASSWORD).expect(200);
}
