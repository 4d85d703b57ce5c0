//! The statements of a create on SQLite, without a service, encryption or JSON: what the engine costs alone.

use std::time::Instant;

use anyhow::{Context, bail};
use investord::clock::{Ids as _, SystemIds};
use investord::store::engine::sqlite;
use investord::store::{CATALOGUE, Database};
use rusqlite::{Connection, params};

use crate::cpu;
use crate::report::{Report, figure};
use crate::world::World;

/// Users that are created.
const USERS: usize = 60_000;
/// Users to a commit: about what the register commits together at 64 connections.
const PER_COMMIT: usize = 32;
/// Lengths of what is sealed, in bytes.
const KEY: usize = 60;
const PERSON: usize = 550;
const NUMBER: usize = 150;
const OBJECT: usize = 650;

/// Measures creates in a register of their own, with the settings of the writer.
pub fn measure(world: &World, report: &mut Report) -> anyhow::Result<()> {
    let Database::Sqlite(path) = world.sqlite()?.database()? else { bail!("no file") };
    let (mut connection, _) = sqlite::open_to_write(&path, &CATALOGUE)?;
    connection.execute_batch(
        "INSERT INTO tenants VALUES (1, 'bench', '{}', x'00', '', 0);
         INSERT INTO tenant_sequences VALUES (1, 0, 0, 0, x'00')",
    )?;
    let (started, before) = (Instant::now(), cpu::own()?);
    for first in (0..USERS).step_by(PER_COMMIT) {
        let commit = connection.transaction()?;
        for number in first..USERS.min(first + PER_COMMIT) {
            create(&commit, i64::try_from(number)? + 1)?;
        }
        let last = i64::try_from(USERS.min(first + PER_COMMIT))?;
        let save = "UPDATE tenant_sequences SET users = ?1, events = 2 * ?1 WHERE tenant = 1";
        commit.prepare_cached(save)?.execute([last])?;
        commit.commit().context("a commit")?;
    }
    let cpu = cpu::own()?.saturating_sub(before);
    report.fact("creates", figure(USERS) / started.elapsed().as_secs_f64(), "/s");
    report.fact("CPU for each", cpu.as_secs_f64() * 1e6 / figure(USERS), "µs");
    Ok(())
}

fn create(commit: &Connection, number: i64) -> rusqlite::Result<()> {
    let sealed = [7_u8; OBJECT];
    let [id, idempotency, nonce, identifier, created, activated] =
        [(); 6].map(|()| SystemIds.uuid().into_bytes());
    let run = |text: &str, values: &[&dyn rusqlite::ToSql]| {
        commit.prepare_cached(text).and_then(|mut statement| statement.execute(values))
    };
    run("INSERT INTO nonces VALUES (?1, ?2) ON CONFLICT DO NOTHING", params![number / 1_000, nonce])?;
    run(
        "INSERT INTO users VALUES (1, ?1, ?2, 'ACTIVE', 1, ?1, ?1, 0, ?3, ?4, 0)",
        params![number, id, &sealed[..KEY], &sealed[..PERSON]],
    )?;
    for _ in 0..5 {
        let mac = &SystemIds.uuid().into_bytes()[..8];
        run("INSERT INTO search_index VALUES (1, ?1, ?2, ?3)", params![1 + number / 1_024, mac, number])?;
    }
    run(
        "INSERT INTO identifiers VALUES (1, ?1, ?2, ?1, ?1, ?3)",
        params![number, identifier, &sealed[..NUMBER]],
    )?;
    let event = "INSERT INTO events VALUES (1, ?1, ?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8)";
    let chain = &sealed[..32];
    run(event, params![2 * number, created, "USER.CREATED", id, number, None::<i64>, &sealed[..], chain])?;
    run(
        event,
        params![2 * number + 1, activated, "USER.ACTIVATED", id, number, 2 * number, None::<&[u8]>, chain],
    )?;
    run(
        "INSERT INTO idempotent_responses VALUES (1, 'POST /users', ?1, ?2, 200, ?3, ?4, NULL, ?3)",
        params![idempotency, chain, number, 2 * number],
    )?;
    Ok(())
}
