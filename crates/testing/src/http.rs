//! A small HTTP/1.1 client that puts on the wire exactly what it is told, good or bad.

use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::answer::Answer;
use crate::patience::{Patience, patiently};

/// How often a blocking socket that gives nothing is asked again.
const POLL: Duration = Duration::from_millis(500);

/// Where the parts of a message stand in a buffer that begins with it (RFC 9112). A message says its length or has no
/// body.
#[derive(Clone, Copy)]
pub struct Framing {
    /// The end of the head, with the empty line.
    pub head: usize,
    pub end: usize,
}

impl Framing {
    /// Finds the framing once the head is complete.
    pub fn of(buffer: &[u8]) -> Option<Self> {
        let head = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let mut lines = buffer[..head].split(|byte| *byte == b'\n');
        let length = lines.find_map(|line| {
            let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        Some(Self { head, end: head + length.unwrap_or(0) })
    }

    /// The same if the whole message is there.
    pub fn of_whole(buffer: &[u8]) -> Option<Self> {
        Self::of(buffer).filter(|framing| framing.end <= buffer.len())
    }

    /// That of an answer to HEAD, which announces a body and has none.
    fn without_body(buffer: &[u8]) -> Option<Self> {
        Self::of(buffer).map(|Self { head, .. }| Self { head, end: head })
    }
}

/// Reads until the buffer begins with a whole message.
pub async fn read_message(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Framing> {
    read_until(stream, buffer, Framing::of_whole).await
}

async fn read_until(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    find: fn(&[u8]) -> Option<Framing>,
) -> io::Result<Framing> {
    loop {
        if let Some(framing) = find(buffer) {
            return Ok(framing);
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads the answer to a request.
async fn read_answer(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    request: &[u8],
) -> io::Result<Answer> {
    let find = if request.starts_with(b"HEAD ") { Framing::without_body } else { Framing::of_whole };
    let framing = read_until(stream, buffer, find).await?;
    Ok(Answer::take(buffer, framing))
}

/// What became of a request.
#[derive(Debug)]
pub enum Failure {
    /// There was no connection: nothing has been sent.
    Refused,
    /// The connection had been closed before the request, or broke while it was being sent.
    Unsent,
    /// The request was sent to its last byte, and no whole answer came.
    Lost(io::Error),
}

/// A keep-alive connection.
pub struct Connection {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|_| Failure::Refused)?;
        stream.set_nodelay(true).map_err(|_| Failure::Refused)?;
        Ok(stream.into())
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub async fn send(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        // The system is asked, and not the runtime, which may not have heard yet that the other side has closed.
        match SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return Err(Failure::Unsent),
        }
        self.write(request).await.map_err(|_| Failure::Unsent)?;
        let read = read_answer(&mut self.stream, &mut self.buffer, request);
        patiently("the answer of the server", read).await.map_err(Failure::Lost)
    }

    /// Reads one answer, or says why there is none.
    pub async fn answer(&mut self) -> io::Result<Answer> {
        patiently("an answer", read_answer(&mut self.stream, &mut self.buffer, b"")).await
    }

    /// Sends a request, and waits for its answer as long as it takes. One that is refused before its last byte is there
    /// may have an answer nevertheless.
    pub async fn attempt(&mut self, request: &[u8]) -> io::Result<Answer> {
        let _ = self.write(request).await;
        read_answer(&mut self.stream, &mut self.buffer, request).await
    }

    /// Sends a request, and gives the status and the body of its answer where they lie: a load generator copies
    /// nothing.
    pub async fn call(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.buffer.clear();
        self.write(request).await?;
        let Framing { head, end } = read_message(&mut self.stream, &mut self.buffer).await?;
        let status = status_in(&self.buffer[..head]).ok_or(io::ErrorKind::InvalidData)?;
        Ok((status, &self.buffer[head..end]))
    }
}

/// The status in the first line of an answer.
pub fn status_in(head: &[u8]) -> Option<u16> {
    let status = head.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

/// Where the server is, and connections to it that are at rest.
pub struct Wire {
    address: RwLock<SocketAddr>,
    resting: Mutex<Vec<Connection>>,
}

impl Wire {
    pub fn to(address: SocketAddr) -> Self {
        Self { address: RwLock::new(address), resting: Mutex::default() }
    }

    pub fn address(&self) -> SocketAddr {
        *self.address.read().unwrap()
    }

    /// The server has moved: what is open leads nowhere.
    pub fn moved(&self, address: SocketAddr) {
        *self.address.write().unwrap() = address;
        self.rest();
    }

    /// Closes the connections at rest.
    pub fn rest(&self) {
        self.resting.lock().unwrap().clear();
    }

    pub async fn connect(&self) -> Connection {
        Connection::open(self.address()).await.unwrap()
    }

    /// Sends one well-framed request over a connection of its own.
    pub async fn ask(&self, request: &[u8]) -> Answer {
        self.connect().await.send(request).await.unwrap()
    }

    /// Sends one well-framed request, over a connection at rest if there is one.
    pub async fn exchange(&self, request: &[u8]) -> Answer {
        let resting = self.resting.lock().unwrap().pop();
        if let Some(mut connection) = resting
            && let Ok(answer) = connection.send(request).await
        {
            return self.done(connection, answer);
        }
        let mut connection = self.connect().await;
        let answer = connection.send(request).await.expect("an answer before the end of the connection");
        self.done(connection, answer)
    }

    fn done(&self, connection: Connection, answer: Answer) -> Answer {
        if answer.keeps_alive() {
            self.resting.lock().unwrap().push(connection);
        }
        answer
    }

    /// Sends any bytes over a connection of its own; the first answer, or `None` if the server hung up.
    /// With `then_close` our half of the connection ends after the last byte.
    pub async fn raw(&self, bytes: &[u8], then_close: bool) -> Option<Answer> {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        raw(stream, bytes, then_close).await
    }

    /// The same from another address of this machine.
    pub async fn raw_from(&self, source: [u8; 4], bytes: &[u8]) -> Option<Answer> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((source, 0))).unwrap();
        raw(socket.connect(self.address()).await.unwrap(), bytes, false).await
    }
}

async fn raw(stream: TcpStream, bytes: &[u8], then_close: bool) -> Option<Answer> {
    let (mut from, mut to) = stream.into_split();
    let mut buffer = Vec::new();
    let write = async {
        // The server may refuse before it has read all.
        let _ = to.write_all(bytes).await;
        if then_close {
            let _ = to.shutdown().await;
        }
        std::future::pending::<()>().await;
    };
    let read = read_answer(&mut from, &mut buffer, bytes);
    tokio::select! {
        answer = patiently("the answer of the server", read) => answer.ok(),
        () = write => None,
    }
}

/// A keep-alive connection without a runtime.
pub struct BlockingConnection {
    stream: std::net::TcpStream,
    buffer: Vec<u8>,
}

impl BlockingConnection {
    /// `from` is the address of this machine to call from.
    pub fn open(address: SocketAddr, from: Option<IpAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if let Some(from) = from {
            socket.bind(&SocketAddr::new(from, 0).into())?;
        }
        socket.connect(&address.into())?;
        let stream = std::net::TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(POLL))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub fn send(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        let (mut patience, mut chunk) = (Patience::new("the answer of the server"), vec![0; 64 * 1024]);
        loop {
            if let Some(framing) = Framing::of_whole(&self.buffer) {
                return Ok(Answer::take(&mut self.buffer, framing));
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                        patience.sees(format!("{} bytes", self.buffer.len()));
                    }
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

/// A GET without any ceremony, on a connection of its own: status and body.
pub fn peek(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let answer = BlockingConnection::open(address, None).and_then(|mut open| open.send(request.as_bytes()));
    answer.ok().map(|answer| (answer.status, answer.text().to_owned()))
}
