//! Chromium, driven over `WebDriver`, with a virtual authenticator for passkeys.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::skip::or_skip;

const VARIABLE: &str = "INVESTORD_TEST_BROWSER";
const HOW: &str = "install Chromium and its driver (apt install chromium chromium-driver)";

/// A browser at a page of `http://localhost`, and an authenticator that has verified its user.
pub struct Chromium {
    driver: Child,
    /// Kept open: a process whose output nobody takes ends.
    _output: BufReader<ChildStdout>,
    _profile: TempDir,
    session: String,
    http: Client,
}

/// A page for a browser. It has to be there before the server that is told its origin.
pub struct Page(TcpListener);

impl Page {
    pub async fn new() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).await.unwrap())
    }

    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.0.local_addr().unwrap().port())
    }

    fn serve(self) {
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = self.0.accept().await {
                let mut head = [0; 4096];
                let _ = connection.read(&mut head).await;
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 1\r\n\r\n.";
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
    }
}

impl Chromium {
    /// Opens a page; none without Chromium, unless `INVESTORD_TEST_BROWSER=required`.
    pub async fn open(page: Page) -> Option<Self> {
        let mut command = Command::new("chromedriver");
        let started = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let started = started.map_err(|error| format!("chromedriver: {error}: {HOW}"));
        let mut driver = or_skip(started, VARIABLE, "tests with a browser")?;
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let port: u16 = loop {
            let mut line = String::new();
            assert!(output.read_line(&mut line).unwrap() > 0, "chromedriver has ended");
            let port = line
                .split_once("successfully on port ")
                .map(|(_, rest)| rest.trim().trim_end_matches('.').to_owned());
            if let Some(Ok(port)) = port.map(|port| port.parse()) {
                break port;
            }
        };
        let http = Client::builder().no_proxy().timeout(Duration::from_mins(4)).build().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": arguments },
        } } });
        let mut this = Self {
            driver,
            _output: output,
            _profile: profile,
            session: format!("http://127.0.0.1:{port}/session"),
            http,
        };
        let begun = this.command("", &wanted).await;
        this.session = format!("{}/{}", this.session, begun["sessionId"].as_str().unwrap());
        let origin = page.origin();
        page.serve();
        this.command("/url", &json!({ "url": origin })).await;
        this.command(
            "/webauthn/authenticator",
            &json!({
                "protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
                "hasUserVerification": true, "isUserVerified": true,
            }),
        )
        .await;
        Some(this)
    }

    /// Has the authenticator create a passkey by the options of a server.
    pub async fn create_passkey(&self, options: &Value) -> Value {
        self.run("create", "parseCreationOptionsFromJSON", options).await
    }

    /// Has the authenticator use a passkey by the options of a server.
    pub async fn use_passkey(&self, options: &Value) -> Value {
        self.run("get", "parseRequestOptionsFromJSON", options).await
    }

    async fn run(&self, what: &str, parse: &str, options: &Value) -> Value {
        let script = format!(
            "const done = arguments[1]; const publicKey = PublicKeyCredential.{parse}(arguments[0].publicKey);
             navigator.credentials.{what}({{ publicKey }})
                 .then(made => done(made.toJSON()), error => done(String(error)))"
        );
        let made = self.command("/execute/async", &json!({ "script": script, "args": [options] })).await;
        assert!(made.is_object(), "{made}");
        made
    }

    async fn command(&self, what: &str, body: &Value) -> Value {
        let url = format!("{}{what}", self.session);
        let answer = self.http.post(url).body(body.to_string()).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(answer["value"].get("error").is_none(), "{what}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The driver ends its browser, too.
        let _ = Command::new("kill").arg(self.driver.id().to_string()).status();
        let _ = self.driver.wait();
    }
}
