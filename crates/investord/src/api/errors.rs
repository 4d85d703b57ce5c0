//! The pages behind the `type` of a problem.

use std::fmt::Write;

use axum::extract::Path;
use axum::response::Html;

use crate::problem::{KINDS, Kind, Problem};

pub async fn index() -> Html<String> {
    let mut list = String::from("<ul>");
    for Kind { slug, status, title, .. } in KINDS {
        let _ = write!(list, r#"<li><a href="/errors/{slug}">{title}</a> ({})</li>"#, status.as_u16());
    }
    html("Problems", &(list + "</ul>"))
}

pub async fn page(Path(slug): Path<String>) -> Result<Html<String>, Problem> {
    let kind = KINDS.into_iter().find(|kind| kind.slug == slug).ok_or(Problem::NotFound("page"))?;
    let paragraphs: String = kind.help.iter().map(|paragraph| format!("<p>{paragraph}</p>")).collect();
    let status = kind.status.as_u16();
    let head = format!("<p>Status {status}, type <code>…/{slug}</code></p>");
    Ok(html(kind.title, &(head + &paragraphs + r#"<p><a href="/errors">All problems</a></p>"#)))
}

fn html(title: &str, content: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Investord</title>\
         <style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}</style>\
         <h1>{title}</h1>{content}</html>"
    ))
}
