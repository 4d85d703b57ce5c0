//! A name server (RFC 1035) that answers as it is told, or not at all.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::Notify;

/// The end of names for which nobody answers.
pub const SILENT: &str = "silent.example";

pub struct NameServer {
    pub address: SocketAddr,
    /// Told of every question that stays without an answer.
    pub asked: Arc<Notify>,
}

impl NameServer {
    /// Answers that every name but the silent ones stands for `address`.
    pub async fn start(address: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (own, asked) = (socket.local_addr().unwrap(), Arc::<Notify>::default());
        let silent = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let (name, end) = name(&question[12..length]);
                if name.ends_with(SILENT) {
                    silent.notify_one();
                } else {
                    socket.send_to(&answer(&question[..12 + end + 4], address), from).await.unwrap();
                }
            }
        });
        Self { address: own, asked }
    }
}

/// The name of a question, and where it ends.
fn name(question: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 0);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

/// An answer to a question for an IPv4 address, and that there is no other.
fn answer(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    const A: u8 = 1;
    let wants_ipv4 = question[question.len() - 3] == A;
    let mut answer = question.to_vec();
    // A response without an error to one question; of what the question has added (EDNS) there is nothing.
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(wants_ipv4), 0, 0, 0, 0]);
    if wants_ipv4 {
        // The name of the question, A, IN, a minute, four bytes.
        answer.extend_from_slice(&[0xc0, 12, 0, A, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend_from_slice(&address.octets());
    }
    answer
}
