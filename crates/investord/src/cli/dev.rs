//! `investord dev`: a register for development on a laptop, in one command.
//!
//! This is the only command with weak defaults: the master key lies beside the database, a client secret is stored in a
//! file, responses explain failed signatures, there is no rate limit, and webhooks may have any address.

use std::path::{Path, PathBuf};

use clap::Args;
use http_message_signatures::{Algorithm, SigningKey};

use super::profile::{Profile, ProfileKey};
use super::serve::PreparedServer;
use super::{ServerOptions, private_file, single_threaded, variables};
use crate::app::Mode;
use crate::backoffice::session::new_token;
use crate::clock::SystemIds;
use crate::config::{CommandLine, Config, Log, LogFormat, OperatorAddress, Sources, Webhooks};
use crate::domain::administration::{Act, GivenRole};
use crate::domain::permissions::ROLE_NAMES;
use crate::domain::tenants::{ReviewPolicy, TenantSettings};
use crate::provision::administration::Circumstances;
use crate::provision::{NewClient, Provisioner};
use crate::store::Database;
use crate::store::encryption::MasterKey;
use crate::store::engine::{migrate, sqlite_file};
use crate::store::tenants::operators;

/// Name of the file with the master key, in the data folder.
pub const MASTER_KEY: &str = "master.key";
/// Name of the file with the profile of the demo client.
pub const PROFILE: &str = "profile.toml";
/// Name of the file with an access token of an operator who is an administrator of the register.
pub const OPERATOR_TOKEN: &str = "operator.token";
/// Default data folder, relative to the working folder.
pub const FOLDER: &str = "investord-dev";
/// Name of the demo tenant, and of the demo operator.
const TENANT: &str = "demo";
/// Algorithms of the demo client's keys, and the names of their files.
const KEYS: [(Algorithm, &str); 2] =
    [(Algorithm::P521, "demo-p521.pem"), (Algorithm::Ed25519, "demo-ed25519.pem")];
/// Scopes of the demo client.
const SCOPES: [&str; 10] = [
    "users:admin", "users:read", "accounts:admin", "accounts:read", "checks:admin", "checks:read",
    "taxes:admin", "taxes:read", "webhooks:admin", "webhooks:read",
];

#[derive(Args)]
pub struct Dev {
    /// Folder for everything the server makes; investord-dev unless it is named.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database, when it is not in that folder: `sqlite:PATH` or `postgres://USER@HOST/NAME`.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    listen: ServerOptions,
    /// Log every request.
    #[arg(long, short)]
    verbose: bool,
}

impl Dev {
    /// Starts the server. The first start creates the master key, the demo tenant and the demo operator.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be written, the database cannot be opened, or an address cannot be bound.
    pub fn run(self) -> anyhow::Result<()> {
        let mut config = self.config()?;
        let data = config.data.clone();
        sqlite_file::make_folder(&data)?;
        if config.master_key.is_none() && config.master_key_file.is_none() {
            let master_key = data.join(MASTER_KEY);
            if !master_key.exists() {
                private_file::create(&master_key, &MasterKey::generate_base64(&SystemIds))?;
            }
            config.master_key_file = Some(master_key);
        }
        // A SQLite file is migrated when it is opened, but a PostgreSQL database must be migrated before.
        if let database @ Database::Postgres(_) = config.database()? {
            migrate::run(&database, &crate::store::CATALOGUE)?;
        }
        let started = PreparedServer::new(config, Mode::Development)?;
        let operators = match (started.config.operator_address(), &started.config.operator_tls) {
            (OperatorAddress::Tcp(address), None) => format!("http://{address}"),
            (OperatorAddress::Tcp(address), Some(_)) => format!("https://{address}"),
            (socket @ OperatorAddress::Unix(_), _) => socket.to_string(),
        };
        let metrics = format!("http://{}/metrics", started.config.metrics_address());
        let token = data.join(OPERATOR_TOKEN);
        if !token.exists() {
            single_threaded(demo_operator(&started.provisioner, &token))?;
        }
        let scheme = if started.config.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", started.config.listen);
        let path = data.join(PROFILE);
        let profile = if path.exists() {
            update_profile(&path, url)?
        } else {
            single_threaded(create_demo_tenant(&started.provisioner, &data, url))?
        };
        started.serve(true, None, |_| print_instructions(&profile, [&operators, &metrics], &data))
    }

    /// Loads the configuration: weak defaults, which the environment and the command line override.
    fn config(&self) -> anyhow::Result<Config> {
        let defaults = Config::default();
        let defaults = Config {
            data: FOLDER.into(),
            rate_limit_per_second: 0,
            failed_checks_per_second: 0,
            log: Log { format: LogFormat::Text, level: "warn".into() },
            webhooks: Webhooks { allow_insecure_targets: true, ..defaults.webhooks },
            ..defaults
        };
        let Self { data, database, listen, verbose } = self;
        let mut command_line =
            CommandLine { data: data.clone(), database: database.clone(), ..CommandLine::default() };
        listen.clone().add_to(&mut command_line);
        let mut config =
            Config::load(&Sources { defaults, file: None, of_commands: variables(), command_line })?;
        if *verbose {
            config.log.level = "info".into();
        }
        Ok(config)
    }
}

