//! Sends what was prepared over a number of connections and takes the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use testing::http::Connection;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::requests::Prepared;
use crate::server::Service;

/// Every answer has its status and its beginning compared; every so many are read as JSON too.
const SAMPLE: usize = 97;

pub struct Outcome {
    pub requests: usize,
    pub took: Duration,
    /// CPU time of the service, and of its database if that is a server of this machine.
    pub cpu: Duration,
    pub database_cpu: Option<Duration>,
    /// Nanoseconds.
    pub latency: Histogram<u64>,
    /// The ids at the beginning of the bodies, in the order of the answers; empty where there is none.
    pub ids: Vec<String>,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        f64::from(count(self.requests)) / self.took.as_secs_f64()
    }

    /// Microseconds per request.
    pub fn each_us(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / f64::from(count(self.requests))
    }

    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        Duration::from_nanos(self.latency.value_at_quantile(quantile)).as_secs_f64() * 1e3
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Sends every request once, each connection the next one as soon as it has its answer. The connections go to
/// the processes of the service in turn.
pub async fn run(
    service: &Service,
    prepared: Vec<Prepared>,
    connections: usize,
    keep_ids: bool,
) -> anyhow::Result<Outcome> {
    let mut opened = Vec::new();
    for process in service.processes.iter().cycle().take(connections) {
        opened.push(open(process.address).await?);
    }
    let requests = prepared.len();
    let (prepared, next) = (Arc::new(prepared), Arc::new(AtomicUsize::new(0)));
    let ((own, database), started) = (service.cpu()?, Instant::now());
    let mut running = JoinSet::new();
    for connection in opened {
        running.spawn(work(connection, Arc::clone(&prepared), Arc::clone(&next), keep_ids));
    }
    let (mut latency, mut ids) = (histogram()?, Vec::new());
    while let Some(done) = running.join_next().await {
        let (own_latency, own_ids) = done??;
        latency.add(own_latency)?;
        ids.extend(own_ids);
    }
    let took = started.elapsed();
    let (own_now, database_now) = service.cpu()?;
    let database_cpu = database_now.zip(database).map(|(now, before)| now.since(&before));
    Ok(Outcome { requests, took, cpu: own_now.since(&own), database_cpu, latency, ids })
}

/// Sends one request; the body of its answer.
pub async fn once(address: SocketAddr, prepared: &Prepared) -> anyhow::Result<Vec<u8>> {
    let mut connection = open(address).await?;
    let (status, body) = connection.call(&prepared.bytes).await?;
    ensure!(status == 200, "an answer of status {status}: {}", String::from_utf8_lossy(body));
    Ok(body.to_vec())
}

pub fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?)
}

async fn work(
    mut connection: Connection,
    prepared: Arc<Vec<Prepared>>,
    next: Arc<AtomicUsize>,
    keep_ids: bool,
) -> anyhow::Result<(Histogram<u64>, Vec<String>)> {
    let (mut latency, mut ids) = (histogram()?, Vec::new());
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(request) = prepared.get(at) else { return Ok((latency, ids)) };
        let started = Instant::now();
        let (status, body) = connection.call(&request.bytes).await?;
        latency.record(u64::try_from(started.elapsed().as_nanos())?)?;
        if status / 100 != 2 || !body.starts_with(request.begins.as_bytes()) {
            bail!("an answer of status {status}: {}", String::from_utf8_lossy(body));
        }
        if at.is_multiple_of(SAMPLE) && !body.is_empty() {
            check(body)?;
        }
        if keep_ids {
            let id = body.get(7..43).context("a body without id")?;
            ids.push(String::from_utf8(id.to_vec())?);
        }
    }
}

/// An answer is JSON, and a page has as many members as it says.
fn check(body: &[u8]) -> anyhow::Result<()> {
    let json: serde_json::Value = serde_json::from_slice(body)?;
    if let (Some(data), Some(meta)) = (json["data"].as_array(), json.get("meta")) {
        ensure!(meta["count"] == data.len(), "a page of another length than it says");
    }
    Ok(())
}

/// Opens a connection and waits until it is accepted and served; Prism does not know the path.
pub async fn open(address: SocketAddr) -> anyhow::Result<Connection> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut connection = Connection::from(stream);
    connection.call(b"GET /healthz HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
    Ok(connection)
}
