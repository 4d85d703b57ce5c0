//! A server as a process.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use crate::http::peek;
use crate::patience::until;
use crate::program::wait;

/// A server that runs until it is stopped, killed or dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub url: String,
    /// The file of its output, and where that of this process begins.
    log: (PathBuf, u64),
}

#[derive(Clone, Copy, PartialEq)]
pub enum Ready {
    /// When `/readyz` says so.
    Answers,
    /// When it takes connections.
    Listens,
}

impl Server {
    /// Starts the command; what it prints goes to the end of `LOG.out` and `LOG.err`.
    pub fn start(command: Command, log: &Path, ready: Ready) -> Self {
        Self::start_at(None, command, log, ready)
    }

    /// `known` is the address where it answers, if it does not print that first.
    pub fn start_at(known: Option<SocketAddr>, mut command: Command, log: &Path, ready: Ready) -> Self {
        let files = [log.with_extension("out"), log.with_extension("err")];
        let before = files.each_ref().map(|file| file.metadata().map_or(0, |known| known.len()));
        let open = |file: &PathBuf| OpenOptions::new().append(true).create(true).open(file).unwrap();
        command.stdout(open(&files[0])).stderr(open(&files[1]));
        let child = command.spawn().unwrap();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let log = (files[0].clone(), before[0]);
        let mut server = Self { child, address: nowhere, url: String::new(), log };
        let said = |at: usize| {
            let mut file = File::open(&files[at]).unwrap();
            file.seek(SeekFrom::Start(before[at])).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut lives = || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended with {status}: {}{}", said(0), said(1));
            }
        };
        let address = until("the address of the server", || {
            lives();
            // The log has addresses too: those of the database.
            known.or_else(|| address_in(&said(0))).ok_or_else(|| format!("{}{}", said(0), said(1)))
        });
        until("the server to be ready", || {
            lives();
            match ready {
                Ready::Answers => match peek(address, "/readyz") {
                    Some((200, _)) => Ok(()),
                    answer => Err(format!("{answer:?}")),
                },
                Ready::Listens => {
                    std::net::TcpStream::connect(address).map(|_| ()).map_err(|e| e.to_string())
                }
            }
        });
        (server.address, server.url) = (address, format!("http://{address}"));
        server
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `name` as in TERM, STOP, CONT.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// The letter that the system has for it, as in R (runs) and T (stopped by a signal).
    #[cfg(target_os = "linux")]
    pub fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    /// How it has ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, which must come.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let what = format!("the end of the server on {}", self.address);
        match wait(&mut self.child, &what, || "it runs".to_owned()) {
            Ok(status) => status,
            Err(why) => panic!("{why}"),
        }
    }

    /// SIGTERM and a clean end.
    #[track_caller]
    pub fn stop(mut self) {
        self.terminate();
        let status = self.ends();
        assert!(status.success(), "{status}");
    }

    /// All metrics, from the listener that `serve` and `dev` have printed.
    pub fn metrics(&self) -> String {
        let mut file = File::open(&self.log.0).unwrap();
        file.seek(SeekFrom::Start(self.log.1)).unwrap();
        let mut printed = String::new();
        file.read_to_string(&mut printed).unwrap();
        let (_, behind) = printed.split_once("metrics ").expect("the address of the metrics");
        let (status, text) = peek(address_in(behind).expect("an address"), "/metrics").expect("metrics");
        assert_eq!(status, 200);
        text
    }

    /// One number of the metrics; 0 when there is no such line. `line` is its beginning.
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.metrics();
        let found = text.lines().find_map(|known| known.strip_prefix(line)?.trim().parse().ok());
        found.unwrap_or(0.0)
    }

    /// Resident memory in KiB, where the system tells.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().split(' ').next()?.parse().ok())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn address_in(text: &str) -> Option<SocketAddr> {
    let at = text.find("127.0.0.1:")?;
    let end = text[at + 10..].find(|letter: char| !letter.is_ascii_digit())?;
    text[at..at + 10 + end].parse().ok()
}
