//! HTTP messages: requests and responses as they are signed and verified.

use std::borrow::Cow;
use std::fmt;

use http::{HeaderMap, Method, Request, Response, Uri, header, request, response};

/// An HTTP message as received, or as it is to be sent. `Debug` shows neither headers nor body, because they contain
/// tokens and personal data.
///
/// [`Message::from_request`] and [`Message::from_response`] read the types of the crate `http`, with `…_parts` for a
/// body that is kept apart; [`Message::request`] and [`Message::response`] read anything else.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Message<'a> {
    /// Method as sent: `POST`.
    pub method: &'a str,
    /// `http` or `https`, for `@scheme` and `@target-uri`.
    pub scheme: &'a str,
    /// Value of `Host` or `:authority`; may be empty.
    pub authority: &'a str,
    /// Path as received, percent-encoded, without the query.
    pub path: &'a str,
    /// Text behind `?` as received; `None` when there was no `?`.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
    /// The content as received, before any content decoding.
    pub body: &'a [u8],
    /// Status of a response; `None` for a request.
    pub status: Option<u16>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("method", &self.method).field("path", &self.path).field("status", &self.status);
        shown.finish_non_exhaustive()
    }
}

impl<'a> Message<'a> {
    /// Builds a request with the scheme `https` and no authority; see [`Message::with_origin`].
    pub fn request(
        method: &'a str,
        path: &'a str,
        query: Option<&'a str>,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Message<'a> {
        Message { method, scheme: "https", authority: "", path, query, headers, body, status: None }
    }

    /// Builds a response.
    pub fn response(status: u16, headers: &'a HeaderMap, body: &'a [u8]) -> Message<'a> {
        Message { status: Some(status), ..Message::request("", "", None, headers, body) }
    }

    /// Reads a request whose body is in memory, as [`Message::from_request_parts`] does.
    pub fn from_request<B: AsRef<[u8]>>(request: &'a Request<B>) -> Message<'a> {
        Message::from_uri(request.method(), request.uri(), request.headers(), request.body().as_ref())
    }

    /// Reads the head of a request and the body that belongs to it.
    ///
    /// The authority is that of the URI, or else the header `host` (RFC 9421 section 2.2.3). The scheme is that of the
    /// URI, or else `https`: a server receives a URI without a scheme, and behind a proxy it knows its origin only from
    /// its configuration, which [`Message::with_origin`] takes.
    pub fn from_request_parts(parts: &'a request::Parts, body: &'a [u8]) -> Message<'a> {
        Message::from_uri(&parts.method, &parts.uri, &parts.headers, body)
    }

    /// Reads a response whose body is in memory.
    pub fn from_response<B: AsRef<[u8]>>(response: &'a Response<B>) -> Message<'a> {
        Message::response(response.status().as_u16(), response.headers(), response.body().as_ref())
    }

    /// Reads the head of a response and the body that belongs to it.
    pub fn from_response_parts(parts: &'a response::Parts, body: &'a [u8]) -> Message<'a> {
        Message::response(parts.status.as_u16(), &parts.headers, body)
    }

    /// Builds a request from the types of the crate `http`.
    fn from_uri(method: &'a Method, uri: &'a Uri, headers: &'a HeaderMap, body: &'a [u8]) -> Message<'a> {
        // User information is no part of `@authority` (RFC 9421 section 2.2.3, RFC 9110 section 7.2).
        let of_uri = uri.authority().map(|authority| {
            let text = authority.as_str();
            text.rsplit_once('@').map_or(text, |(_, host)| host)
        });
        let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
        // Without a readable host, a signature that covers one is refused.
        let authority = of_uri.or_else(host).unwrap_or("");
        Message::request(method.as_str(), uri.path(), uri.query(), headers, body)
            .with_origin(uri.scheme_str().unwrap_or("https"), authority)
    }

    /// Sets scheme (`https`) and authority (`example.com:8443`), for `@scheme`, `@authority` and `@target-uri`.
    #[must_use]
    pub fn with_origin(self, scheme: &'a str, authority: &'a str) -> Message<'a> {
        Message { scheme, authority, ..self }
    }

    /// Sets the header fields.
    #[must_use]
    pub fn with_headers(self, headers: &'a HeaderMap) -> Message<'a> {
        Message { headers, ..self }
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(self, body: &'a [u8]) -> Message<'a> {
        Message { body, ..self }
    }

    /// Returns the path, or `/` for an empty one (RFC 9421 section 2.2.6).
    pub(crate) fn path_or_root(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }

    /// Returns the path and, if there was one, `?` and the query.
    pub(crate) fn request_target(&self) -> Cow<'a, str> {
        match self.query {
            None => Cow::Borrowed(self.path_or_root()),
            Some(query) => Cow::Owned(format!("{}?{query}", self.path_or_root())),
        }
    }

    /// Returns the target URI with scheme and authority normalised (RFC 9421 section 2.2.2).
    pub(crate) fn target_uri(&self) -> String {
        let scheme = self.scheme.to_ascii_lowercase();
        format!("{scheme}://{}{}", self.normal_authority(), self.request_target())
    }

    /// Returns the authority in lower case, without an empty or the default port (RFC 9421 section 2.2.3, RFC 9110
    /// section 4.2.3).
    pub(crate) fn normal_authority(&self) -> String {
        let authority = self.authority.to_ascii_lowercase();
        if let Some(host) = authority.strip_suffix(':') {
            return host.to_owned();
        }
        let default = match self.scheme.to_ascii_lowercase().as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return authority,
        };
        authority.strip_suffix(default).map(str::to_owned).unwrap_or(authority)
    }
}
