//! A real `OpenID` provider (oidc-provider of npm), and a browser that signs in there.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, header};
use serde_json::{Value, json};
use url::Url;

use crate::skip::or_skip;

const VARIABLE: &str = "INVESTORD_TEST_IDENTITY_PROVIDER";

/// The id and the secret of the register at the provider.
pub const CLIENT: [&str; 2] = ["investord", "kept from everybody"];

/// A provider, which ends with the test.
pub struct IdentityProvider {
    pub issuer: String,
    process: Child,
    /// Kept open: a process whose output nobody takes ends.
    _output: BufReader<ChildStdout>,
    http: Client,
}

impl IdentityProvider {
    /// Starts a provider; none without Node, unless `INVESTORD_TEST_IDENTITY_PROVIDER=required`.
    pub fn start() -> Option<Self> {
        static INSTALLED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let installed = INSTALLED.get_or_init(install).clone();
        let folder = or_skip(installed, VARIABLE, "tests with an identity provider")?;
        Some(Self::start_at(&folder, 0))
    }

    fn start_at(folder: &Path, port: u16) -> Self {
        let mut command = Command::new("node");
        command.arg(folder.join("provider.mjs")).arg(port.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut issuer = String::new();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        output.read_line(&mut issuer).unwrap();
        assert!(issuer.starts_with("http://"), "the provider has not started: '{issuer}'");
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { issuer: issuer.trim().to_owned(), process, _output: output, http }
    }

    /// Ends the provider.
    pub fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ends it, and starts another one at the same address, with other keys.
    pub fn replace(&mut self) {
        self.stop();
        let port = Url::parse(&self.issuer).unwrap().port().unwrap();
        *self = Self::start_at(INSTALLED_FOLDER.as_path(), port);
    }

    /// Sets the claims of a person.
    pub async fn person(&self, subject: &str, claims: Value) {
        self.tell(&format!("people/{subject}"), &claims).await;
    }

    /// Sets where logout tokens are sent.
    pub async fn logout_receiver(&self, address: &str) {
        self.tell("receiver", &json!(address)).await;
    }

    async fn tell(&self, what: &str, value: &Value) {
        let url = format!("{}/test/{what}", self.issuer);
        let told = self.http.request(Method::PUT, url).body(value.to_string()).send().await.unwrap();
        assert_eq!(told.status(), 200);
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Installs the packages of the lock file below `target`, once.
fn install() -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("identity-provider");
    let folder = &*INSTALLED_FOLDER;
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    // Two test programs may install at the same time.
    let lock = std::fs::File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let wanted = std::fs::read(source.join("package-lock.json")).unwrap();
    let is_installed = std::fs::read(folder.join("installed")).is_ok_and(|installed| installed == wanted);
    for file in ["package.json", "package-lock.json", "provider.mjs"] {
        std::fs::copy(source.join(file), folder.join(file)).map_err(|error| error.to_string())?;
    }
    if !is_installed {
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let done = Command::new("npm").args(install).current_dir(folder).output();
        let done = done.map_err(|error| format!("npm: {error}: install Node 20 or newer"))?;
        if !done.status.success() {
            return Err(format!("npm ci: {}", String::from_utf8_lossy(&done.stderr)));
        }
        std::fs::write(folder.join("installed"), wanted).map_err(|error| error.to_string())?;
    }
    Ok(folder.clone())
}

static INSTALLED_FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).expect("the folder of the build").join("identity-provider")
});

/// A browser of one person: it keeps cookies, and follows redirects within the provider.
pub struct Browser<'a> {
    provider: &'a IdentityProvider,
    cookies: BTreeMap<String, String>,
}

/// Where a browser has arrived.
#[derive(Debug)]
pub enum Arrival {
    /// At a page of the provider.
    Page(String),
    /// Sent away from the provider, to this address.
    Away(Url),
}

impl Arrival {
    /// Returns a parameter of the address to which the browser was sent.
    #[track_caller]
    pub fn parameter(&self, name: &str) -> Option<String> {
        let Self::Away(url) = self else { panic!("{self:?}") };
        url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }
}

impl<'a> Browser<'a> {
    pub fn new(provider: &'a IdentityProvider) -> Self {
        Self { provider, cookies: BTreeMap::new() }
    }

    /// Opens an address of the provider. Where it asks who somebody is, they are `person`.
    pub async fn sign_in(&mut self, address: &str, person: &str) -> Arrival {
        let mut url = Url::parse(address).unwrap();
        url.query_pairs_mut().append_pair("login_hint", person);
        self.open(Method::GET, url, None).await
    }

    /// Opens an address of the provider.
    pub async fn visit(&mut self, address: &str) -> Arrival {
        self.open(Method::GET, Url::parse(address).unwrap(), None).await
    }

    /// Sends the form of a page as a script on it would, and returns the next page.
    pub async fn send_shown_form(&mut self, page: &str) -> String {
        let name = Regex::new("<input[^>]*name=\"([^\"]+)\"[^>]*value=\"([^\"]*)\"").unwrap();
        let first = name.captures(page).unwrap_or_else(|| panic!("no form: {page}"));
        match self.send_form(page, &first[1], &first[2]).await {
            Arrival::Page(page) => page,
            away @ Arrival::Away(_) => panic!("{away:?}"),
        }
    }

    /// Opens the address to which the provider has sent it, and returns the page.
    pub async fn leave_to(&self, address: Url) -> String {
        self.provider.http.get(address).send().await.unwrap().text().await.unwrap()
    }

    /// Sends the form of a page, with one more member.
    pub async fn send_form(&mut self, page: &str, name: &str, value: &str) -> Arrival {
        let action = Regex::new("action=\"([^\"]+)\"").unwrap();
        let action =
            action.captures(page).unwrap_or_else(|| panic!("no form: {page}"))[1].replace("&amp;", "&");
        let url = Url::parse(&self.provider.issuer).unwrap().join(&action).unwrap();
        let mut form = form_urlencoded::Serializer::new(String::new());
        let input = Regex::new("<input[^>]*name=\"([^\"]+)\"[^>]*value=\"([^\"]*)\"").unwrap();
        for found in input.captures_iter(page).filter(|found| &found[1] != name) {
            form.append_pair(&found[1], &found[2]);
        }
        let form = form.append_pair(name, value).finish();
        self.open(Method::POST, url, Some(form)).await
    }

    async fn open(&mut self, mut method: Method, mut url: Url, mut form: Option<String>) -> Arrival {
        for _ in 0..20 {
            if !url.as_str().starts_with(&self.provider.issuer) {
                return Arrival::Away(url);
            }
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut request =
                self.provider.http.request(method, url.clone()).header(header::COOKIE, cookies.join("; "));
            if let Some(form) = form.take() {
                let kind = "application/x-www-form-urlencoded";
                request = request.header(header::CONTENT_TYPE, kind).body(form);
            }
            let answer = request.send().await.unwrap();
            self.keep_cookies(&answer);
            let Some(next) = answer.headers().get(header::LOCATION) else {
                return Arrival::Page(answer.text().await.unwrap());
            };
            url = url.join(next.to_str().unwrap()).unwrap();
            method = Method::GET;
        }
        panic!("the provider sends the browser around in circles")
    }

    fn keep_cookies(&mut self, answer: &Response) {
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
