//! `investord listen` and `investord receive`, against a development server.

use std::fs::File;
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use testing::patience::until;
use testing::program::investord;

use crate::call::Dev;

/// A command that goes on until it is interrupted; what it prints goes to files.
struct Going<'a> {
    dev: &'a Dev,
    name: &'static str,
    child: Child,
}

impl<'a> Going<'a> {
    fn start(dev: &'a Dev, name: &'static str, words: &[&str]) -> Self {
        let file = |end: &str| File::create(dev.folder.path().join(format!("{name}.{end}"))).unwrap();
        let mut command = investord(dev.folder.path());
        let command = command.args(words).stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        Self { dev, name, child: command.spawn().unwrap() }
    }

    fn printed(&self, end: &str) -> String {
        std::fs::read_to_string(self.dev.folder.path().join(format!("{}.{end}", self.name))).unwrap()
    }

    fn says(&self, text: &str) -> String {
        until(&format!("'{text}' from {}", self.name), || {
            let said = self.printed("err");
            if said.contains(text) { Ok(said) } else { Err(said) }
        })
    }

    /// Ctrl-C.
    fn interrupt(&mut self) {
        let kill = std::process::Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let child = &mut self.child;
        let status = until(&format!("the end of {}", self.name), || child.try_wait().unwrap());
        assert!(status.success(), "{}", self.printed("err"));
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn kinds(lines: &str) -> Vec<String> {
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_are_shown_passed_on_and_verified() {
    let dev = Dev::new();
    let server = dev.start(&[]);
    let mut receiver = Going::start(&dev, "receive", &["receive", "--listen", "127.0.0.1:0", "--json"]);
    let said = receiver.says("receiving on ");
    let address = said.split("receiving on ").nth(1).unwrap().split(';').next().unwrap();
    let forward = format!("{address}/hooks?from=listen");
    let mut listener =
        Going::start(&dev, "listen", &["listen", "--json", "--type", "USER", "--forward", &forward]);
    listener.says("listening");
    let person = include_str!("../../../../api/examples/create-user-byol.json");
    let user = dev.call(&["POST", "/users", person]).json();
    let lines = until("both events", || {
        let out = receiver.printed("out");
        if out.lines().count() == 2 { Ok(out) } else { Err(out) }
    });
    assert_eq!(kinds(&lines), ["USER.CREATED", "USER.ACTIVATED"]);
    assert_eq!(listener.printed("out"), lines, "what is shown is what is passed on");
    assert!(lines.contains(user["id"].as_str().unwrap()));
    let how = receiver.says("/hooks?from=listen  signed by");
    assert!(how.contains("(draft 6)"), "{how}");
    listener.says("200 OK");
    listener.interrupt();
    // Nothing is left behind.
    assert_eq!(dev.call(&["GET", "/webhooks"]).json()["data"], json!([]));

    // What nobody has signed is refused, and told why.
    let url = reqwest::Url::parse(address).unwrap();
    let answer = post(&url, "{}");
    assert_eq!(answer.0, 401, "{}", answer.1);
    receiver.says("refused: ");
    receiver.interrupt();
    server.stop();
}

/// An unsigned request.
fn post(url: &reqwest::Url, body: &str) -> (u16, String) {
    let send = async {
        let answer = reqwest::Client::new().post(url.clone()).body(body.to_owned()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(send)
}
