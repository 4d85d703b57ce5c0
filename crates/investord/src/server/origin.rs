//! Rejects requests to the listener for operators that a browser was made to send: DNS rebinding and other sites.
//!
//! A page of any site can have the browser of an operator send requests to a listener that only this browser reaches.
//! If the name of that site leads to the address of the listener (DNS rebinding), the browser takes the two for one
//! origin, and only the header `host` tells the difference. Otherwise the browser names the site in `origin`
//! (<https://fetch.spec.whatwg.org/#origin-header>) or judges it in `sec-fetch-site`
//! (<https://www.w3.org/TR/fetch-metadata/>). Scripts send neither.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, Method, Uri, header};

use crate::config::{Config, HostAndPort};
use crate::problem::Problem;

/// The hosts and origins of the listener for operators.
pub struct OwnOrigins {
    /// The address to which the listener is bound; `None` for a Unix socket.
    bound: Option<IpAddr>,
    /// The setting `operator_hosts`.
    named: Vec<HostAndPort>,
    /// Whether the listener speaks TLS itself.
    has_tls: bool,
    /// Whether all operators come through a proxy that speaks TLS.
    is_behind_proxy: bool,
}

impl OwnOrigins {
    /// Derives the hosts from a configuration whose addresses are the bound ones.
    pub fn of(config: &Config) -> Self {
        Self {
            bound: config.operator_address().resolve().ok().map(|address| address.ip().to_canonical()),
            named: config.operator_hosts.clone(),
            has_tls: config.operator_tls.is_some(),
            is_behind_proxy: config.operator_plaintext_behind_proxy,
        }
    }

    /// Returns the refusal of a request that is not for this listener or comes from another site.
    fn refusal(&self, method: &Method, target: &Uri, headers: &HeaderMap) -> Option<Problem> {
        let Some(host) = self.host(target, headers) else { return Some(Problem::MisdirectedRequest) };
        let is_own =
            |origin: &[u8]| std::str::from_utf8(origin).is_ok_and(|one| self.is_own_origin(one, &host));
        if !headers.get_all(header::ORIGIN).iter().all(|origin| is_own(origin.as_bytes())) {
            return Some(Problem::ForeignOrigin("origin"));
        }
        let mut sites = headers.get_all("sec-fetch-site").iter();
        // A link on another site may lead here, so reading is left to what `origin` says.
        if !method.is_safe() && sites.any(|site| site.as_bytes().eq_ignore_ascii_case(b"cross-site")) {
            return Some(Problem::ForeignOrigin("sec-fetch-site"));
        }
        None
    }

    /// Returns the host of a request, if every host that it names is one of this listener. A request without any, as
    /// HTTP/1.0 allows, has none.
    fn host(&self, target: &Uri, headers: &HeaderMap) -> Option<HostAndPort> {
        let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let named = target.authority().map(Authority::as_str).into_iter().chain(header);
        let hosts = named.map(|host| host.parse().ok().filter(|host| self.is_own_host(host)));
        hosts.collect::<Option<Vec<_>>>()?.into_iter().next()
    }

    /// Returns whether operators reach this listener by a host. The port of an address does not count, because tunnels
    /// and forwarded ports have others.
    fn is_own_host(&self, host: &HostAndPort) -> bool {
        let is_named = |named: &HostAndPort| match named.port {
            None => named.is_same_host(host),
            Some(_) => named.is_same(host, self.port_of_scheme()),
        };
        self.named.iter().any(is_named)
            || match self.bound {
                None => host.is_loopback(),
                Some(bound) if bound.is_loopback() => host.is_loopback(),
                // Every address of the machine, of which this process need not know all. An address is no name that
                // somebody could lead elsewhere.
                Some(bound) if bound.is_unspecified() => host.is_loopback() || host.ip().is_some(),
                Some(bound) => host.ip() == Some(bound),
            }
    }

    /// Returns whether an origin (RFC 6454 section 6.1) is that of this listener: the host of the request itself, or
    /// one of `operator_hosts`, because a proxy may replace the host. `null` is the origin of nobody.
    fn is_own_origin(&self, origin: &str, host: &HostAndPort) -> bool {
        let Some((scheme, origin)) = origin.split_once("://") else { return false };
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        let Ok(origin) = origin.parse::<HostAndPort>() else { return false };
        let port = if is_https { HTTPS } else { HTTP };
        let is_named = self.named.iter().any(|named| named.is_same(&origin, port));
        let speaks_scheme = if is_https {
            // By a name, people may come through a proxy on this machine.
            self.has_tls || self.is_behind_proxy || self.named.iter().any(|named| named.is_same_host(&origin))
        } else {
            !self.has_tls && !self.is_behind_proxy
        };
        speaks_scheme && (is_named || origin.is_same(host, port))
    }

