//! Requests, made and signed before the clock runs.

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_message_signatures::Algorithm;
use testing::client::{Client, uuid};
use testing::signing::Request;

use crate::people::person;

/// A request as it goes over the wire, and how the body of its answer begins.
pub struct Prepared {
    pub bytes: Vec<u8>,
    pub begins: String,
}

impl Prepared {
    /// The same request, asking for the connection to be closed after the answer.
    pub fn closing(&self) -> Vec<u8> {
        let line = self.bytes.windows(2).position(|window| window == b"\r\n").map_or(0, |at| at + 2);
        [&self.bytes[..line], b"connection: close\r\n", &self.bytes[line..]].concat()
    }
}

/// What is asked for.
pub enum Ask<'a> {
    Token,
    /// A person of this number; no two are the same.
    Create(usize),
    Read(&'a str),
    List {
        offset: usize,
    },
    /// The identifiers of a user.
    Identifiers(&'a str),
    /// A passport for a user, of the country of this number.
    Identify(&'a str, usize),
    /// A matter of a user to be decided, with this body.
    File(&'a str, &'static str, &'static str),
    /// The first page of what has happened to a user.
    Page(&'static str, &'a str, &'static str),
    /// How a user would be reported.
    Reporting(&'a str),
}

/// Countries without a row of their own in Annex II, enough for every user to hold that many passports.
const COUNTRIES: [&str; 24] = [
    "AR", "AU", "BR", "CA", "CH", "CL", "CN", "CO", "EG", "ID", "IL", "IN", "JP", "KR", "MA", "MX", "NZ",
    "PE", "TH", "TN", "TR", "US", "UY", "ZA",
];

/// What a request is signed with.
#[derive(Clone, Copy)]
pub enum Proof {
    /// The key of the client, which is of this kind.
    Key(Algorithm),
    /// Nothing: for a service that knows no signatures.
    None,
    /// A text that only looks like a signature: for Prism, which wants to see one and does not check it.
    Dummy,
}

impl Proof {
    pub fn kind(self) -> Option<Algorithm> {
        match self {
            Self::Key(kind) => Some(kind),
            Self::None | Self::Dummy => None,
        }
    }
}

/// A client of a service, with one of its keys.
pub struct Sender {
    pub client: Client,
    pub proof: Proof,
}

/// Seconds that a signature is good for; the server takes at most 300.
pub const LIFETIME: i64 = 295;
pub const SCOPES: &str = "users:admin users:read checks:admin";

impl Sender {
    pub fn prepare(&self, ask: &Ask<'_>) -> anyhow::Result<Prepared> {
        let request = self.request(ask)?;
        let sent = match self.proof {
            Proof::Key(_) => request.sign(),
            Proof::None => request.unsigned(),
            Proof::Dummy => request
                .unsigned()
                .add("signature-input", r#"sig1=("@method");created=1618884473;keyid="k""#)
                .add("signature", "sig1=:AAAA:"),
        };
        // What Prism answers are the examples of the document.
        let begins = if matches!(self.proof, Proof::Dummy) { "{".to_owned() } else { beginning(ask) };
        Ok(Prepared { bytes: sent.wire_bytes(), begins })
    }

    /// Prepares many requests on all cores.
    pub fn prepare_all(&self, asks: &[Ask<'_>]) -> anyhow::Result<Vec<Prepared>> {
        let threads = std::thread::available_parallelism()?.get();
        let part = asks.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let sign = |part| move || part_of(self, part);
            let running: Vec<_> = asks.chunks(part).map(|part| scope.spawn(sign(part))).collect();
            let mut all = Vec::with_capacity(asks.len());
            for thread in running {
                all.extend(thread.join().ok().context("a signing thread panicked")??);
            }
            Ok(all)
        })
    }

    /// A text under a signature and the signature's bytes.
    pub fn base_and_signature(&self, ask: &Ask<'_>) -> anyhow::Result<(String, Vec<u8>)> {
        let sent = self.request(ask)?.sign();
        let value = sent.get("signature").trim_start_matches("sig1=:").trim_end_matches(':');
        let signature = BASE64_STANDARD.decode(value)?;
        Ok((sent.base, signature))
    }

    fn request(&self, ask: &Ask<'_>) -> anyhow::Result<Request> {
        let client = &self.client;
        let request = match ask {
            Ask::Token => client.token_request(),
            Ask::Create(number) => client.creation(person(*number).as_bytes(), &uuid()),
            Ask::Read(id) => client.get(&format!("/users/{id}")),
            Ask::List { offset } => client.get(&format!("/users?limit=100&offset={offset}")),
            Ask::Identifiers(id) => client.get(&format!("/users/{id}/identifiers")),
            Ask::Identify(id, number) => {
                client.request("POST", &format!("/users/{id}/identifiers")).body(passport(*number)?)
            }
            Ask::File(id, path, body) => {
                let request = client.request("POST", &format!("/users/{id}{path}"));
                request.header("idempotency-key", &uuid()).body(*body)
            }
            Ask::Page(below, id, path) => client.get(&format!("{below}/users/{id}{path}?limit=100")),
            Ask::Reporting(id) => client.get(&format!("/investord/users/{id}/reporting")),
        };
        Ok(request.header("user-agent", "investord-bench").header("upvest-api-version", "1"))
    }
}

/// How the body of the answer begins.
fn beginning(ask: &Ask<'_>) -> String {
    match ask {
        Ask::Token => r#"{"access_token":""#.to_owned(),
        Ask::Create(_) | Ask::Identify(..) => r#"{"id":""#.to_owned(),
        Ask::Read(id) => format!(r#"{{"id":"{id}","#),
        Ask::List { offset } => {
            format!(r#"{{"meta":{{"offset":{offset},"limit":100,"count":100,"total_count":"#)
        }
        Ask::Identifiers(_) => r#"{"data":[{"id":""#.to_owned(),
        Ask::File(..) => String::new(),
        Ask::Page(..) => r#"{"meta":{"offset":0,"limit":100,"#.to_owned(),
        Ask::Reporting(_) => "{".to_owned(),
    }
}

fn passport(number: usize) -> anyhow::Result<String> {
    let country = COUNTRIES.get(number).context("so many identifiers nobody has; load more users")?;
    Ok(format!(r#"{{"type":"PASSPORT","issuing_country":"{country}","identifier":"P{number:08}"}}"#))
}

fn part_of(sender: &Sender, asks: &[Ask<'_>]) -> anyhow::Result<Vec<Prepared>> {
    asks.iter().map(|ask| sender.prepare(ask)).collect()
}
