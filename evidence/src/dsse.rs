//! DSSE: the bytes that are signed, and the envelope for export.
//! Source: the DSSE v1 specification (secure-systems-lab).

/// Pre-authentication encoding: type and payload with their lengths, so that neither can be
/// mistaken for the other.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {} {} ", payload_type.len(), payload_type, payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn pae_is_that_of_the_specification() {
        let bytes = super::pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
