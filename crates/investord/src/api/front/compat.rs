//! Quirks of clients and of the vendor's API, all in one place; `docs/divergences.md` says which client needs which.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use http_message_signatures::{ComponentReader, Message, ParamsText, ReceivedSignature, VerifyError, fields};
use uuid::Uuid;

use crate::domain::json::schema::Pattern;
use crate::domain::signatures::SignatureVersion;
use crate::problem::Problem;

/// Returns the versions that `upvest-signature-version` allows, in the order in which they are tried (decision W1).
///
/// Without the header the vendor's default is draft 6. Generic RFC 9421 libraries do not know the header, so draft 15
/// follows.
///
/// # Errors
///
/// Fails with 401 for any other value of the header.
pub fn versions(headers: &HeaderMap) -> Result<&'static [SignatureVersion], Problem> {
    match headers.get("upvest-signature-version").map(HeaderValue::as_bytes) {
        Some(b"15") => Ok(&[SignatureVersion::Draft15]),
        Some(b"6") => Ok(&[SignatureVersion::Draft6]),
        None => Ok(&[SignatureVersion::Draft6, SignatureVersion::Draft15]),
        Some(_) => Err(Problem::unauthorised_public("the header 'upvest-signature-version' must be 15 or 6")),
    }
}

/// Returns the signature bases that the client may have signed, the most likely first, without duplicates.
///
/// Clients differ in three points. For a `@path` with percent-escapes most sign the raw text, Java and Go the decoded
/// one. Some sign the parameters as they send them, others their canonical form. The Go signing proxy signs header
/// values as it has normalised them. The signature is verified against each base: one base for ordinary requests, at
/// most 24.
///
/// # Errors
///
/// Fails if no base can be built, because a covered component is missing.
pub fn bases(
    presented: &ReceivedSignature,
    message: &Message<'_>,
    versions: &[SignatureVersion],
) -> Result<Vec<(SignatureVersion, String)>, VerifyError> {
    let mut bases: Vec<(SignatureVersion, String)> = Vec::new();
    let mut refusal = None;
    let readings: &[FieldReading] =
        if is_go_proxy(message.headers) { &[fields::plain, go_proxy_value] } else { &[fields::plain] };
    let texts: &[ParamsText] = if presented.is_canonical() {
        &[ParamsText::Received]
    } else {
        &[ParamsText::Received, ParamsText::Canonical]
    };
    // RFC 9421 has the same signature base as draft 15, except for the value of `@query-param`.
    let by_parameter = presented.components().any(|name| name == "@query-param");
    let rfc: &[SignatureVersion] = if by_parameter && versions.contains(&SignatureVersion::Draft15) {
        &[SignatureVersion::Rfc9421]
    } else {
        &[]
    };
    let paths = paths(message.path);
    let fields_and_texts = || readings.iter().flat_map(|field| texts.iter().map(move |text| (field, *text)));
    for version in versions.iter().chain(rfc) {
        for (path, (field, params)) in
            paths.iter().flat_map(|path| fields_and_texts().map(move |of| (path, of)))
        {
            let reading = ComponentReader::standard(message)
                .with_path(path.clone())
                .with_field(field)
                .with_params(params);
            match presented.base(message, version.profile(), &reading) {
                Ok(base) if bases.iter().all(|(_, known)| *known != base) => bases.push((*version, base)),
                Ok(_) => {}
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
    }
    match refusal {
        Some(refusal) if bases.is_empty() => Err(refusal),
        _ => Ok(bases),
    }
}

/// Returns the path as it was received and, if that is another text, with its percent-escapes decoded.
fn paths(raw: &str) -> Vec<Cow<'_, str>> {
    let raw_path = Cow::Borrowed(if raw.is_empty() { "/" } else { raw });
    match percent_encoding::percent_decode_str(raw).decode_utf8() {
        Ok(decoded) if decoded != raw => vec![raw_path, decoded],
        _ => vec![raw_path],
    }
}

/// A function that reads the value of a header field as one kind of client signs it.
type FieldReading = fn(&HeaderMap, &str) -> Option<String>;

/// Returns whether the vendor's signing proxy has sent the request, which adds its name after signing. Only its
/// requests are read in its way: that reading ignores a list after its first comma, and would accept an altered header
/// of any other client.
fn is_go_proxy(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"upvest-httpsignature-proxy"))
}

/// Headers that decide the effect or the client of a request. They are always covered as a whole.
const WHOLE: [&str; 7] = [
    "authorization", "content-digest", "content-length", "content-type", "digest", "idempotency-key",
    "upvest-client-id",
];

/// Returns a header value as the vendor's signing proxy signs it: a list up to its first `, `, and for a component
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

/// Pattern of an idempotency key: a UUID of any version and variant, nil and max included, with optional hyphens in any
/// case (decision W18). The vendor's older pattern allowed only the versions 0 to 5.
pub static IDEMPOTENCY_KEY: Pattern = Pattern::new(
    "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$",
    "a UUID",
);

/// Parses an idempotency key. All spellings of a UUID are the same key.
pub fn idempotency_key(text: &str) -> Option<Uuid> {
    IDEMPOTENCY_KEY.is_match(text).then(|| Uuid::try_parse(&text.replace('-', "")).ok()).flatten()
}

/// Returns whether `accept` allows one of the possible responses of an operation (decisions W13, W17). `media` is the
/// media type of a success; if it is empty, only problem documents have a body.
pub fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(",");
    let ranges: Vec<(&str, f32)> = split_outside_quotes(&text, ',').filter_map(media_range).collect();
    let media: &[&str] =
        if media.is_empty() { &["application/json", "application/problem+json"] } else { &[media] };
    ranges.is_empty() || media.iter().any(|media| weight(&ranges, media) > 0.0)
}

