//! X.509 certificates and the armour of PEM (RFC 7468). Of private keys only the header line counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use evidence::Digest;
use evidence::kinds::certificates::{Certificate, KeyType, SignatureHash};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::public_key::PublicKey;

/// Most certificates of one file that are told; a file with more is a list of authorities.
pub const MAX_CERTIFICATES: usize = 10;

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub certificates: Vec<Certificate>,
    /// It holds more than are told.
    pub is_bundle: bool,
    /// One of them is in OpenSSL's form with trust of its own, and not told.
    pub has_trusted: bool,
    /// A private key, and whether it is encrypted.
    pub key: Option<bool>,
}

/// Reads PEM, or one certificate in DER; an error in words for what is neither.
pub fn read(path: &str, bytes: &[u8]) -> Result<Contents, String> {
    if bytes.first() == Some(&0x30) {
        let certificate = certificate(path, 0, bytes)?;
        return Ok(Contents { certificates: vec![certificate], ..Contents::default() });
    }
    is_whole(bytes)?;
    let mut contents = Contents::default();
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).peekable();
    while let Some(line) = lines.next() {
        let Some(label) = label(line) else { continue };
        if label.ends_with(b"PRIVATE KEY") {
            contents.key = Some(is_encrypted(label, lines.peek().copied()));
            continue;
        }
        if !matches!(label, b"CERTIFICATE" | b"X509 CERTIFICATE") {
            // With OpenSSL's own trust: only lists of authorities are of that form.
            let is_trusted = label == b"TRUSTED CERTIFICATE";
            contents.is_bundle |= is_trusted;
            contents.has_trusted |= is_trusted;
            continue;
        }
        let position = contents.certificates.len();
        let mut body = Vec::new();
        loop {
            match lines.next() {
                Some(line) if line.starts_with(b"-----END ") => break,
                Some(line) if !line.starts_with(b"-----") => body.extend_from_slice(line),
                _ => return Err(format!("certificate {position} has no end")),
            }
        }
        if position == MAX_CERTIFICATES {
            contents.is_bundle = true;
            continue;
        }
        let der = STANDARD.decode(&body);
        let der = der.map_err(|_| format!("certificate {position} is not in base64"))?;
        let index = i64::try_from(position).unwrap_or(i64::MAX);
        contents.certificates.push(certificate(path, index, &der)?);
    }
    Ok(contents)
}

/// Text, in which every BEGIN has its END: a damaged line would hide what is between.
fn is_whole(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "neither text nor DER".to_owned())?;
    if text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        return Err("neither text nor DER".to_owned());
    }
    let mut open: Option<&str> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let fail = || Err(format!("line {number}: not where it should be"));
        let label = |prefix| line.strip_prefix(prefix).and_then(|rest| rest.strip_suffix("-----"));
        match (open, label("-----BEGIN "), label("-----END ")) {
            (None, Some(label), None) => open = Some(label),
            (Some(begun), None, Some(label)) if begun == label => open = None,
            (_, None, None) if !line.contains("-----") => {}
            _ => return fail(),
        }
    }
    match open {
        None => Ok(()),
        Some(label) => Err(format!("{label} has no end")),
    }
}

/// Whether the beginning of a key file says that it is encrypted; `None` without a header.
pub fn key_is_encrypted(beginning: &[u8]) -> Option<bool> {
    let mut lines = beginning.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let label = lines.by_ref().find_map(label).filter(|label| label.ends_with(b"PRIVATE KEY"))?;
    Some(is_encrypted(label, lines.next()))
}

/// RFC 5958 says it in the label, the older form of OpenSSL in a line below.
fn is_encrypted(label: &[u8], next: Option<&[u8]>) -> bool {
    let is_old = next.is_some_and(|line| line.starts_with(b"Proc-Type:"));
    label.starts_with(b"ENCRYPTED ") || is_old
}

fn label(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")
}

fn certificate(path: &str, position: i64, der: &[u8]) -> Result<Certificate, String> {
    let fail = |what: &str| format!("certificate {position}: {what}");
    let (rest, parsed) =
        x509_parser::parse_x509_certificate(der).map_err(|error| fail(&error.to_string()))?;
    if !rest.is_empty() {
        return Err(fail("bytes after its end"));
    }
    let (key_type, key_bits) = key(&parsed);
    let name = |name: &x509_parser::x509::X509Name<'_>| {
        let first = name.iter_common_name().next().and_then(|name| name.as_str().ok());
        first.map(str::to_owned)
    };
    Ok(Certificate {
        path: path.to_owned(),
        position,
        subject_cn: name(parsed.subject()),
        issuer_cn: name(parsed.issuer()),
        serial: hex::encode(parsed.raw_serial()),
        sha256: Digest::of(der).to_string(),
        not_before_s: parsed.validity().not_before.timestamp(),
        not_after_s: parsed.validity().not_after.timestamp(),
        key_type,
        key_bits,
        signature_hash: signature_hash(&parsed),
        is_ca: parsed.is_ca(),
        self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
        sans_count: names(&parsed),
        used_by: Vec::new(),
    })
}

