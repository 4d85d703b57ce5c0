//! Markdown of the guides and of the OpenAPI document, as HTML.

use std::fmt::Write as _;

use pulldown_cmark::{Event, Options, Parser};

/// Renders a guide. Who scrolls by keyboard reaches its pieces of code.
pub fn guide(text: &str) -> String {
    let html = html(text);
    let mut pieces = html.split("<pre>");
    let mut guide = pieces.next().unwrap_or_default().to_owned();
    for (index, piece) in pieces.enumerate() {
        let _ = write!(guide, r#"<pre tabindex="0" role="region" aria-label="Code {}">{piece}"#, index + 1);
    }
    guide
}

/// Renders a text. HTML in it comes out as text.
pub fn html(text: &str) -> String {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        other => other,
    });
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events);
    html
}

#[cfg(test)]
mod tests {
    #[test]
    fn code_is_reached_by_keyboard() {
        let guide = super::guide("```\na\n```\n");
        assert_eq!(
            guide,
            "<pre tabindex=\"0\" role=\"region\" aria-label=\"Code 1\"><code>a\n</code></pre>\n"
        );
    }

    #[test]
    fn html_in_a_text_is_text() {
        assert_eq!(super::html("**a** <script>"), "<p><strong>a</strong> &lt;script&gt;</p>\n");
    }
}
