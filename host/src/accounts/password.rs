//! What may be a password (NIST SP 800-63B-4, 3.1.1.2): long, and hard to guess. Nothing is asked of its characters.

use unicode_normalization::UnicodeNormalization as _;
use zxcvbn::feedback::Feedback;
use zxcvbn::{Score, zxcvbn};

use super::error::Error;
use crate::config::Passwords;

/// The longest password, in characters: hashing any length would be work for an attacker to give.
pub(super) const MAX_CHARACTERS: usize = 256;
/// How hard to guess it must be: more than 10^8 guesses for one who knows the person and the usual passwords.
const LEAST: Score = Score::Three;
/// The same of one that a second factor stands beside: more than 10^6 guesses, each of which needs the factor as well.
const LEAST_WHERE_SHORT: Score = Score::Two;

/// What is looked at of a password: looking at all of a long one would take long, the more so where it is made for that.
const EXAMINED_CHARACTERS: usize = 24;

/// Checks the length of a new password, which takes no time.
pub(super) fn check_length(password: &str, rules: &Passwords) -> Result<(), Error> {
    let characters = password.chars().take(MAX_CHARACTERS + 1).count();
    let least = rules.length.min(rules.length_with_second_factor) as usize;
    if characters < least {
        return Err(too_short(least));
    }
    if characters > MAX_CHARACTERS {
        return Err(refused(format!("a password has at most {MAX_CHARACTERS} characters")));
    }
    Ok(())
}

/// Whether the password is only long enough with a second factor.
pub(super) fn is_short(password: &str, rules: &Passwords) -> bool {
    let characters = password.nfkc().take(rules.length as usize).count();
    characters < rules.length as usize
}

/// Why a password is refused that has fewer characters.
pub(super) fn too_short(least: usize) -> Error {
    refused(format!("a password has at least {least} characters"))
}

/// Why a password is refused that is on the operator's list.
pub(super) fn listed() -> Error {
    refused("this password is known to others: it is on a list of those that nobody may have".to_owned())
}

/// Checks a new password, in its normal form, of somebody whom these words describe. May take some hundredths of a second.
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
    let least = if is_short(password, rules) {
        LEAST_WHERE_SHORT
    } else {
        LEAST
    };
    if guessed.score() < least {
        let warning = guessed.feedback().and_then(Feedback::warning).map_or_else(
            || "it is like many others".to_owned(),
            |warning| warning.to_string().trim_end_matches('.').to_owned(),
        );
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

    const RULES: Passwords = Passwords {
        length: 15,
        length_with_second_factor: 8,
        blocklist: None,
    };

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
        assert!(message("plover").unwrap().contains("at least 8"));
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

    #[test]
    fn a_password_is_short_by_its_characters_as_they_are_hashed() {
        assert!(is_short("plover quartz", &RULES) && !is_short("plover quartz ni", &RULES));
        // One character that looks like three is three: `…` becomes `...`.
        assert!(!is_short("plover quartz\u{2026}", &RULES));
    }
}