/// Returns the profile of an earlier start, with the address of this one.
fn update_profile(path: &Path, url: String) -> anyhow::Result<Profile> {
    let mut profile = Profile::read(path)?;
    if profile.url != url {
        profile.url = url;
        private_file::replace(path, &toml::to_string(&profile)?)?;
    }
    Ok(profile)
}

/// Creates a tenant with a client and two keys, and returns the profile of the client. The profile is written last:
/// after an interrupted start the next one begins anew, under another tenant name if the first one exists already.
async fn create_demo_tenant(provisioner: &Provisioner, data: &Path, url: String) -> anyhow::Result<Profile> {
    let known = provisioner.store.read("tenants.all", crate::store::tenants::all).await?;
    let names = std::iter::once(TENANT.to_owned()).chain((2..).map(|number| format!("{TENANT}-{number}")));
    let name =
        names.into_iter().find(|name| known.iter().all(|tenant| tenant.name != *name)).unwrap_or_default();
    // Under this policy, operators can order outcomes, and a proof whose address ends with /fail.zip fails.
    let settings = TenantSettings { review_policy: ReviewPolicy::Simulate, ..TenantSettings::default() };
    provisioner.create_tenant(name.clone(), settings).await?;
    let scopes: Vec<String> = SCOPES.map(str::to_owned).to_vec();
    let new = NewClient { id: None, secret: None, scopes: scopes.clone() };
    let (client_id, client_secret) = provisioner.create_client(name, new).await?;
    let mut keys = Vec::new();
    for (kind, file) in KEYS {
        // The library's own generator gathers entropy first, which takes longer than the rest of the start.
        let key = SigningKey::generate_from(kind, |bytes| provisioner.ids.secret(bytes))?;
        let path = data.join(file);
        private_file::replace(&path, &key.to_pkcs8_pem()?)?;
        let id = provisioner.add_key(client_id, None, key.public_key().clone(), None).await?;
        keys.push(ProfileKey { id: id.to_string(), private_key_file: file.into() });
    }
    let profile = Profile { url, client_id: client_id.to_string(), client_secret, scopes, keys };
    private_file::create(&data.join(PROFILE), &toml::to_string(&profile)?)?;
    Ok(profile)
}

/// Creates the demo operator unless it exists, and a file with an access token of it.
async fn demo_operator(provisioner: &Provisioner, file: &Path) -> anyhow::Result<()> {
    let known = provisioner.store.read("operators.list", operators::all).await?;
    if known.iter().all(|operator| operator.name != TENANT) {
        let given = |role: &str| GivenRole { role: role.to_owned(), tenant: None };
        let grants = ROLE_NAMES.map(given).to_vec();
        let act = Act::CreateOperator { operator: TENANT.to_owned(), grants };
        provisioner.administer(act, Circumstances::of_machine()).await?;
    }
    let (token, hash) = new_token(&*provisioner.ids);
    provisioner.add_operator_token(TENANT.to_owned(), hash, None, None).await?;
    private_file::create(file, &token)
}

/// Prints the addresses, the credentials and the first commands to try.
fn print_instructions(profile: &Profile, [operators, metrics]: [&str; 2], data: &Path) {
    let Profile { url, client_id, client_secret, keys, .. } = profile;
    println!(
        "Investord for development. Weak by intent: the master key and a client secret lie in the data folder,"
    );
    println!("answers explain failed signatures, no rate limits. Not for anybody's real data.\n");
    println!("  address        {url}");
    println!("  data           {}", data.display());
    println!("  client id      {client_id}");
    println!("  client secret  {}", client_secret.0);
    for ((kind, _), key) in KEYS.iter().zip(keys) {
        println!(
            "  key id         {}  {} ({})",
            key.id,
            data.join(&key.private_key_file).display(),
            kind.name()
        );
    }
    let profile = data.join(PROFILE);
    println!("  profile        {}", profile.display());
    println!("  operators      {operators}  {}", data.join(OPERATOR_TOKEN).display());
    println!("  metrics        {metrics}\n");
    let profile = profile.display().to_string();
    let quoted = shlex::try_quote(&profile).expect("a path has no NUL");
    let option = if data == Path::new(FOLDER) { String::new() } else { format!("--profile {quoted} ") };
    println!("Try, in other terminals:  investord call {option}GET '/users?limit=10'");
    println!("                          investord listen {}", option.trim_end());
}
