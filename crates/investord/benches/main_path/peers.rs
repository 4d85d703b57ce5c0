//! The neighbours: services of other makes that do the same works, unsigned (bench/peers).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, ensure};
use investord::clock::{Ids, SystemIds};
use url::Url;

use crate::aims::WORKS;
use crate::database::{self, Server};
use crate::people::person;
use crate::requests::Proof;
use crate::server::{self, Process, Service};
use crate::works::Contestant;
use crate::world::World;

/// Rows that one statement inserts.
const PORTION: usize = 2_000;
/// Folder and name; whether it keeps what it is told.
const PEERS: [(&str, &str, bool); 3] =
    [("fastify", "Fastify and pg", true), ("fastapi", "FastAPI and asyncpg", true), ("prism", PRISM, false)];
/// Answers with the examples of the document, and keeps nothing.
pub const PRISM: &str = "Prism";

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bench/peers")
}

/// Whether the neighbours have been installed, and their versions.
pub fn versions() -> anyhow::Result<Vec<String>> {
    let said = |program: &Path, arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new(program).args(arguments).output();
        let output =
            output.with_context(|| format!("{}: run bench/peers/install first", program.display()))?;
        ensure!(output.status.success(), "{}: run bench/peers/install first", program.display());
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let mut versions = vec![format!("Node {}", said(Path::new("node"), &["--version"])?)];
    for (peer, package) in [("fastify", "fastify"), ("fastify", "pg"), ("prism", "@stoplight/prism-cli")] {
        let file = folder().join(peer).join("node_modules").join(package).join("package.json");
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("{package} is missing: run bench/peers/install first"))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        versions.push(format!("{package} {}", json["version"].as_str().unwrap_or("?")));
    }
    let python = folder().join("fastapi/.venv/bin/python");
    versions.push(said(&python, &["--version"])?);
    let packages = "from importlib.metadata import version
print(*(f'{name} {version(name)}' for name in ('fastapi', 'asyncpg', 'uvicorn', 'uvloop', 'pydantic')), sep=', ')";
    versions.push(said(&python, &["-c", packages])?);
    Ok(versions)
}

/// Starts all of them, each with a database of its own that holds so many users.
pub async fn start(world: &World, server: &Server, users: usize) -> anyhow::Result<Vec<Contestant>> {
    let mut contestants = Vec::new();
    for (name, title, keeps) in PEERS {
        let url = server.database(name, None).await?;
        let address = server::free_address()?;
        let mut command = Command::new(folder().join(name).join("start"));
        command.arg(address.port().to_string()).arg(&url);
        command.env("CLIENT_ID", &world.client_id).env("CLIENT_SECRET", &world.client_secret);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = Process::start(command, address, server::IS_THERE, None).context(title)?;
        let (ids, database) = if keeps {
            let ids = fill(&url, users).await.context(title)?;
            database::settle(&url).await?;
            (ids, server.process)
        } else {
            (vec![SystemIds.uuid().to_string()], None)
        };
        let proof = if keeps { Proof::None } else { Proof::Dummy };
        let sender = world.sender(address, proof, "an unsigned token of some usual length")?;
        let service = Service { processes: vec![process], database };
        let (name, senders) = (title.to_owned(), vec![sender]);
        contestants.push(Contestant { name, service, senders, works: &WORKS, ids: Rc::new(ids), users });
        eprintln!("{title} is there");
    }
    Ok(contestants)
}

/// Inserts what so many creates would have left, by statements; the ids.
async fn fill(url: &str, users: usize) -> anyhow::Result<Vec<String>> {
    let client = database::connect(&Url::parse(url)?).await?;
    // The rows of one statement are a microsecond apart.
    let insert = client
        .prepare(
            "WITH new AS (
                 SELECT id::uuid, body, clock_timestamp() + number * interval '1 microsecond' AS at
                 FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS rows (id, body, number)
             ), first AS (
                 INSERT INTO events (id, user_id, type, created_at)
                 SELECT gen_random_uuid(), id, 'USER.CREATED', at FROM new
             ), second AS (
                 INSERT INTO idempotency (key, digest, answer, created_at)
                 SELECT gen_random_uuid(), sha256(convert_to(body, 'UTF8')),
                        '{\"id\":\"' || id || '\",\"created_at\":\"2026-01-01T00:00:00.000Z\",'
                        || '\"updated_at\":\"2026-01-01T00:00:00.000Z\",\"status\":\"ACTIVE\",' || substr(body, 2), at
                 FROM new
             )
             INSERT INTO users (id, created_at, updated_at, status, person)
             SELECT id, at, at, 'ACTIVE', body::json FROM new",
        )
        .await?;
    let mut all = Vec::with_capacity(users);
    while all.len() < users {
        let to = users.min(all.len() + PORTION);
        let bodies: Vec<String> = (all.len()..to).map(person).collect();
        let ids: Vec<String> = bodies.iter().map(|_| SystemIds.uuid().to_string()).collect();
        client.execute(&insert, &[&ids, &bodies]).await?;
        all.extend(ids);
    }
    Ok(all)
}
