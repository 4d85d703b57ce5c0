//! Every quirk of the real wire, in one place. `docs/divergences.md` says which client needs which.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use httpsig::{Message, Presented, Reading, Refusal, Version, fields};
use uuid::Uuid;

use crate::domain::schema::Pattern;
use crate::problem::Problem;

/// Which versions `upvest-signature-version` leaves open, in the order in which they are tried (W1).
///
/// The vendor's default without the header is draft 6; generic RFC 9421 libraries do not know the header.
pub fn versions(headers: &HeaderMap) -> Result<&'static [Version], Problem> {
    match headers.get("upvest-signature-version").map(HeaderValue::as_bytes) {
        Some(b"15") => Ok(&[Version::Draft15]),
        Some(b"6") => Ok(&[Version::Draft6]),
        None => Ok(&[Version::Draft6, Version::Draft15]),
        Some(_) => Err(Problem::unauthorised("the header 'upvest-signature-version' must be 15 or 6")),
    }
}

/// The texts that the client may have signed, most likely first, none twice.
///
/// Clients differ in what they take for `@path` when it has percent-escapes (the raw text; Java and Go the
/// decoded one), and the Go signing proxy signs header values as it has normalised them. A signature is
/// checked against each: one for everything ordinary, at most twelve.
pub fn bases(
    presented: &Presented,
    message: &Message<'_>,
    versions: &[Version],
) -> Result<Vec<(Version, String)>, Refusal> {
    let mut bases: Vec<(Version, String)> = Vec::new();
    let mut refusal = None;
    let readings: &[FieldReading] =
        if is_go_proxy(message.headers) { &[fields::plain, go_proxy_value] } else { &[fields::plain] };
    // RFC 9421 writes the base as draft 15 does, but for the value of `@query-param`.
    let by_parameter = presented.components().any(|name| name == "@query-param");
    let rfc: &[Version] =
        if by_parameter && versions.contains(&Version::Draft15) { &[Version::Rfc9421] } else { &[] };
    for version in versions.iter().chain(rfc) {
        for path in paths(message.path) {
            for field in readings {
                let reading = Reading { path: path.clone(), field };
                match presented.base(message, *version, &reading) {
                    Ok(base) if bases.iter().all(|(_, known)| *known != base) => bases.push((*version, base)),
                    Ok(_) => {}
                    Err(error) => refusal = refusal.or(Some(error)),
                }
            }
        }
    }
    match refusal {
        Some(refusal) if bases.is_empty() => Err(refusal),
        _ => Ok(bases),
    }
}

fn paths(raw: &str) -> Vec<Cow<'_, str>> {
    let raw_path = Cow::Borrowed(if raw.is_empty() { "/" } else { raw });
    match percent_encoding::percent_decode_str(raw).decode_utf8() {
        Ok(decoded) if decoded != raw => vec![raw_path, decoded],
        _ => vec![raw_path],
    }
}

type FieldReading = fn(&HeaderMap, &str) -> Option<String>;

/// The vendor's signing proxy names itself, after signing. Only then is its reading tried: it does not
/// cover a list behind the first comma, so for anybody else it would let an altered header through.
fn is_go_proxy(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"upvest-httpsignature-proxy"))
}

/// Headers that decide what a request does and as whom: never taken in part.
const WHOLE: [&str; 7] = [
    "authorization",
    "content-digest",
    "content-length",
    "content-type",
    "digest",
    "idempotency-key",
    "upvest-client-id",
];

/// A header value as the vendor's signing proxy signs it: a list cut at its first `, `, and for a component
/// `h:k` the member `k` of the dictionary in header `h`.
fn go_proxy_value(headers: &HeaderMap, name: &str) -> Option<String> {
    if WHOLE.contains(&name) {
        return fields::plain(headers, name);
    }
    if let Some((header, member)) = name.split_once(':') {
        let value = fields::plain(headers, header)?;
        let mut members = value.split(',').filter_map(|part| part.trim().split_once('='));
        return members.find(|(key, _)| *key == member).map(|(_, value)| value.to_owned());
    }
    let value = fields::plain(headers, name)?;
    Some(value.split(", ").next().unwrap_or_default().to_owned())
}