    /// Returns the port that a host without one has.
    fn port_of_scheme(&self) -> u16 {
        if self.has_tls || self.is_behind_proxy { HTTPS } else { HTTP }
    }
}

/// Ports of the schemes (RFC 9110 section 4.2).
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// Rejects requests that are for another host or come from another site.
pub async fn reject_foreign(State(own): State<Arc<OwnOrigins>>, request: Request, next: Next) -> Response {
    match own.refusal(request.method(), request.uri(), request.headers()) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// Bound to an address (`None`: a Unix socket), with these settings of `operator_hosts`.
    fn own(bound: Option<&str>, named: &[&str]) -> OwnOrigins {
        OwnOrigins {
            bound: bound.map(|bound| bound.parse().unwrap()),
            named: named.iter().map(|named| named.parse().unwrap()).collect(),
            has_tls: false,
            is_behind_proxy: false,
        }
    }

    fn secure(own: OwnOrigins) -> OwnOrigins {
        OwnOrigins { has_tls: true, ..own }
    }

    fn proxied(own: OwnOrigins) -> OwnOrigins {
        OwnOrigins { is_behind_proxy: true, ..own }
    }

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        all.iter().map(pair).collect()
    }

    /// The status of a request with these headers, 200 if it is not refused.
    fn status(own: &OwnOrigins, method: &Method, all: &[(&str, &str)]) -> u16 {
        let refusal = own.refusal(method, &Uri::from_static("/me"), &headers(all));
        refusal.map_or(200, |problem| problem.kind().status.as_u16())
    }

    const LOOPBACK: &[&str] =
        &["localhost", "LocalHost.:1", "127.0.0.1", "127.8.8.8:9080", "[::1]:80", "[0:0::1]"];
    const FOREIGN: &[&str] = &[
        "x",
        "localhost.example.com",
        "a.localhost",
        "127.0.0.1.example.com",
        "127.1",
        "0.0.0.0",
        "[::]",
        "192.0.2.1",
        "192.0.2.2:9080",
        "[::2]",
        "register.example.com.evil.example",
        "evil.example:9080",
        "xn--lcalhost-q7a",
    ];

    #[test]
    fn a_host_is_an_address_of_the_listener_or_named_in_the_settings() {
        let name = &["register.example.com"][..];
        let port = &["register.example.com:9443"][..];
        let loopback = own(Some("127.0.0.1"), &[]);
        let cases: [(&OwnOrigins, &[&str], u16); 18] = [
            (&loopback, LOOPBACK, 200),
            (&loopback, FOREIGN, 421),
            (&loopback, name, 421),
            (&own(None, &[]), LOOPBACK, 200),
            (&own(None, &[]), FOREIGN, 421),
            (&own(Some("::1"), &[]), LOOPBACK, 200),
            (
                &own(Some("127.0.0.1"), name),
                &["Register.EXAMPLE.com.", "register.example.com:1", "localhost"],
                200,
            ),
            (&own(Some("127.0.0.1"), name), FOREIGN, 421),
            (&own(Some("127.0.0.1"), port), &["register.example.com:9443"], 200),
            (&own(Some("127.0.0.1"), port), &["register.example.com", "register.example.com:9444"], 421),
            (
                &own(Some("192.0.2.1"), name),
                &["192.0.2.1", "192.0.2.1:1", "[::ffff:192.0.2.1]", name[0]],
                200,
            ),
            (&own(Some("192.0.2.1"), name), LOOPBACK, 421),
            (&own(Some("192.0.2.1"), name), &["192.0.2.2", "x", "register.example.org"], 421),
            (&own(Some("2001:db8::1"), &[]), &["[2001:db8::1]", "[2001:DB8:0::1]:9080"], 200),
            (&own(Some("2001:db8::1"), &[]), &["[2001:db8::2]", "[::1]"], 421),
            (&own(Some("0.0.0.0"), &[]), LOOPBACK, 200),
            (&own(Some("0.0.0.0"), &[]), &["192.0.2.1", "[2001:db8::1]"], 200),
            (&own(Some("::"), name), &["x", "evil.example", "register.example.org"], 421),
        ];
        for (own, hosts, expected) in cases {
            for host in hosts {
                assert_eq!(status(own, &Method::GET, &[("host", host)]), expected, "{:?} {host}", own.bound);
            }
        }
        assert_eq!(status(&loopback, &Method::GET, &[]), 421, "HTTP/1.0 need not name a host");
        // The port of the scheme need not be written.
        let secured = secure(own(Some("192.0.2.1"), &["register.example.com:443"]));
        assert_eq!(status(&secured, &Method::GET, &[("host", "register.example.com")]), 200);
    }

    #[test]
    fn every_host_of_a_request_counts() {
        let own = own(Some("127.0.0.1"), &[]);
        for (target, host, is_own) in [
            ("http://localhost/me", "127.0.0.1", true),
            ("http://evil.example/me", "localhost", false),
            ("http://localhost/me", "evil.example", false),
        ] {
            let refusal = own.refusal(&Method::GET, &target.parse().unwrap(), &headers(&[("host", host)]));
            assert_eq!(refusal.is_none(), is_own, "{target} {host}");
        }
    }

    #[test]
    fn an_origin_is_the_host_of_the_request_over_the_own_scheme() {
        let name = &["register.example.com"][..];
        let loopback = || own(Some("127.0.0.1"), name);
        for (own, host, origin, expected) in [
            (loopback(), "localhost:9080", "http://localhost:9080", 200),
            (loopback(), "localhost:9080", "HTTP://LOCALHOST.:9080", 200),
            (loopback(), "localhost", "http://localhost:80", 200),
            (loopback(), "[::1]:9080", "http://[::1]:9080", 200),
            (loopback(), "localhost:9080", "null", 403),
            (loopback(), "localhost:9080", "", 403),
            (loopback(), "localhost:9080", "localhost:9080", 403),
            (loopback(), "localhost:9080", "http://", 403),
            (loopback(), "localhost:9080", "http://localhost", 403),
            (loopback(), "localhost:9080", "http://localhost:9081", 403),
            (loopback(), "localhost:9080", "http://127.0.0.1:9080", 403),
            (loopback(), "localhost:9080", "https://localhost:9080", 403),
            (loopback(), "localhost:9080", "http://localhost:9080/", 403),
            (loopback(), "localhost:9080", "http://evil.example", 403),
            (loopback(), "localhost:9080", "http://localhost:9080.evil.example", 403),
            (loopback(), "localhost:9080", "http://localhost:9080@evil.example", 403),
            (loopback(), "localhost:9080", "http://localhost:9080 http://evil.example", 403),
            (loopback(), "localhost:9080", "file://", 403),
            (loopback(), "localhost:9080", "chrome-extension://abcdefgh", 403),
            // A proxy on this machine that speaks TLS, and keeps the host or replaces it.
            (loopback(), "register.example.com", "https://register.example.com", 200),
            (loopback(), "127.0.0.1:9080", "https://register.example.com", 200),
            (loopback(), "127.0.0.1:9080", "https://register.example.com:8443", 403),
            (loopback(), "127.0.0.1:9080", "https://other.example.com", 403),
            (secure(loopback()), "localhost:9080", "https://localhost:9080", 200),
            (secure(loopback()), "localhost:9080", "http://localhost:9080", 403),
            (secure(loopback()), "register.example.com", "http://register.example.com", 403),
            (secure(loopback()), "register.example.com:443", "https://register.example.com", 200),
            (
                proxied(own(Some("10.0.0.1"), name)),
                "register.example.com",
                "https://register.example.com",
                200,
            ),
            (proxied(own(Some("10.0.0.1"), name)), "10.0.0.1:9080", "https://register.example.com", 200),
            (proxied(own(Some("10.0.0.1"), name)), "10.0.0.1:9080", "http://10.0.0.1:9080", 403),
            (
                proxied(own(Some("10.0.0.1"), name)),
                "register.example.com",
                "http://register.example.com",
                403,
            ),
            // Any address is a host of this listener, and still no origin of it.
            (own(Some("0.0.0.0"), &[]), "192.0.2.1:9080", "http://192.0.2.1:9080", 200),
            (own(Some("0.0.0.0"), &[]), "192.0.2.1:9080", "http://203.0.113.1:9080", 403),
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let all = [("host", host), ("origin", origin)];
                assert_eq!(status(&own, &method, &all), expected, "{method} {host} {origin}");
            }
        }
        let two = [("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://evil.example")];
        assert_eq!(status(&loopback(), &Method::POST, &two), 403);
    }

    #[test]
    fn what_a_browser_calls_cross_site_changes_nothing() {
        let own = own(Some("127.0.0.1"), &[]);
        for (method, site, expected) in [
            (Method::POST, "cross-site", 403),
            (Method::DELETE, "Cross-Site", 403),
            (Method::PUT, "cross-site", 403),
            (Method::GET, "cross-site", 200),
            (Method::POST, "same-origin", 200),
            (Method::POST, "none", 200),
        ] {
            let all = [("host", "localhost"), ("sec-fetch-site", site)];
            assert_eq!(status(&own, &method, &all), expected, "{method} {site}");
        }
    }
}
