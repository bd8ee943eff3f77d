//! Codes in mails: asked for beside the password, and no second factor.

use super::*;

const ADDRESS: &str = "ada@example.org";

#[tokio::test]
async fn a_code_in_a_mail_is_no_second_factor_where_one_must_be_used() {
    let fixture = Fixture::with(|config| {
        config.second_factor.email_codes = true;
        config.second_factor.required_for = [config::EVERYBODY.to_owned()].into();
    });
    fixture.account(ADDRESS).await;
    let (accounts, client) = (&fixture.accounts, Client::default());
    let LoggedIn::SecondFactor(challenge) = accounts.login(ADDRESS, PASSWORD, &client).await.unwrap() else {
        panic!("no code is asked for");
    };
    assert_eq!(challenge.methods, [Method::Email]);
    let code = fixture.newest_code().await;
    let proof = Proof::Code(Method::Email, &code);
    let login = accounts.answer(challenge.token.reveal(), proof, &client).await.unwrap();
    // Whoever reads the mail may set the password as well, so it is one factor with it.
    assert_eq!(login.session.second_ms, None);
    let token = login.token.reveal();
    assert_eq!(accounts.caller(token).await, Err(Error::SecondFactorRequired));
    // Nor once it is written anew when the session was last seen.
    fixture.clock.advance(MINUTE_MS);
    assert_eq!(accounts.caller(token).await, Err(Error::SecondFactorRequired));
    // They turn one on through the session, so it is known all the same.
    let identity = accounts.identify(token).await.unwrap().unwrap();
    assert_eq!(identity.session.second_ms, None);
}
