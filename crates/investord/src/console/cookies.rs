//! The cookies of the console (RFC 6265).

use http::{HeaderMap, HeaderValue, header};

/// The session: its token. `__Host-` binds it to this host and to secure connections, for which browsers take the own
/// machine, too.
pub const SESSION: &str = "__Host-investord-session";
/// What the last sign-in of this browser has answered: wrong passwords of others do not delay it.
pub const DEVICE: &str = "__Host-investord-device";
/// What has begun at the identity provider, sealed.
pub const PROVIDER: &str = "__Host-investord-provider";
pub const LANGUAGE: &str = "investord_language";
pub const THEME: &str = "investord_theme";
/// `off` if single keys do nothing; the script reads it.
pub const KEYS: &str = "investord_keys";

/// How long a browser keeps preferences and the device, in seconds: a year.
const YEAR: u32 = 365 * 24 * 3_600;

/// Returns the value of a cookie.
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let sent = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = sent.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).next()
}

/// Returns a header that sets a secret cookie. It ends with the browser, unless it is kept.
pub fn secret(name: &str, value: &str, is_kept: bool) -> HeaderValue {
    let age = if is_kept { format!("; Max-Age={YEAR}") } else { String::new() };
    header_value(&format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}"))
}

/// Returns a header that keeps what has begun at the identity provider, for ten minutes. The browser sends it when the
/// provider leads it back, which it does not do with `Strict`.
pub fn begun_at_provider(sealed: &str) -> HeaderValue {
    header_value(&format!("{PROVIDER}={sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600"))
}

/// Returns a header that deletes a secret cookie.
pub fn deletion(name: &str) -> HeaderValue {
    header_value(&format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0"))
}

/// Returns a header that sets a preference.
pub fn preference(name: &str, value: &str) -> HeaderValue {
    header_value(&format!("{name}={value}; Path=/console; SameSite=Strict; Max-Age={YEAR}"))
}

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("names, tokens and words have visible letters alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_read_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; investord_theme=dark;b=x=y"));
        headers.append(header::COOKIE, HeaderValue::from_static("c=3"));
        for (name, value) in
            [("a", Some("1")), (THEME, Some("dark")), ("b", Some("x=y")), ("c", Some("3")), ("theme", None)]
        {
            assert_eq!(read(&headers, name), value, "{name}");
        }
    }
}
