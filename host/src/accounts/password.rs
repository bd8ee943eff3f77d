//! What may be a password (NIST SP 800-63B-4, 3.1.1.2): long, and hard to guess. Nothing is asked of its characters.

use zxcvbn::feedback::Feedback;
use zxcvbn::{Score, zxcvbn};

use super::error::Error;
use crate::config::Passwords;

/// The longest password, in characters: hashing any length would be work for an attacker to give.
pub(super) const MAX_CHARACTERS: usize = 256;
/// How hard to guess it must be: more than 10^8 guesses for one who knows the person and the usual passwords.
const LEAST: Score = Score::Three;

/// What is looked at of a password: looking at all of a long one would take long.
const EXAMINED_CHARACTERS: usize = 48;

/// Checks the length of a new password, which takes no time.
pub(super) fn check_length(password: &str, rules: &Passwords) -> Result<(), Error> {
    let characters = password.chars().take(MAX_CHARACTERS + 1).count();
    let least = rules.length as usize;
    if characters < least {
        return Err(refused(format!("a password has at least {least} characters")));
    }
    if characters > MAX_CHARACTERS {
        return Err(refused(format!("a password has at most {MAX_CHARACTERS} characters")));
    }
    Ok(())
}

/// Checks a new password, in its normal form, of somebody whom these words describe. May take a tenth of a second.
pub(super) fn check(password: &str, about: &[String], rules: &Passwords) -> Result<(), Error> {
    check_length(password, rules)?;
    let examined: String = password.chars().take(EXAMINED_CHARACTERS).collect();
    let parts: Vec<&str> = about
        .iter()
        .flat_map(|words| words.split(|character: char| !character.is_alphanumeric()))
        .chain(about.iter().map(String::as_str))
        .chain(["portcullis"])
        .filter(|part| part.len() > 2)
        .collect();
    let guessed = zxcvbn(&examined, &parts);
    if guessed.score() < LEAST {
        let warning = guessed
            .feedback()
            .and_then(Feedback::warning)
            .map_or_else(|| "it is like many others".to_owned(), |warning| warning.to_string());
        let advice = "use several words that do not belong together";
        return Err(refused(format!(
            "this password is too easy to guess: {warning}; {advice}"
        )));
    }
    Ok(())
}

fn refused(message: String) -> Error {
    Error::invalid("/password", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Passwords = Passwords { length: 15 };

    fn message(password: &str) -> Option<String> {
        let about = ["ada.lovelace@example.org", "Ada Lovelace"].map(str::to_owned);
        match check(password, &about, &RULES) {
            Ok(()) => None,
            Err(Error::Invalid(violations)) => Some(violations[0].message.clone()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn several_words_that_do_not_belong_together_are_a_password() {
        for good in [
            "plover quartz ninety lamp",
            "xvIq8)zGw2#pL0&dR",
            "пять чёрных зонтов на крыше",
        ] {
            assert_eq!(message(good), None, "{good}");
        }
        assert_eq!(message(&"plover quartz ".repeat(18)), None);
    }

    #[test]
    fn what_is_too_short_too_long_common_or_about_the_person_is_none() {
        assert!(message("plover quartz").unwrap().contains("at least 15"));
        assert!(message(&"plover quartz".repeat(20)).unwrap().contains("at most 256"));
        for bad in [
            "passwordpassword",
            "aaaaaaaaaaaaaaaaaaaa",
            "123456789012345678",
            "qwertyuiopqwertyuiop",
            "lovelacelovelace",
            "ada.lovelace@example.org",
            "Ada Lovelace Ada",
        ] {
            assert!(message(bad).is_some_and(|text| text.contains("too easy")), "{bad}");
        }
    }
}
