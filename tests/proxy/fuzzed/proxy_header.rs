//! What must hold of the PROXY header's decoder, whatever the bytes.

use elbws::proxy::proxy_protocol::{
    Addresses, DecodeError, Decoded, Form, Opening, Origin, Tlv, V1_MAX, V2_MAX, Versions, decode, encode_v1,
    encode_v2, opening, tlv_kind,
};

/// Up to here every split is tried, beyond only some, so that long inputs do not take all the time.
const ALL_SPLITS: usize = 600;

pub(crate) fn check(input: &[u8]) {
    let any = decode(input, Versions::Any);
    opens(input);
    for versions in [Versions::V1, Versions::V2, Versions::Any] {
        let whole = decode(input, versions);
        if let Ok(Some(decoded)) = &whole {
            holds_together(input, decoded);
            assert_eq!(any.as_ref(), Ok(&Some(decoded.clone())), "what one version takes, both take");
        }
        splits(input, versions);
    }
    if let Ok(Some(_)) = &any {
        let one = [Versions::V1, Versions::V2].map(|versions| decode(input, versions).is_ok());
        assert_ne!(one[0], one[1], "a header is of one version");
    }
}

/// Where a header may be left out, its absence is seen at the byte where the decoder misses it, and for good.
fn opens(input: &[u8]) {
    let mut before = Opening::Undecided;
    for end in (0..=input.len()).take(40) {
        let seen = opening(&input[..end]);
        assert!(before == Opening::Undecided || seen == before, "another opening at {end}");
        let missing = decode(&input[..end], Versions::Any) == Err(DecodeError::Missing);
        assert_eq!(seen == Opening::Other, missing, "at {end}");
        before = seen;
    }
    // The longest of the two beginnings has 12 bytes.
    assert!(input.len() < 12 || before != Opening::Undecided);
    assert_eq!(opening(input), before);
}

/// However much of the input has arrived, the verdict is the final one or none yet.
fn splits(input: &[u8], versions: Versions) {
    let whole = decode(input, versions);
    for end in (0..=input.len()).filter(|end| *end <= ALL_SPLITS || end % 97 == 0) {
        match decode(&input[..end], versions) {
            Ok(None) => {
                let consumed = whole.as_ref().ok().and_then(|one| one.as_ref()).map(|one| one.consumed);
                assert!(
                    consumed.is_none_or(|consumed| consumed > end),
                    "the header's end was not seen at {end}"
                );
            }
            Ok(Some(early)) => {
                assert!(early.consumed <= end);
                assert_eq!(whole, Ok(Some(early)), "at {end}");
            }
            Err(_) => assert!(whole.is_err(), "refused at {end} and taken later"),
        }
    }
}

fn holds_together(input: &[u8], decoded: &Decoded) {
    let consumed = decoded.consumed;
    assert!(consumed <= input.len() && consumed > 0);
    let bytes = &input[..consumed];
    let is_v1 = bytes.starts_with(b"PROXY ");
    assert_eq!(decoded.form == Form::V1, is_v1);
    if decoded.form == Form::Local {
        assert_eq!((&decoded.header.origin, decoded.header.tlvs.len()), (&Origin::Socket, 0));
    }
    assert!(consumed <= if is_v1 { V1_MAX } else { V2_MAX });
    match decoded.header.origin {
        Origin::Proxied(addresses) if is_v1 => holds_of_v1(bytes, addresses),
        _ if is_v1 => assert!(bytes.starts_with(b"PROXY UNKNOWN")),
        _ => holds_of_v2(decoded),
    }
}

/// There is one way to write IPv4 addresses, so the very bytes must come out again.
fn holds_of_v1(bytes: &[u8], addresses: Addresses) {
    let again = encode_v1(Some(&addresses));
    if bytes.starts_with(b"PROXY TCP4 ") {
        assert_eq!(again, bytes);
    }
    assert_eq!(decode(&again, Versions::V1).unwrap().unwrap().header.origin, Origin::Proxied(addresses));
}

fn holds_of_v2(decoded: &Decoded) {
    let header = &decoded.header;
    let tlvs: Vec<Tlv> = header.tlvs.iter().filter(|tlv| tlv.kind != tlv_kind::CRC32C).cloned().collect();
    let again = encode_v2(&header.origin, &tlvs, true).unwrap();
    if again.len() > V2_MAX {
        return;
    }
    let read = decode(&again, Versions::V2).unwrap().unwrap();
    assert_eq!(read.header.origin, header.origin);
    if header.origin != Origin::Socket {
        assert_eq!(read.header.tlvs[..tlvs.len()], tlvs);
    }
    // A bit flipped anywhere behind the lengths is seen.
    let mut bad = again.clone();
    let last = bad.len() - 1;
    bad[last] ^= 1;
    if header.origin != Origin::Socket {
        assert!(decode(&bad, Versions::V2).is_err());
    }
    for id in [header.vpc_endpoint_id(), header.authority(), header.alpn()].into_iter().flatten() {
        assert!(id.len() < V2_MAX);
    }
    assert!(header.vpc_endpoint_id().is_none_or(|id| !id.contains(['\r', '\n', ' '])));
}