fn key(certificate: &X509Certificate<'_>) -> (KeyType, i64) {
    let info = certificate.public_key();
    let kind = match info.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => KeyType::Rsa,
        "1.2.840.10040.4.1" => KeyType::Dsa,
        "1.2.840.10045.2.1" => KeyType::Ec,
        "1.3.101.112" => return (KeyType::Ed25519, 253),
        "1.3.101.113" => return (KeyType::Ed448, 456),
        _ => return (KeyType::Unknown, 0),
    };
    let bits = match (kind, info.parsed()) {
        (KeyType::Rsa, Ok(PublicKey::RSA(rsa))) => bit_length(rsa.modulus),
        (KeyType::Dsa, Ok(PublicKey::DSA(_))) => dsa_bits(certificate),
        (KeyType::Ec, _) => curve_bits(certificate),
        _ => 0,
    };
    (kind, bits)
}

fn bit_length(number: &[u8]) -> i64 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let leading = digits.first().map_or(0, |byte| i64::from(byte.leading_zeros()));
    i64::try_from(digits.len()).map_or(0, |length| length * 8 - leading)
}

/// Of the prime, which is the first of the parameters: SEQUENCE { INTEGER p, … }.
fn dsa_bits(certificate: &X509Certificate<'_>) -> i64 {
    let parameters = certificate.public_key().algorithm.parameters.as_ref();
    let prime = parameters.and_then(|any| {
        let (_, prime) = x509_parser::der_parser::parse_der(any.data).ok()?;
        Some(bit_length(prime.content.as_slice().ok()?))
    });
    prime.unwrap_or(0)
}

fn curve_bits(certificate: &X509Certificate<'_>) -> i64 {
    let parameters = certificate.public_key().algorithm.parameters.as_ref();
    let curve = parameters.and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    match curve.as_deref() {
        Some("1.2.840.10045.3.1.1") => 192,
        Some("1.3.132.0.33") => 224,
        Some("1.2.840.10045.3.1.7" | "1.3.132.0.10" | "1.3.36.3.3.2.8.1.1.7") => 256,
        Some("1.3.132.0.34" | "1.3.36.3.3.2.8.1.1.11") => 384,
        Some("1.3.36.3.3.2.8.1.1.13") => 512,
        Some("1.3.132.0.35") => 521,
        _ => 0,
    }
}

fn signature_hash(certificate: &X509Certificate<'_>) -> SignatureHash {
    let algorithm = &certificate.signature_algorithm;
    match algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => SignatureHash::Md5,
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" | "1.3.14.3.2.29" => {
            SignatureHash::Sha1
        }
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.3.1" => {
            SignatureHash::Sha224
        }
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.3.2" => {
            SignatureHash::Sha256
        }
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => SignatureHash::Sha384,
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => SignatureHash::Sha512,
        "1.3.101.112" | "1.3.101.113" => SignatureHash::Intrinsic,
        "1.2.840.113549.1.1.10" => pss_hash(certificate),
        _ => SignatureHash::Unknown,
    }
}

/// RSASSA-PSS names its hash in parameters (RFC 4055); without, it is SHA-1.
fn pss_hash(certificate: &X509Certificate<'_>) -> SignatureHash {
    use x509_parser::signature_algorithm::SignatureAlgorithm;
    let Ok(SignatureAlgorithm::RSASSA_PSS(pss)) =
        SignatureAlgorithm::try_from(&certificate.signature_algorithm)
    else {
        return SignatureHash::Unknown;
    };
    match pss.hash_algorithm_oid().to_id_string().as_str() {
        "1.3.14.3.2.26" => SignatureHash::Sha1,
        "2.16.840.1.101.3.4.2.4" => SignatureHash::Sha224,
        "2.16.840.1.101.3.4.2.1" => SignatureHash::Sha256,
        "2.16.840.1.101.3.4.2.2" => SignatureHash::Sha384,
        "2.16.840.1.101.3.4.2.3" => SignatureHash::Sha512,
        _ => SignatureHash::Unknown,
    }
}

fn names(certificate: &X509Certificate<'_>) -> i64 {
    let names =
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(names.general_names.len()),
            _ => None,
        });
    names.and_then(|count| i64::try_from(count).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_say_whether_a_key_is_encrypted() {
        for (text, expect) in [
            ("-----BEGIN PRIVATE KEY-----\nMC4C\n", Some(false)),
            ("Bag Attributes\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nMC4C\n", Some(true)),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", Some(true)),
            ("-----BEGIN EC PRIVATE KEY-----\r\nMHcC\r\n", Some(false)),
            ("-----BEGIN CERTIFICATE-----\nMHcC\n", None),
            ("MHcC\n", None),
        ] {
            assert_eq!(key_is_encrypted(text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            "0\u{1}",
        ] {
            assert!(read("/x", text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(read("/x", b"text\n"), Ok(Contents::default()));
    }

    #[test]
    fn lengths_are_counted_in_bits() {
        assert_eq!(bit_length(&[0, 0x80, 0]), 16);
        assert_eq!(bit_length(&[0x01, 0]), 9);
        assert_eq!(bit_length(&[]), 0);
    }

    proptest! {
        #[test]
        fn every_file_has_an_answer(
            body in prop::collection::vec(any::<u8>(), 0..120),
            text in "(?s)[ -~\n]{0,120}",
        ) {
            let _ = read("/x", &body);
            let _ = read("/x", text.as_bytes());
            let armoured = format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                STANDARD.encode(&body)
            );
            prop_assert!(read("/x", armoured.as_bytes()).is_err());
        }
    }
}
