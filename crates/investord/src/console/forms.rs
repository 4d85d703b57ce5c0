//! The fields of a form.

use axum::body::Bytes;

/// The fields that a form has sent.
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Parses the body of a form (`application/x-www-form-urlencoded`).
    pub fn parse(body: &Bytes) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Parses the query of an address, which has the same form.
    pub fn of_query(query: Option<&str>) -> Self {
        Self(form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// Returns a field without the blanks around it; empty if it was not sent.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// Returns all values of a field that may be sent several times.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.trim()).collect()
    }

    /// Returns a field as it was sent: blanks are part of a password.
    pub fn verbatim(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Returns a field, if it was filled.
    pub fn filled(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Returns a path of the console to go back to, or another one: never to another site.
    pub fn back<'a>(&'a self, otherwise: &'a str) -> &'a str {
        local_path(self.text("back")).unwrap_or(otherwise)
    }
}

/// Returns a path if it is one of the console.
pub fn local_path(path: &str) -> Option<&str> {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_plain && (path == "/console" || path.starts_with("/console/"))).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lead_back_to_the_console_alone() {
        for (back, expected) in [
            ("/console/keyboard", "/console/keyboard"),
            ("https://evil.example/console/", "/console"),
            ("//evil.example", "/console"),
            ("/consoleX", "/console"),
            ("/console/\\evil.example", "/console"),
            ("", "/console"),
        ] {
            let body = form_urlencoded::Serializer::new(String::new()).append_pair("back", back).finish();
            assert_eq!(Form::parse(&body.into()).back("/console"), expected, "{back}");
        }
    }
}
