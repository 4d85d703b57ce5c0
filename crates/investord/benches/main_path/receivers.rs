//! Receivers of webhooks: as little work as can be, so that the sender is what is measured.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Context;
use hdrhistogram::Histogram;
use investord::clock::{Clock, SystemClock};
use jiff::{SignedDuration, Timestamp};
use testing::http::{Framing, read_message};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What receivers have counted together.
pub struct Counts {
    pub events: u64,
    /// From the commit of the first event of a package until it came, without the delay; microseconds.
    pub late: Histogram<u64>,
}

/// Receivers on one address, told apart by path.
pub struct Receivers {
    pub address: SocketAddr,
    counts: Rc<RefCell<Counts>>,
    accepting: JoinHandle<()>,
}

impl Receivers {
    /// On a current-thread runtime inside of a `LocalSet`.
    pub async fn start(address: SocketAddr, delay: SignedDuration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let late = Histogram::new_with_bounds(1, 600_000_000, 3)?;
        let counts = Rc::new(RefCell::new(Counts { events: 0, late }));
        let shared = Rc::clone(&counts);
        let accepting = tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that ends has nothing more to say.
                tokio::task::spawn_local(serve(stream, Rc::clone(&shared), delay));
            }
        });
        Ok(Self { address, counts, accepting })
    }

    pub fn events(&self) -> u64 {
        self.counts.borrow().events
    }

    /// Forgets how late packages have been.
    pub fn reset(&self) {
        self.counts.borrow_mut().late.reset();
    }

    /// Milliseconds.
    pub fn late(&self, quantile: f64) -> f64 {
        let late = self.counts.borrow().late.value_at_quantile(quantile);
        f64::from(u32::try_from(late).unwrap_or(u32::MAX)) / 1e3
    }

    pub fn packages(&self) -> u64 {
        self.counts.borrow().late.len()
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    counts: Rc<RefCell<Counts>>,
    delay: SignedDuration,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(64 * 1024);
    loop {
        let Ok(Framing { head, end }) = read_message(&mut stream, &mut bytes).await else { return Ok(()) };
        note(std::str::from_utf8(&bytes[head..end])?, &counts, delay)?;
        bytes.drain(..end);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
}

fn note(body: &str, counts: &RefCell<Counts>, delay: SignedDuration) -> anyhow::Result<()> {
    let written = body.split(r#""created_at":""#).nth(1).and_then(|rest| rest.split('"').next());
    let written: Timestamp = written.context("no event")?.parse()?;
    let late = SystemClock::default().now().duration_since(written) - delay;
    let mut counts = counts.borrow_mut();
    counts.events += body.matches(r#","webhook_id":""#).count() as u64;
    counts.late.saturating_record(u64::try_from(late.as_micros()).unwrap_or(0).max(1));
    Ok(())
}