/// The vendor's pattern: hyphens optional, any case, versions 0 to 5.
pub static IDEMPOTENCY_KEY: Pattern = Pattern::new(
    "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-5][0-9a-fA-F]{3}-?[089abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$",
    "a UUID",
);

/// Spellings of one UUID are one key.
pub fn idempotency_key(text: &str) -> Option<Uuid> {
    IDEMPOTENCY_KEY.is_match(text).then(|| Uuid::try_parse(&text.replace('-', "")).ok()).flatten()
}

/// 406 only when `accept` excludes every form of `application/json` (W13).
pub fn accepts_json(headers: &HeaderMap) -> bool {
    let sent: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let ranges =
        || sent.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty());
    if ranges().next().is_none() {
        return true;
    }
    // The most specific range that fits decides (RFC 9110 section 12.5.1); a weight of 0 excludes.
    let weight = |wanted: &str| {
        ranges().find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let fits = parts.next()?.eq_ignore_ascii_case(wanted);
            let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            fits.then(|| q.and_then(|q| q.parse().ok()).unwrap_or(1.0_f32))
        })
    };
    ["application/json", "application/*", "*/*"]
        .into_iter()
        .find_map(weight)
        .is_some_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idempotency_keys_follow_the_vendors_pattern() {
        for good in [
            "a3a780b6-a012-4fa8-905c-61a9d0c20844",
            "A3A780B6-A012-4FA8-905C-61A9D0C20844",
            "a3a780b6a0124fa8905c61a9d0c20844",
            "a3a780b6-a0124fa8-905c61a9d0c20844",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(idempotency_key(good).is_some(), "{good}");
        }
        assert_eq!(
            idempotency_key("A3A780B6A0124FA8905C61A9D0C20844"),
            idempotency_key("a3a780b6-a012-4fa8-905c-61a9d0c20844")
        );
        for bad in [
            "",
            "abc",
            "a3a780b6-a012-7fa8-905c-61a9d0c20844",
            "a3a780b6-a012-4fa8-c05c-61a9d0c20844",
            "\"a3a780b6-a012-4fa8-905c-61a9d0c20844\"",
            "a3a780b6-a012-4fa8-905c-61a9d0c20844-",
            "a3a78-0b6a0124fa8905c61a9d0c20844",
            "a3a780b6--a012-4fa8-905c-61a9d0c20844",
            "g3a780b6-a012-4fa8-905c-61a9d0c20844",
        ] {
            assert!(idempotency_key(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_an_accept_that_excludes_json_is_refused() {
        for (accept, fits) in [
            ("application/json", true),
            ("*/*", true),
            ("application/*", true),
            ("", true),
            ("application/json;q=1, application/problem+json;q=0", true),
            ("text/html, */*;q=0.1", true),
            ("APPLICATION/JSON; charset=utf-8", true),
            ("text/csv", false),
            ("application/pdf", false),
            ("application/problem+json", false),
            ("application/json;q=0", false),
            ("application/json;q=0, */*", false),
            ("*/*;q=0", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(accepts_json(&headers), fits, "{accept}");
        }
        assert!(accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn values_as_the_signing_proxy_signs_them() {
        let mut headers = HeaderMap::new();
        headers.insert("accept", "application/json, text/plain, */*".parse().unwrap());
        headers.insert("cache-control", "max-age=0".parse().unwrap());
        headers.insert("date", "Sat,21 Nov 2026".parse().unwrap());
        assert_eq!(go_proxy_value(&headers, "accept").unwrap(), "application/json");
        assert_eq!(go_proxy_value(&headers, "cache-control:max-age").unwrap(), "0");
        assert_eq!(go_proxy_value(&headers, "cache-control:no-store"), None);
        assert_eq!(go_proxy_value(&headers, "date").unwrap(), "Sat,21 Nov 2026");
    }
}
