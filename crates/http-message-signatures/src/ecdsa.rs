//! The two encodings of an ECDSA signature: DER (RFC 3279 section 2.2.3) and `r‖s` (RFC 9421 section 3.3.4).

/// The encoding of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureEncoding {
    /// ASN.1 DER, a SEQUENCE of the INTEGERs r and s.
    Der,
    /// r and s one after the other, each as long as the field of the curve.
    Raw,
    /// The 64 bytes of RFC 8032.
    Ed25519,
}

/// Returns the magnitudes of r and s in strict DER: without bytes behind them, in the shortest form, positive, and not
/// longer than the field, which has `size` bytes.
///
/// # Errors
/// Fails with the reason, for people.
pub(crate) fn parse_der(signature: &[u8], size: usize) -> Result<(&[u8], &[u8]), &'static str> {
    let (inside, rest) = element(signature, 0x30).ok_or("it is neither DER nor raw r‖s of this curve")?;
    let (r, inside) = element(inside, 0x02).ok_or("r is not a DER integer")?;
    let (s, inside) = element(inside, 0x02).ok_or("s is not a DER integer")?;
    if !rest.is_empty() || !inside.is_empty() {
        return Err("there are bytes behind the DER structure");
    }
    Ok((magnitude(r, size)?, magnitude(s, size)?))
}

/// Returns r and s of a raw signature, if its length fits the field, which has `size` bytes.
pub(crate) fn parse_raw(signature: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    (signature.len() == 2 * size).then(|| signature.split_at(size))
}

/// Encodes r and s as DER.
pub(crate) fn to_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let mut inside = Vec::with_capacity(r.len() + s.len() + 8);
    for number in [r, s] {
        let start = number.iter().position(|&byte| byte != 0).unwrap_or(number.len());
        let number = &number[start..];
        let sign = usize::from(number.first().is_none_or(|&byte| byte >= 0x80));
        push_header(&mut inside, 0x02, number.len() + sign);
        inside.extend(std::iter::repeat_n(0, sign));
        inside.extend_from_slice(number);
    }
    let mut der = Vec::with_capacity(inside.len() + 3);
    push_header(&mut der, 0x30, inside.len());
    der.extend_from_slice(&inside);
    der
}

/// Encodes r and s as raw bytes, each in the length of the field, which has `size` bytes.
pub(crate) fn to_raw(r: &[u8], s: &[u8], size: usize) -> Vec<u8> {
    let mut raw = Vec::with_capacity(2 * size);
    for number in [r, s] {
        raw.extend(std::iter::repeat_n(0, size.saturating_sub(number.len())));
        raw.extend_from_slice(number);
    }
    raw
}

/// Writes the tag and the length of a DER element.
///
/// No element of a signature reaches 256 bytes, so one length byte behind 0x81 is enough.
fn push_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    let length = u8::try_from(length).unwrap_or(u8::MAX);
    if length >= 0x80 {
        out.push(0x81);
    }
    out.push(length);
}

/// Splits off a DER element with this tag, and returns its content and the rest. Its length must be in the shortest
/// form.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *bytes {
        [found, length, ref rest @ ..] if found == tag && length < 0x80 => (length, rest),
        [found, 0x81, length, ref rest @ ..] if found == tag && length >= 0x80 => (length, rest),
        _ => return None,
    };
    rest.split_at_checked(usize::from(length))
}

/// Returns the magnitude of a DER integer.
fn magnitude(integer: &[u8], size: usize) -> Result<&[u8], &'static str> {
    let magnitude = match *integer {
        [] => return Err("an integer is empty"),
        [0] => return Err("r or s is zero"),
        [0, next, ..] if next < 0x80 => return Err("an integer has needless leading zeros"),
        [0, ref rest @ ..] => rest,
        [first, ..] if first >= 0x80 => return Err("an integer is negative"),
        _ => integer,
    };
    if magnitude.len() > size { Err("an integer is too long for the curve") } else { Ok(magnitude) }
}
