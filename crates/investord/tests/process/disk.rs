//! A full disk: refused, readable, and well again when there is space.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use testing::client::Client;
use testing::home::{Home, Register};
use testing::patience::patiently;
use testing::program::{clean, run};
use testing::server::{Ready, Server};

use crate::judge::check_database;
use crate::load::{Acknowledged, Load, Write, pause};

const FILLS: usize = 3;
/// Room for the writes that were refused, sent one by one: each commit takes some ten pages of the log.
const BALLAST: usize = 4 * 1024 * 1024;

/// A small file system in a mount namespace of its own; it goes when this is dropped.
struct SmallDisk {
    holder: Child,
    place: PathBuf,
}

impl SmallDisk {
    /// None where the system does not let us.
    fn new(place: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(place).unwrap();
        // Reads until its standard input is closed, and holds the namespace until then.
        let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && echo mounted && cat";
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script, "sh", size]).arg(place);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let disk = Self { holder, place: place.to_owned() };
        (line.trim() == "mounted" && disk.outside().is_dir()).then_some(disk)
    }

    /// The folder as this process reaches it.
    fn outside(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.place.strip_prefix("/").unwrap())
    }

    /// A command that sees the disk at its place.
    fn inside(&self, command: &Command, folder: &Path) -> Command {
        let mut entered = Command::new("nsenter");
        entered.args(["--user", "--mount", "--preserve-credentials", "--target"]);
        entered.arg(self.holder.id().to_string()).arg(format!("--wd={}", folder.display())).arg("--");
        entered.arg(command.get_program()).args(command.get_args());
        clean(entered, folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

#[test]
fn a_first_start_on_a_full_disk_says_so_and_the_next_one_is_as_if_it_had_not_been() {
    let home = Home::new("");
    let folder = home.database().parent().unwrap().to_owned();
    let Some(disk) = SmallDisk::new(&folder, "200k") else {
        println!("skipped: this system does not let us mount a small file system (unshare -rm)");
        return;
    };
    let inside = || disk.inside(&home.command(&["serve"]), &home.path(""));
    let refusal = run(&mut inside()).refusal();
    assert!(refusal.contains("cannot migrate the database") && refusal.contains("disk is full"), "{refusal}");
    let mut larger = Command::new("mount");
    larger.args(["-o", "remount,size=24m"]).arg(&folder);
    run(&mut disk.inside(&larger, &home.path(""))).ok();
    Server::start(inside(), &home.path("server"), Ready::Answers).stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_keeps_reading_and_recovers() {
    let (home, load) = (Home::new(""), Load::default());
    let folder = home.database().parent().unwrap().to_owned();
    let Some(disk) = SmallDisk::new(&folder, "24m") else {
        println!("skipped: this system does not let us mount a small file system (unshare -rm)");
        return;
    };
    let ballast = |number: usize| disk.outside().join(format!("ballast-{number}"));
    for number in 0..FILLS {
        std::fs::write(ballast(number), vec![1; BALLAST]).unwrap();
    }
    let serve = || {
        let command = disk.inside(&home.command(&["serve"]), &home.path(""));
        Server::start(command, &home.path("server"), Ready::Answers)
    };
    let mut server = serve();
    let mut client = home.caller(&server).await;
    for number in 0..FILLS {
        let before = load.acknowledged();
        patiently("the disk to fill up", load.storm(&client, async {})).await;
        assert!(load.acknowledged() > before, "there was space for some");
        is_full(&load, &client).await;
        let refused = std::mem::take(&mut load.record.lock().unwrap().refused);
        println!(
            "fill {number}: {} acknowledged, /readyz {}",
            load.acknowledged(),
            client.get("/readyz").ask().await.status
        );
        std::fs::remove_file(ballast(number)).unwrap();
        // Without a restart, with the keys that were refused.
        for (write, _) in &refused {
            load.settle(&client, write).await;
        }
        assert_eq!(load.compare(&client).await, 0, "a refused write has left nothing");
        if number == 1 {
            // Once in between: killed on a disk that is nearly full.
            server.kill();
            server = serve();
            client = client.at(server.address);
            assert_eq!(load.compare(&client).await, 0);
        }
    }
    load.spot_check(&client, 50).await;
    server.stop();
    // SQLite follows the link that leads to the small disk and gets lost; a copy it can open.
    for entry in std::fs::read_dir(disk.outside()).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), home.path(entry.file_name().to_str().unwrap())).unwrap();
    }
    assert_eq!(check_database(&Register::File(home.path("investord.db"))), load.acknowledged());
}

/// Every refusal is a 503 that says what it is; reads go on.
async fn is_full(load: &Load, client: &Client) {
    let refused = load.record.lock().unwrap().refused.clone();
    assert!(!refused.is_empty());
    for (_, answer) in &refused {
        answer.problem(503, "unavailable");
    }
    assert!(load.record.lock().unwrap().lost.is_empty(), "every write is answered");
    // Where many at once have no room, one may have it.
    let mut refused = 0;
    while refused < 5 {
        let write = Write::new(1);
        let request = client.creation(&write.body, &write.once).into_bytes();
        let answer = client.send(&request).await;
        if answer.status == 200 {
            let done = Acknowledged { write, request, answer: answer.body };
            load.record.lock().unwrap().acknowledged.push(done);
        } else {
            answer.problem(503, "unavailable");
            refused += 1;
        }
        pause(5).await;
    }
    assert_eq!(load.compare(client).await, 0, "what was refused is not there");
    let known = load.record.lock().unwrap().acknowledged[0].clone();
    let read = client.get(&format!("/users/{}", known.id())).ask().await;
    assert_eq!((read.status, read.body), (200, known.answer));
}
