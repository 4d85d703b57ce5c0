//! Bytes that are poured into connections, whatever is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::JoinSet;

use crate::attacker::Stage;

/// What is done next on a connection.
pub enum Step {
    Send(Vec<u8>),
    /// Nothing more, until the server closes.
    Hold,
    /// Ends the connection, and begins another one.
    Close,
    /// The same without a farewell.
    Reset,
}

pub struct Pour {
    pub to: SocketAddr,
    pub connections: usize,
    /// Steps until the attack is in force.
    pub enough: u64,
    /// Whether what is answered is read, and thrown away.
    pub reads: bool,
    /// Between two steps.
    pub pause: Duration,
}

impl Pour {
    pub fn new(stage: &Stage) -> Self {
        Self { to: stage.server(), connections: 1, enough: 1, reads: true, pause: Duration::ZERO }
    }
}

impl Stage {
    /// Does the steps of each connection, which are known by the numbers of connection and step, and begins again when
    /// it ends.
    pub async fn pour(
        self: &Arc<Self>,
        pour: Pour,
        step: impl Fn(usize, usize) -> Step + Send + Sync + 'static,
    ) {
        let (pour, step) = (Arc::new(pour), Arc::new(step));
        let mut all = JoinSet::new();
        for number in 0..pour.connections {
            let (stage, pour, step) = (Arc::clone(self), Arc::clone(&pour), Arc::clone(&step));
            all.spawn(async move {
                loop {
                    match stage.connect_to(pour.to, (!pour.reads).then_some(4096)).await {
                        Ok(stream) => stage.pour_into(stream, &pour, |at| step(number, at)).await,
                        Err(_) => stage.count("not connected"),
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            });
        }
        self.over().await;
    }

    async fn pour_into(&self, stream: TcpStream, pour: &Pour, step: impl Fn(usize) -> Step) {
        self.count("connected");
        let (read, mut write) = stream.into_split();
        let mut reading = JoinSet::new();
        if pour.reads {
            reading.spawn(read_all(read));
        } else {
            // Kept, or the connection would be half closed.
            reading.spawn(async move {
                let _read = read;
                std::future::pending::<()>().await;
            });
        }
        for at in 0.. {
            self.in_force_after(pour.enough);
            let outcome = match step(at) {
                Step::Send(bytes) => tokio::select! {
                    sent = write.write_all(&bytes) => sent.is_ok(),
                    _ = reading.join_next() => false,
                },
                Step::Hold => {
                    reading.join_next().await;
                    false
                }
                Step::Close => return,
                Step::Reset => {
                    let _ = SockRef::from(write.as_ref()).set_linger(Some(Duration::ZERO));
                    return;
                }
            };
            if !outcome {
                return self.count("cut");
            }
            if pour.pause.is_zero() {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(pour.pause).await;
            }
        }
    }
}

async fn read_all(mut read: OwnedReadHalf) {
    let mut chunk = vec![0; 64 * 1024];
    while matches!(read.read(&mut chunk).await, Ok(1..)) {}
}
