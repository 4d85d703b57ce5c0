//! Rejects requests that two parsers could read as two different requests (request smuggling).

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, Version, header};

use crate::problem::Problem;

/// Rejects requests without exactly one valid host, and requests with an unsupported transfer coding: intermediaries
/// could frame or route them differently from this server.
pub async fn reject_ambiguous(request: Request, next: Next) -> Response {
    let fault = host_error(request.version(), request.uri(), request.headers());
    match fault.map(|fault| ("host", fault)).or_else(|| transfer_coding_error(request.headers())) {
        Some((header, fault)) => Problem::invalid(header, fault).into_response(),
        None => next.run(request).await,
    }
}

/// Returns the error in the host of a request (RFC 9112 section 3.2, RFC 9113 section 8.3.1). The authority of the
/// request target takes precedence over the header; HTTP/1.0 requires neither.
fn host_error(version: Version, target: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let mut lines = headers.get_all(header::HOST).iter();
    let (first, second) = (lines.next(), lines.next());
    let authority = target.authority();
    if second.is_some() {
        Some("stands more than once (RFC 9112 section 3.2)")
    } else if authority.is_some_and(|authority| !is_host(authority)) {
        Some("the authority of the request target must be a host and perhaps a port")
    } else if let Some(host) = first {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        match host.filter(is_host) {
            None => Some("must be a host and perhaps a port (RFC 9110 section 7.2)"),
            Some(host) if version >= Version::HTTP_2 && authority.is_some_and(|own| *own != host) => {
                Some("differs from ':authority' (RFC 9113 section 8.3.1)")
            }
            Some(_) => None,
        }
    } else if version <= Version::HTTP_10 || (version >= Version::HTTP_2 && authority.is_some()) {
        None
    } else {
        Some("is missing (RFC 9112 section 3.2)")
    }
}

/// Returns whether an authority consists of a host and an optional port, without the user information that RFC 9110
/// section 4.2.4 forbids.
fn is_host(authority: &Authority) -> bool {
    let behind = authority.as_str().strip_prefix(authority.host());
    let is_port = |text: &str| text.is_empty() || text.parse::<u16>().is_ok();
    let has_port = behind.is_some_and(|text| text.is_empty() || text.strip_prefix(':').is_some_and(is_port));
    !authority.host().is_empty() && has_port
}

/// Returns the header name and the error if the transfer coding is not exactly one `chunked` (RFC 9112 section 6.1).
fn transfer_coding_error(headers: &HeaderMap) -> Option<(&'static str, &'static str)> {
    let is_chunked = |line: &HeaderValue| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    let fault = ("transfer-encoding", "must be chunked, once: no other coding is taken");
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => None,
        (Some(line), None) if is_chunked(line) => None,
        _ => Some(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_one_host() {
        let http11 = Version::HTTP_11;
        for (version, target, hosts, good) in [
            (http11, "/", &["a"][..], true),
            (http11, "/", &["a.example:8080"], true),
            (http11, "/", &["a:"], true),
            (http11, "/", &["[::1]:8080"], true),
            (http11, "/", &["[::1]"], true),
            (http11, "/", &["my_service"], true),
            (http11, "/", &[], false),
            (http11, "/", &[""], false),
            (http11, "/", &[":80"], false),
            (http11, "/", &["a", "a"], false),
            (http11, "/", &["a", "b"], false),
            (http11, "/", &["a, b"], false),
            (http11, "/", &["a b"], false),
            (http11, "/", &["a/b"], false),
            (http11, "/", &["user@a"], false),
            (http11, "/", &["a:b"], false),
            (http11, "/", &["a:65536"], false),
            (http11, "/", &["::1"], false),
            (http11, "/", &["\u{e4}"], false),
            (http11, "http://a/", &["b"], true),
            (http11, "http://a/", &[], false),
            (http11, "http://a/", &["a", "a"], false),
            (http11, "http://user@a/", &["a"], false),
            (Version::HTTP_10, "/", &[], true),
            (Version::HTTP_10, "/", &["a", "b"], false),
            (Version::HTTP_2, "http://a/", &[], true),
            (Version::HTTP_2, "http://a/", &["A"], true),
            (Version::HTTP_2, "http://a/", &["b"], false),
            (Version::HTTP_2, "http://a/", &["a", "a"], false),
            (Version::HTTP_2, "/", &["a"], true),
            (Version::HTTP_2, "/", &[], false),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            let fault = host_error(version, &target.parse().unwrap(), &headers);
            assert_eq!(fault.is_none(), good, "{version:?} {target} {hosts:?}: {fault:?}");
        }
    }
}
