//! Certificates of the host's own making, and whether and how long one of an authority is good.

use data_encoding::BASE64;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::http::tls::MAX_PEM_BYTES;

/// The only kind of block that an authority has to send.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// How many bytes are a line of PEM.
const LINE_BYTES: usize = 48;
/// How far the clocks of an authority and of the host may be apart.
const SKEW_MS: u64 = 60 * 60 * 1000;

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
    let (from_ms, until_ms) = validity_ms(leaf, domains)?;
    Some(from_ms + (until_ms - from_ms) / 3 * 2)
}

/// From when until when it is good. `None` where it can't be read, or is not for these names.
fn validity_ms(leaf: &[u8], domains: &[String]) -> Option<(u64, u64)> {
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
    let ms = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).ok()?.checked_mul(1000);
    let validity = leaf.validity();
    let (from_ms, until_ms) = (ms(validity.not_before)?, ms(validity.not_after)?);
    (from_ms < until_ms).then_some((from_ms, until_ms))
}

/// What is kept of what an authority has sent: the certificate with its chain, and the host's own key. Whatever else was sent,
/// such as a key that others know, is not among it. Otherwise what is wrong.
pub(super) fn kept(sent: &str, key: &str, domains: &[String], now_ms: u64) -> Result<String, String> {
    let is_other = |line: &str| line.starts_with("-----BEGIN") && line.trim_end() != BEGIN;
    if sent.split(['\r', '\n']).any(is_other) {
        return Err("there is more than certificates in it".to_owned());
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(sent.as_bytes()).collect();
    let chain = chain.map_err(|error| error.to_string())?;
    let Some(leaf) = chain.first() else {
        return Err("there is no certificate in it".to_owned());
    };
    let validity_ms = validity_ms(leaf, domains);
    let Some((from_ms, _)) = validity_ms else {
        return Err("it can't be read, or is not for all of the names".to_owned());
    };
    if from_ms > now_ms.saturating_add(SKEW_MS) {
        return Err("it is not good yet".to_owned());
    }
    if due_ms(leaf, domains).is_none_or(|due_ms| due_ms <= now_ms) {
        return Err("its time is over, or nearly so".to_owned());
    }
    let pem = chain.iter().map(|der| encoded(der)).collect::<String>() + key;
    if pem.len() as u64 > MAX_PEM_BYTES {
        return Err(format!("with its key it has more than {MAX_PEM_BYTES} bytes"));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| error.to_string())?;
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
    pair.map_err(|error| format!("it is not for the key of this host: {error}"))?;
    Ok(pem)
}

/// A certificate in PEM.
fn encoded(der: &[u8]) -> String {
    let lines = der.chunks(LINE_BYTES).map(|line| BASE64.encode(line) + "\n");
    format!("{BEGIN}\n{}{END}\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate that is good for these years.
    fn signed(domains: &[&str], from: i32, until: i32, key: &KeyPair) -> rcgen::Certificate {
        let domains: Vec<String> = domains.iter().map(|&domain| domain.to_owned()).collect();
        let mut params = CertificateParams::new(domains).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.self_signed(key).unwrap()
    }

    fn leaf(domains: &[&str], from: i32, until: i32) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        signed(domains, from, until, &key).der().to_vec()
    }

    /// In 2022.
    const NOW_MS: u64 = 1_650_000_000_000;
    const SHOP: &str = "shop.example.org";

    #[test]
    fn a_certificate_for_the_key_and_the_names_is_kept_without_what_was_sent_beside_it() {
        let key = KeyPair::generate().unwrap();
        let [leaf, above] = [(2022, SHOP), (2020, "ca")].map(|(from, name)| signed(&[name], from, 2025, &key).pem());
        let sent = format!("\u{feff}\r\nListen 80\r\n\r\n{leaf}\r\n# from the authority\r\n{above}");
        let kept = kept(&sent, &key.serialize_pem(), &[SHOP.to_owned()], NOW_MS).unwrap();
        let plain = |pem: String| pem.replace('\r', "").trim_end().to_owned() + "\n";
        assert_eq!(
            kept.trim_end(),
            [leaf, above, key.serialize_pem()].map(plain).concat().trim_end()
        );
    }

    #[test]
    fn what_is_no_certificate_for_the_key_the_names_and_the_day_is_not_kept() {
        let [own, other] = [(); 2].map(|()| KeyPair::generate().unwrap());
        let refused = |sent: &str| kept(sent, &own.serialize_pem(), &[SHOP.to_owned()], NOW_MS).unwrap_err();
        let of = |domain: &str, from, until, key| signed(&[domain], from, until, key).pem();
        let good = of(SHOP, 2022, 2025, &own);
        for (sent, reason) in [
            (String::new(), "there is no certificate"),
            (
                "<!doctype html><title>Oops</title>".to_owned(),
                "there is no certificate",
            ),
            (good.replace("-----END", "-----"), "section end"),
            (good.replace("MII", "MI!"), "base64"),
            (format!("{BEGIN}\nAAAA\n{END}\n"), "it can't be read"),
            (of("www.example.org", 2022, 2025, &own), "is not for all of the names"),
            (of(SHOP, 2025, 2022, &own), "it can't be read"),
            (of(SHOP, 2023, 2025, &own), "it is not good yet"),
            (of(SHOP, 2020, 2022, &own), "its time is over"),
            (of(SHOP, 2020, 2023, &own), "its time is over"),
            (of(SHOP, 2022, 2025, &other), "it is not for the key"),
            // With a key that the authority has chosen.
            (
                of(SHOP, 2022, 2025, &other) + &other.serialize_pem(),
                "there is more than",
            ),
            (other.serialize_pem() + &good, "there is more than"),
            (good.repeat(600), "bytes"),
        ] {
            let error = refused(&sent);
            assert!(error.contains(reason), "{reason}: {error}");
        }
        assert!(kept(&good, &own.serialize_pem(), &[SHOP.to_owned()], NOW_MS).is_ok());
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