/// Returns the weight of a media type by the most specific matching range (RFC 9110 section 12.5.1); 0 excludes it.
fn weight(ranges: &[(&str, f32)], media: &str) -> f32 {
    let of = |wanted: &str| {
        let fitting = ranges.iter().filter(|(range, _)| range.eq_ignore_ascii_case(wanted));
        fitting.map(|(_, weight)| *weight).reduce(f32::max)
    };
    let any_subtype = media.split_once('/').map(|(kind, _)| format!("{kind}/*")).unwrap_or_default();
    // The Java runtime writes `*` instead of `*/*`.
    of(media).or_else(|| of(&any_subtype)).or_else(|| of("*/*")).or_else(|| of("*")).unwrap_or(0.0)
}

/// Parses a media range. Returns it without its parameters, and its weight.
fn media_range(text: &str) -> Option<(&str, f32)> {
    let mut parts = split_outside_quotes(text, ';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(1.0))
    });
    Some((range, weight.unwrap_or(1.0)))
}

/// Splits a header value at the separators outside of quoted strings (RFC 9110 section 5.6.4).
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |character| {
        let (was_quoted, was_escaped) = (quoted, escaped);
        escaped = was_quoted && !was_escaped && character == '\\';
        quoted ^= character == '"' && !was_escaped;
        !was_quoted && character == separator
    })
}

/// Returns whether the content has no coding. A client or intermediary that compresses it declares that in
/// `content-encoding` (RFC 9110 section 8.4); `identity` means no coding.
pub fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().all(|line| {
        line.to_str().is_ok_and(|codings| {
            let mut codings = codings.split(',').map(str::trim).filter(|coding| !coding.is_empty());
            codings.all(|coding| coding.eq_ignore_ascii_case("identity"))
        })
    })
}

/// Checks the media type of a body; parameters are allowed (decision W14). A `charset` must be UTF-8, because other
/// bytes read as UTF-8 would change names silently.
///
/// # Errors
///
/// Fails with the reason for the refusal.
pub fn content_type(headers: &HeaderMap, wanted: &str) -> Result<(), String> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = split_outside_quotes(sent, ';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted)) {
        return Err(format!("must be {wanted}"));
    }
    let is_utf8 = |charset: &str| ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let charsets = parts
        .filter_map(|part| part.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    if charsets.map(|(_, value)| value.trim().trim_matches('"')).all(is_utf8) {
        Ok(())
    } else {
        Err("charset must be utf-8 (RFC 8259 section 8.1)".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_is_a_uuid_of_any_version() {
        for good in [
            "a3a780b6-a012-4fa8-905c-61a9d0c20844",
            "A3A780B6-A012-4FA8-905C-61A9D0C20844",
            "a3a780b6a0124fa8905c61a9d0c20844",
            "a3a780b6-a0124fa8-905c61a9d0c20844",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "1ec9414c-232a-6b00-b3c8-9f6bdeced846",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
            "2489e9ad-2ee2-8e00-8ec9-32d5f69181c0",
            "a3a780b6-a012-4fa8-c05c-61a9d0c20844",
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
            "{a3a780b6-a012-4fa8-905c-61a9d0c20844}",
            "urn:uuid:a3a780b6-a012-4fa8-905c-61a9d0c20844",
            "017f22e279b07cc398c4dc0c0c07398",
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
    fn only_an_accept_that_excludes_every_answer_is_refused() {
        // Whether a JSON response is acceptable, and whether a response of an operation without a body is.
        for (accept, json, nothing) in [
            (&["application/json"][..], true, true),
            (&["*/*"], true, true),
            (&["application/*"], true, true),
            (&[""], true, true),
            (&[" , "], true, true),
            (&["application/json;q=1, application/problem+json;q=0"], true, true),
            (&["text/html, */*;q=0.1"], true, true),
            (&["text/html, image/gif, *; q=.2"], true, true),
            (&["APPLICATION/JSON; charset=utf-8"], true, true),
            (&["application/json ; q = 0.5"], true, true),
            (&["text/html", "application/json"], true, true),
            (&["application/json;q=0", "application/json;version=1"], true, true),
            (&["text/x;a=\"b\\\", application/json\""], false, false),
            (&["text/x;a=\"b,c;q=0\", application/json"], true, true),
            (&["text/csv"], false, false),
            (&["application/pdf"], false, false),
            (&["\u{e4}"], false, false),
            (&["application/problem+json"], false, true),
            (&["application/problem+json;q=0"], false, false),
            (&["application/json;q=0"], false, false),
            (&["application/json;q=0, */*"], false, true),
            (&["application/json;Q=0.000", "application/problem+json; q=0"], false, false),
            (&["*/*;q=0"], false, false),
            (&["*/*;q=0, application/problem+json"], false, true),
        ] {
            let mut headers = HeaderMap::new();
            for line in accept {
                headers.append(header::ACCEPT, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            assert_eq!(accepts(&headers, "application/json"), json, "{accept:?}");
            assert_eq!(accepts(&headers, ""), nothing, "{accept:?} without a body");
        }
        assert!(accepts(&HeaderMap::new(), "application/json") && accepts(&HeaderMap::new(), ""));
    }

    #[test]
    fn content_is_plain_unless_a_coding_says_otherwise() {
        for (codings, plain) in [
            (&[][..], true),
            (&["identity"], true),
            (&["Identity, identity"], true),
            (&["", " , "], true),
            (&["gzip"], false),
            (&["identity, br"], false),
            (&["identity", "x-gzip"], false),
            (&["aws-chunked"], false),
            (&["\u{e4}"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in codings {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            assert_eq!(is_plain(&headers), plain, "{codings:?}");
        }
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
