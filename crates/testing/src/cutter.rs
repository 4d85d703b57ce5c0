//! A proxy before PostgreSQL that fails as networks do: in mid-transaction, or just before an answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Passes everything on until it is told otherwise, on a thread of its own. Dropped, it cuts what it carries.
pub struct Cutter {
    address: SocketAddr,
    rules: watch::Sender<Rules>,
    cuts: mpsc::UnboundedSender<std::sync::mpsc::Sender<()>>,
    count: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
struct Rules {
    cut_after: u64,
    swallowed: Option<&'static str>,
    frozen: bool,
}

impl Cutter {
    pub fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (rules, seen) = watch::channel(Rules { cut_after: u64::MAX, swallowed: None, frozen: false });
        let (cuts, asked) = mpsc::unbounded_channel();
        let count = Arc::default();
        let carrying = carry_all(listener, target, seen, asked, Arc::clone(&count));
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(carrying)
        });
        Self { address, rules, cuts, count }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections have been cut.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Cuts all connections there are; they are gone when this returns.
    pub fn cut_all(&self) {
        let (done, wait) = std::sync::mpsc::channel();
        self.cuts.send(done).unwrap();
        wait.recv().unwrap();
    }

    /// From now on every new connection is cut when its client has said so many bytes, which still arrive.
    /// `u64::MAX` ends this.
    pub fn cut_after(&self, bytes: u64) {
        self.rules.send_modify(|rules| rules.cut_after = bytes);
    }

    /// From now on an answer that contains this text does not arrive: its connection is cut instead. What
    /// clients say does arrive. "COMMIT" is in the answer to every commit; "" is in every answer.
    pub fn swallow_answers(&self, containing: &'static str) {
        self.rules.send_modify(|rules| rules.swallowed = Some(containing));
    }

    pub fn answers_again(&self) {
        self.rules.send_modify(|rules| rules.swallowed = None);
    }

    /// From now on nothing is passed and nothing is closed.
    pub fn freeze(&self) {
        self.rules.send_modify(|rules| rules.frozen = true);
    }

    /// What was held back goes on.
    pub fn thaw(&self) {
        self.rules.send_modify(|rules| rules.frozen = false);
    }
}

async fn carry_all(
    listener: std::net::TcpListener,
    target: SocketAddr,
    rules: watch::Receiver<Rules>,
    mut asked: mpsc::UnboundedReceiver<std::sync::mpsc::Sender<()>>,
    count: Arc<AtomicU64>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(carry(client, target, rules.clone(), Arc::clone(&count)));
                }
            }
            Some(_) = connections.join_next() => {}
            cut = asked.recv() => {
                let Some(done) = cut else { return Ok(()) };
                while connections.try_join_next().is_some() {}
                count.fetch_add(connections.len() as u64, Ordering::SeqCst);
                connections.shutdown().await;
                let _ = done.send(());
            }
        }
    }
}

#[expect(deprecated, reason = "set_linger blocks when it is given a time, which it is not")]
async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    rules: watch::Receiver<Rules>,
    count: Arc<AtomicU64>,
) -> io::Result<()> {
    // Dropping them is a cut from here on.
    client.set_zero_linger()?;
    let mut server = TcpStream::connect(target).await?;
    server.set_zero_linger()?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let limit = rules.borrow().cut_after;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let cut = tokio::select! {
        cut = pass(from_client, to_server, rules.clone(), Some(limit)) => cut,
        cut = pass(from_server, to_client, rules, None) => cut,
    };
    if cut? {
        count.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    client.set_linger(None)?;
    server.set_linger(None)
}

/// Passes on what comes. What a client says has a limit; answers have none, but may be swallowed.
/// `true` means that the connection is to be cut.
async fn pass(
    from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut rules: watch::Receiver<Rules>,
    limit: Option<u64>,
) -> io::Result<bool> {
    let mut from = from.take(limit.unwrap_or(u64::MAX));
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let now = *rules.wait_for(|rules| !rules.frozen).await.map_err(io::Error::other)?;
        if read == 0 {
            return Ok(from.limit() == 0);
        }
        let contains = |text| String::from_utf8_lossy(&buffer[..read]).contains(text);
        if limit.is_none() && now.swallowed.is_some_and(contains) {
            return Ok(true);
        }
        to.write_all(&buffer[..read]).await?;
    }
}
