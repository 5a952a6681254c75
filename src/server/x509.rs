//! The two facts of a certificate that a login needs: its common name, and the hash that binds a login to it (RFC 5929).
//!
//! Chains and signatures are checked by rustls; this only walks through the DER of a certificate.

use ring::digest;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const VERSION: u8 = 0xa0;
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];

/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 1.2.840.113549.1.1: RSA with its hashes.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// 1.2.840.10045.4.3: ECDSA with SHA-2.
const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// 1.2.840.10045.4.1: ECDSA with SHA-1.
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];

/// Takes one element off `input`: its tag and what is in it.
fn take<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, after) = rest.split_at_checked(count)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (body, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, body))
}

/// Takes an element that must have this tag.
fn expect<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    take(input).filter(|(found, _)| *found == tag).map(|(_, body)| body)
}

/// The common name of the subject, where there is exactly one.
pub(crate) fn common_name(certificate: &[u8]) -> Option<String> {
    let mut whole = certificate;
    let mut outer = expect(&mut whole, SEQUENCE)?;
    let mut body = expect(&mut outer, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        take(&mut body)?;
    }
    // Serial number, signature algorithm, issuer, validity.
    for _ in 0..4 {
        take(&mut body)?;
    }
    let mut subject = expect(&mut body, SEQUENCE)?;
    let mut found = None;
    while !subject.is_empty() {
        let mut set = expect(&mut subject, SET)?;
        while !set.is_empty() {
            let mut pair = expect(&mut set, SEQUENCE)?;
            if expect(&mut pair, OBJECT)? != COMMON_NAME {
                continue;
            }
            let (tag, text) = take(&mut pair)?;
            let text = std::str::from_utf8(text).ok().filter(|text| TEXTS.contains(&tag) && !text.contains('\0'))?;
            if found.replace(text.to_owned()).is_some() {
                return None;
            }
        }
    }
    found
}

/// The hash of a certificate as `tls-server-end-point` has it: by the hash of its signature, SHA-256 in place of MD5 and SHA-1.
/// Nothing where the signature has no hash of its own, as Ed25519.
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let mut whole = certificate;
    let mut outer = expect(&mut whole, SEQUENCE)?;
    take(&mut outer)?;
    let mut algorithm = expect(&mut outer, SEQUENCE)?;
    let name = expect(&mut algorithm, OBJECT)?;
    let (family, last) = name.split_at_checked(name.len().checked_sub(1)?)?;
    let hash = match (family, last) {
        (RSA, [4 | 5 | 11]) | (ECDSA, [2]) => &digest::SHA256,
        (RSA, [12]) | (ECDSA, [3]) => &digest::SHA384,
        (RSA, [13]) | (ECDSA, [4]) => &digest::SHA512,
        _ if name == ECDSA_SHA1 => &digest::SHA256,
        _ => return None,
    };
    Some(digest::digest(hash, certificate).as_ref().to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> Vec<u8> {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "Clinic");
        for name in names {
            parameters.distinguished_name.push(rcgen::DnType::CommonName, *name);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_is_found() {
        assert_eq!(common_name(&made(&["Jürgen"])).as_deref(), Some("Jürgen"));
        assert_eq!(common_name(&made(&[])), None);
    }

    #[test]
    fn the_end_point_is_the_hash_of_the_signature() {
        // rcgen signs with ECDSA and SHA-256.
        let certificate = made(&["x"]);
        assert_eq!(end_point(&certificate).unwrap(), digest::digest(&digest::SHA256, &certificate).as_ref());
    }

    #[test]
    fn broken_certificates_are_nothing() {
        let whole = made(&["anna"]);
        for end in 0..whole.len() {
            let half = &whole[..end];
            assert_eq!((common_name(half), end_point(half)), (None, None), "{end}");
        }
        for at in 0..whole.len().min(200) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let _ = (common_name(&damaged), end_point(&damaged));
        }
    }
}
