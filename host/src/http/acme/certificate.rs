//! Certificates of the host's own making, and how long one of an authority is good.

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate with its key.
pub(super) type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// One that nobody trusts, for as long as there is no other.
pub(super) fn of_nobody(domains: &[String]) -> Result<Pair, rcgen::Error> {
    // Its time is over since long, so that another one is got at once.
    let mut params = CertificateParams::new(domains)?;
    params.not_after = rcgen::date_time_ymd(2000, 1, 1);
    pair(&params)
}

/// One that shows who asks for a certificate (RFC 8737, 3).
pub(super) fn of_challenge(domain: &str, digest: &[u8]) -> Result<Pair, rcgen::Error> {
    let mut params = CertificateParams::new([domain.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    pair(&params)
}

fn pair(params: &CertificateParams) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((vec![certificate.der().clone()], PrivateKeyDer::from(key)))
}

/// When it is time for another certificate, in milliseconds since the Unix epoch: once two thirds of its time are over. `None`
/// where it can't be read, or is not for these names.
pub(super) fn due_ms(leaf: &[u8], domains: &[String]) -> Option<u64> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    let names = leaf.subject_alternative_name().ok().flatten()?;
    let is_for = |domain: &String| {
        let names = names.value.general_names.iter();
        names
            .clone()
            .any(|name| matches!(name, GeneralName::DNSName(name) if name.eq_ignore_ascii_case(domain)))
    };
    if !domains.iter().all(is_for) {
        return None;
    }
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).ok();
    let validity = leaf.validity();
    let (from, until) = (seconds(validity.not_before)?, seconds(validity.not_after)?);
    Some((from + until.saturating_sub(from) / 3 * 2) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(domains: &[&str], from: i32, until: i32) -> Vec<u8> {
        let domains: Vec<String> = domains.iter().map(|&domain| domain.to_owned()).collect();
        let mut params = CertificateParams::new(domains).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        pair(&params).unwrap().0[0].to_vec()
    }

    #[test]
    fn another_certificate_is_due_after_two_thirds_of_its_time_or_for_other_names() {
        let (shop, both) = (["shop.example.org".to_owned()], ["shop.example.org", "www.example.org"]);
        let names = both.map(str::to_owned);
        // 1,095 days, of which 730 are two thirds.
        let due_ms = due_ms(&leaf(&both, 2021, 2024), &names).unwrap();
        assert_eq!(due_ms / 86_400_000, (1_609_459_200 / 86_400) + 730);
        assert_eq!(super::due_ms(&leaf(&both, 2021, 2024), &shop), Some(due_ms));
        assert_eq!(super::due_ms(&leaf(&["shop.example.org"], 2021, 2024), &names), None);
        assert_eq!(super::due_ms(b"no certificate", &names), None);
        let nobody = of_nobody(&names).unwrap();
        assert!(super::due_ms(&nobody.0[0], &names).is_none_or(|due_ms| due_ms < 1_000_000_000_000));
    }
}
