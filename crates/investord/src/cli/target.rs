//! Joins paths to the configured origin, so that credentials go nowhere else.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use reqwest::{Client, ClientBuilder};
use url::{Host, Url};

/// The base address of the server that a command calls.
pub struct BaseUrl {
    url: Url,
    /// The Unix socket on which the server listens, if it has no port.
    socket: Option<PathBuf>,
}

impl BaseUrl {
    /// Parses the address of a server. `what` names its setting in errors.
    ///
    /// # Errors
    ///
    /// Fails if the text is no http or https address, or has parts that a base address must not have.
    pub fn parse(text: &str, what: &str) -> anyhow::Result<Self> {
        let base =
            Url::parse(text).with_context(|| format!("{what} is no address of the form https://HOST"))?;
        ensure!(matches!(base.scheme(), "http" | "https"), "{what} must be an http or https address");
        ensure!(
            base.username().is_empty() && base.password().is_none(),
            "{what} must not hold a user or a password"
        );
        ensure!(base.query().is_none() && base.fragment().is_none(), "{what} must end with its path");
        Ok(Self { url: base, socket: None })
    }

    /// Parses the address of a server that may listen on a Unix socket, `unix:/PATH`.
    ///
    /// # Errors
    ///
    /// Fails as [`Self::parse`] does, and if the path of a socket is not absolute.
    pub fn parse_with_socket(text: &str, what: &str) -> anyhow::Result<Self> {
        let Some(path) = text.strip_prefix("unix:") else { return Self::parse(text, what) };
        ensure!(cfg!(unix), "{what} names a Unix socket, and this system has none");
        ensure!(path.starts_with('/'), "{what} must be unix:/PATH, as in unix:/run/investord/operators.sock");
        // The host of the requests, which the server compares with its own.
        Ok(Self { url: Url::parse("http://localhost").context(path.to_owned())?, socket: Some(path.into()) })
    }

    /// Returns the address of a target on this server.
    ///
    /// # Errors
    ///
    /// Fails if the address is invalid or leads to another server.
    pub fn join(&self, target: &Target) -> anyhow::Result<Url> {
        let base = self.url.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{}", target.0)).context("the target makes no address")?;
        // A parsed target cannot change the origin. It is checked again because credentials are sent to this address.
        let is_own =
            url.origin() == self.url.origin() && url.username().is_empty() && url.password().is_none();
        ensure!(is_own, "the target leads to another server");
        Ok(url)
    }

    /// Returns whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        match self.url.host() {
            _ if self.socket.is_some() => true,
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Returns a client that follows no redirects, and uses a proxy for https only, where TLS hides the request from
    /// it.
    pub fn client(&self) -> ClientBuilder {
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("investord/", env!("CARGO_PKG_VERSION")));
        #[cfg(unix)]
        let client = match &self.socket {
            Some(path) => client.unix_socket(path.as_path()),
            None => client,
        };
        // Without TLS the certificates of the system are not loaded, and need not exist.
        if self.url.scheme() == "https" { client } else { client.no_proxy().tls_certs_only([]) }
    }
}

/// A path with its query, beginning at the root of a server.
#[derive(Clone, Debug)]
pub struct Target(String);

impl Target {
    /// Returns the path with its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        const FORM: &str = "must be a path, as in '/users?limit=10'";
        let is_plain = |rest: &str| {
            let allowed = |letter: char| letter.is_alphanumeric() || "-_./?=&%:,~".contains(letter);
            rest.starts_with(char::is_alphanumeric) && rest.chars().all(allowed)
        };
        if !text.starts_with('/') {
            let is_address = text.contains("://") || text.starts_with(['@', ':', '\\']);
            let meant = if is_address {
                "; the server is that of the profile".to_owned()
            } else if is_plain(text) {
                format!("; did you mean '/{text}'?")
            } else {
                String::new()
            };
            bail!("{FORM}{meant}");
        }
        ensure!(
            !text.starts_with("//"),
            "{FORM}, with one slash at its beginning: '//' would name another server"
        );
        ensure!(!text.contains('\\'), "{FORM}, without a backslash: write %5C");
        ensure!(!text.contains('#'), "{FORM}, without '#': write %23");
        let is_blank = |letter: char| letter.is_control() || letter.is_whitespace();
        ensure!(!text.contains(is_blank), "{FORM}, without blanks and control characters: write %20");
        Ok(Self(text.to_owned()))
    }
}

/// Percent-encodes a text as one segment of a path (RFC 3986 section 2.1).
pub fn segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_is_a_path() {
        for text in
            ["/", "/users", "/users?limit=10&sort=a//b@c:1", "/a/..", "/users/@me", "/a:80/b", "/müller"]
        {
            text.parse::<Target>().unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for (text, word) in [
            ("users", "did you mean '/users'?"),
            ("users?limit=1", "did you mean '/users?limit=1'?"),
            ("@other.example/users", "the server is that of the profile"),
            ("https://other.example/users", "the server is that of the profile"),
            (":8081/users", "the server is that of the profile"),
            (".other.example/users", "must be a path"),
            ("", "must be a path"),
            ("//other.example/users", "one slash"),
            ("/\\other.example/users", "backslash"),
            ("\\\\other.example", "must be a path"),
            ("/users\r\nhost: other", "control characters"),
            ("/users\t", "control characters"),
            ("/us ers", "%20"),
            ("/users#part", "%23"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("'/users?limit=10'"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_base_is_an_address_and_nothing_more() {
        for text in ["http://127.0.0.1:8080", "https://register.example/", "https://register.example/v1"] {
            BaseUrl::parse(text, "url").unwrap();
        }
        for text in [
            "register.example",
            "ftp://register.example",
            "file:///etc/passwd",
            "https://user:secret@register.example",
            "https://user@register.example",
            "https://register.example?a=b",
            "https://register.example/#a",
            "unix:/run/investord/operators.sock",
            "",
        ] {
            let error = BaseUrl::parse(text, "url of the profile").err().unwrap().to_string();
            assert!(error.contains("url of the profile") && !error.contains("secret"), "{error}");
        }
        assert!(BaseUrl::parse_with_socket("unix:/run/investord/operators.sock", "url").unwrap().is_local());
        for text in ["unix:", "unix:operators.sock", "register.example"] {
            BaseUrl::parse_with_socket(text, "url").err().unwrap();
        }
    }

    proptest! {
        /// Joins arbitrary texts, none of which may change the origin.
        #[test]
        fn no_target_leads_elsewhere(text in "[/@:.\\\\?#a-z\\[\\]% \t]{0,20}|\\PC{0,20}") {
            for base in ["http://127.0.0.1:8080", "https://register.example/v1/", "http://[::1]:1"] {
                let server = BaseUrl::parse(base, "url").unwrap();
                if let Ok(url) = text.parse::<Target>().and_then(|target| server.join(&target)) {
                    prop_assert_eq!(url.origin(), server.url.origin());
                    prop_assert!(url.username().is_empty() && url.password().is_none());
                }
            }
        }
    }
}
