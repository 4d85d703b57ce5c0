//! When a changed request still means the same, computed without the crate. The reasons in here are all there
//! are.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http_message_signatures::Algorithm;

use crate::wire::{UNCOVERED, Wire};

/// Why a changed request means what the original meant; `None` when it does not.
pub fn same(original: &Wire, mutant: &Wire, kind: Algorithm) -> Option<&'static str> {
    let line = |wire: &Wire| (wire.method.clone(), wire.path.clone(), wire.body.clone());
    if line(original) != line(mutant) {
        return None;
    }
    match (&original.query, &mutant.query) {
        (before, after) if before == after => {}
        (None, Some(after)) if after.is_empty() => {}
        _ => return None,
    }
    let covered =
        original.fields.iter().map(|(name, _)| name.as_str()).filter(|name| !UNCOVERED.contains(name));
    for name in covered.filter(|name| !name.starts_with("signature")) {
        if original.joined(name) != mutant.joined(name) {
            return None;
        }
    }
    if original.joined("authorization") != mutant.joined("authorization") {
        return None;
    }
    let both = |wire: &Wire| Some((wire.joined("signature-input")?, wire.joined("signature")?));
    let ((input, before), (input_after, after)) = (both(original)?, both(mutant)?);
    if (&input, &before) == (&input_after, &after) {
        return Some(how(original, mutant));
    }
    if before == after && respaced(&input) == respaced(&input_after) {
        return Some("other blanks in the parameters");
    }
    if beside(&input, &input_after)? || beside(&before, &after).unwrap_or(false) {
        return Some("another signature beside the one");
    }
    let (before, after) = (signature(&before)?, signature(&after)?);
    if before == after {
        return Some("the same signature bytes in another base64 form or with a parameter");
    }
    (twin(&before, kind)? == after).then_some("the other of the two equal ECDSA signatures, (r, n-s)")
}

/// Which of the changes it was that no verifier can see: all covered values are the same here.
fn how(original: &Wire, mutant: &Wire) -> &'static str {
    let covered = |wire: &Wire| {
        let fields = wire.fields.iter().filter(|(name, _)| original.is_covered(name)).cloned();
        let mut fields: Vec<_> = fields.collect();
        fields.sort();
        fields
    };
    let lower = |fields: &[(String, Vec<u8>)]| {
        fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect::<Vec<_>>()
    };
    let (before, after) = (covered(original), covered(mutant));
    if before == after {
        return if original.query == mutant.query {
            "a field that is not covered, or the order of different fields"
        } else {
            "a question mark without a query"
        };
    }
    if before.len() != after.len() {
        return "the lines of a field split or joined";
    }
    if lower(&before).iter().zip(lower(&after)).all(|(a, b)| a == &b) {
        return "a field name in another case";
    }
    "whitespace around a value"
}

/// The field without blanks that RFC 8941 does not need; inside strings everything stays.
fn respaced(field: &[u8]) -> Vec<u8> {
    let (mut kept, mut quoted, mut escaped) = (Vec::new(), false, false);
    for (at, &byte) in field.iter().enumerate() {
        let before = kept.last().copied().unwrap_or_default();
        let next = field[at + 1..].iter().copied().find(|next| !b" \t".contains(next)).unwrap_or_default();
        match byte {
            b' ' | b'\t' if !quoted && (b"(; ".contains(&before) || b");".contains(&next)) => continue,
            b'\t' if !quoted => kept.push(b' '),
            _ => kept.push(byte),
        }
        quoted ^= byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
    }
    kept
}

/// Whether a dictionary got other members beside its only one, whose text must be the same; `None` when it is
/// not.
pub fn beside(before: &[u8], after: &[u8]) -> Option<bool> {
    let (before, after) = (std::str::from_utf8(before).ok()?, std::str::from_utf8(after).ok()?);
    let (ahead, behind) = after.split_once(before)?;
    let apart =
        |text: &str, comma: fn(&str) -> bool| text.is_empty() || (comma(text) && !text.contains("sig1"));
    let ahead_apart = apart(ahead, |text| text.trim_end_matches([' ', '\t']).ends_with(','));
    let behind_apart = apart(behind, |text| text.trim_start_matches([' ', '\t']).starts_with(','));
    (ahead_apart && behind_apart).then_some(before != after)
}

pub fn signature(field: &[u8]) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let text = std::str::from_utf8(field).ok()?.strip_prefix("sig1=:")?;
    let (inside, behind) = text.split_once(':')?;
    (behind.is_empty() || behind.starts_with(';')).then_some(())?;
    GeneralPurpose::new(&STANDARD, lenient).decode(inside).ok()
}

/// `n - s` for the curve's order n, in the encoding the signature came in.
pub fn twin(signature: &[u8], kind: Algorithm) -> Option<Vec<u8>> {
    let order: &str = match kind {
        Algorithm::P256 => "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
        Algorithm::P384 => {
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973"
        }
        Algorithm::P521 => {
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFA51868783BF2F966B7FCC0148F709A5D0\
             3BB5C9B8899C47AEBB6FB71E91386409"
        }
        _ => return None,
    };
    let order: Vec<u8> =
        (0..order.len() / 2).map(|at| u8::from_str_radix(&order[2 * at..2 * at + 2], 16).unwrap()).collect();
    let minus = |s: &[u8]| {
        let mut borrow = 0_i16;
        let mut difference = order.clone();
        for at in (0..order.len()).rev() {
            let digit = (at + s.len()).checked_sub(order.len()).map_or(0, |at| i16::from(s[at]));
            let rest = i16::from(order[at]) - digit - borrow;
            borrow = i16::from(rest < 0);
            difference[at] = u8::try_from(rest & 0xff).unwrap();
        }
        difference
    };
    if signature.len() == 2 * order.len() {
        let (r, s) = signature.split_at(order.len());
        return Some([r, &minus(s)].concat());
    }
    // DER: SEQUENCE, perhaps a long length, INTEGER r, INTEGER s.
    let header = if signature[1] == 0x81 { 3 } else { 2 };
    let r_end = header + 2 + usize::from(signature[header + 1]);
    let s = trim_zeros(&signature[r_end + 2..]);
    let negated = minus(s);
    let mut s = trim_zeros(&negated).to_vec();
    if s[0] >= 0x80 {
        s.insert(0, 0);
    }
    let mut inside = signature[header..r_end].to_vec();
    inside.extend([2, u8::try_from(s.len()).unwrap()]);
    inside.extend(s);
    let length = u8::try_from(inside.len()).unwrap();
    let mut der = if length >= 0x80 { vec![0x30, 0x81, length] } else { vec![0x30, length] };
    der.extend(inside);
    Some(der)
}

pub fn trim_zeros(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..]
}
