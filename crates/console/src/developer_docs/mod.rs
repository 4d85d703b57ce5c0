//! The pages for developers at the listener of clients: what this is, how to sign, the reference, webhooks, errors.
//!
//! They hold nothing of any tenant and need no script. What they say of operations is read from the OpenAPI document
//! ([`reference`]); the guides are Markdown in `guides/`, and the programs of the guide to signing are files in
//! `snippets/`, which the client tests run.

pub mod fields;
pub mod markdown;
pub mod reference;

use askama::Template;

use self::reference::{Group, Reference};

/// Guide to webhooks, in Markdown.
pub const WEBHOOKS_GUIDE: &str = include_str!("../../guides/webhooks.md");
/// Guide to signing, in Markdown.
pub const SIGNING_GUIDE: &str = include_str!("../../guides/signing.md");

/// What every page has.
#[derive(Clone, Debug)]
pub struct Site {
    /// Address of the API, without a slash at its end.
    pub base: String,
    pub version: &'static str,
    /// Requests that a client may send each second; 0 for any number.
    pub requests_per_second: u32,
}

/// A program that asks for a token and lists users.
#[derive(Clone, Copy)]
pub struct Snippet {
    pub language: &'static str,
    /// Last segment of its path.
    pub file: &'static str,
    text: &'static str,
}

impl Snippet {
    /// Returns the program for the API at this address.
    pub fn for_base(&self, base: &str) -> String {
        self.text.replace("https://investord.example", base)
    }

    /// Returns the program for a client and its key; the secret remains to be filled in.
    pub fn for_client(&self, base: &str, client: &str, key: &str) -> String {
        let text = self.for_base(base);
        text.replace("\"CLIENT_ID\"", &format!("\"{client}\"")).replace("\"KEY_ID\"", &format!("\"{key}\""))
    }
}

const fn snippet(language: &'static str, file: &'static str, text: &'static str) -> Snippet {
    Snippet { language, file, text }
}

/// Every program, in the order of the tabs.
pub const SNIPPETS: [Snippet; 5] = [
    snippet("Python", "first_request.py", include_str!("../../snippets/first_request.py")),
    snippet("TypeScript", "first_request.ts", include_str!("../../snippets/first_request.ts")),
    snippet("Java", "FirstRequest.java", include_str!("../../snippets/FirstRequest.java")),
    snippet("Go", "first_request.go", include_str!("../../snippets/first_request.go")),
    FOR_A_SHELL,
];

/// The program for a shell, with curl and OpenSSL.
pub const FOR_A_SHELL: Snippet =
    snippet("curl", "first_request.sh", include_str!("../../snippets/first_request.sh"));

/// What this is, and the first request.
#[derive(Template)]
#[template(path = "developer_docs/home.html")]
pub struct Home<'a> {
    pub site: &'a Site,
    pub snippets: &'static [Snippet],
}

/// All operations, a line each.
#[derive(Template)]
#[template(path = "developer_docs/reference.html")]
pub struct ReferencePage<'a> {
    pub site: &'a Site,
    pub reference: &'a Reference,
}

/// The operations of a group, field by field.
#[derive(Template)]
#[template(path = "developer_docs/group.html")]
pub struct GroupPage<'a> {
    pub site: &'a Site,
    pub group: &'a Group,
    pub groups: &'a [Group],
}

/// A guide.
#[derive(Template)]
#[template(path = "developer_docs/guide.html")]
pub struct Guide<'a> {
    pub site: &'a Site,
    pub title: &'static str,
    /// HTML.
    pub text: String,
    /// Programs below the text; empty if it has none.
    pub snippets: &'static [Snippet],
}

/// A kind of problem.
pub struct ProblemKind {
    pub slug: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Paragraphs of HTML.
    pub help: &'static [&'static str],
}

/// All kinds of problems.
#[derive(Template)]
#[template(path = "developer_docs/problems.html")]
pub struct ProblemsPage<'a> {
    pub site: &'a Site,
    pub kinds: Vec<ProblemKind>,
}

/// One kind of problem.
#[derive(Template)]
#[template(path = "developer_docs/problem_kind.html")]
pub struct ProblemKindPage<'a> {
    pub site: &'a Site,
    pub kind: ProblemKind,
}
