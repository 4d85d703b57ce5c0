//! The commands, their common options, and how they end.

/// Prints a line. Unlike the macro of the standard library, it ends the command quietly when the reader has closed the
/// pipe.
macro_rules! println {
    () => { $crate::cli::output::write(format_args!("\n")) };
    ($($text:tt)*) => { $crate::cli::output::write(format_args!("{}\n", format_args!($($text)*))) };
}
/// Prints a text without a line break, and also ends the command quietly when the reader has closed the pipe.
macro_rules! print {
    ($($text:tt)*) => { $crate::cli::output::write(format_args!($($text)*)) };
}
/// Prints a line to standard error. Unlike the macro of the standard library, it does not panic when the reader has
/// closed the pipe.
macro_rules! eprintln {
    () => { $crate::cli::output::write_note(format_args!("\n")) };
    ($($text:tt)*) => { $crate::cli::output::write_note(format_args!("{}\n", format_args!($($text)*))) };
}

mod admin;
mod administration;
mod call;
mod certificates;
mod checks;
mod clients;
mod copy;
mod dev;
mod doctor;
mod evidence;
mod health;
mod kept_session;
mod listen;
mod lock;
mod login;
mod manual;
mod mifir;
mod migrate;
mod operate;
mod operator_server;
mod output;
mod parse;
mod private_file;
mod process;
mod profile;
mod provider_login;
mod receive;
mod reload;
mod risks;
mod serve;
mod signing_client;
mod strictness;
mod summary;
mod table;
mod target;
mod user;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::clock::{SystemClock, SystemIds};
use crate::config::{Address, CommandLine, Config, OperatorAddress, Risk, Secret, Sources};
use crate::provision::Provisioner;
use crate::store::encryption::MasterKey;
use crate::store::{Database, Store};

use self::mifir::Mifir;

/// A register of investors, wire-compatible with the Upvest Investment API.
#[derive(Parser)]
#[command(name = "investord", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server for development: a demo tenant, weak defaults, answers that explain themselves.
    Dev(dev::Dev),
    /// Start a server for real use, from a configuration file.
    Serve(serve::Serve),
    /// Do the work that no request waits for, beside processes that run `serve --no-worker`.
    Worker(serve::Worker),
    /// Bring the schema of the database up to date.
    Migrate(migrate::Migrate),
    /// Say whether this configuration and its database are fit to serve.
    Doctor(doctor::Doctor),
    /// Ask a server on this machine whether it is ready, for containers and supervisors.
    Health(health::Health),
    /// Copy a register into another database, SQLite to PostgreSQL or back, and verify the copy.
    Copy(copy::CopyArgs),
    /// Print the commented default configuration.
    Config,
    /// Call a server: fetches a token, signs the request, prints the answer.
    Call(call::CallCommand),
    /// Show a tenant's events as they happen, without any public address; pass them on if wanted.
    Listen(listen::Listen),
    /// Receive webhooks: verify their signatures and show their events.
    Receive(receive::ReceiveArgs),
    /// Webhooks and their packages, through the operator API of a running server.
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Tenants of the register.
    #[command(subcommand)]
    Tenant(admin::TenantCommand),
    /// Clients that speak for a tenant.
    #[command(subcommand)]
    Client(clients::ClientCommand),
    /// Public keys of a client.
    #[command(subcommand)]
    Key(clients::KeyCommand),
    /// The key that wraps all others.
    #[command(subcommand)]
    MasterKey(admin::MasterKeyCommand),
    /// People who may look at the register.
    #[command(subcommand)]
    Operator(operate::OperatorCommand),
    /// Who may what, and its review, through the operator API of a running server.
    #[command(subcommand)]
    Evidence(evidence::EvidenceCommand),
    /// Sign in as an operator, for the commands that go through the operator API of a running server.
    Login(login::Login),
    /// End the session of `login`.
    Logout(login::Logout),
    /// Users, through the operator API of a running server.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Data changes and checks that wait for a decision, through the operator API of a running server.
    #[command(subcommand)]
    Review(operate::ReviewCommand),
    /// The record of all that has happened.
    #[command(subcommand)]
    Audit(operate::AuditCommand),
    /// The identifiers of people in transaction reports, and the reasons: without a server, for one person or a file of
    /// them.
    #[command(subcommand)]
    Mifir(Mifir),
    /// Print the completions of a shell.
    Completions(manual::Completions),
    /// Write the manual pages.
    Man(manual::Manual),
    /// Print the OpenAPI document.
    Openapi {
        /// That of the operator API.
        #[arg(long)]
        operators: bool,
    },
}

/// The location of the register, for `serve` and for the commands that work on it.
#[derive(Args, Clone, Default)]
pub struct Location {
    /// Configuration file.
    #[arg(long, env = "INVESTORD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database, as in `sqlite:/var/lib/investord/investord.db` or `postgres://USER@HOST/NAME`.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// The options that `dev` and `serve` have in common.
#[derive(Args, Clone)]
struct ServerOptions {
    /// Address or name, and port; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<Address>,
    /// The same for the operator API, or `unix:/PATH` for a Unix socket.
    #[arg(long, value_name = "HOST:PORT")]
    operator_listen: Option<OperatorAddress>,
    /// Tenants, clients and keys to bring into being at start.
    #[arg(long, value_name = "FILE")]
    tenants: Option<PathBuf>,
    /// Take a risk that is refused otherwise, as in plain-http; repeatable. `investord config` lists them.
    #[arg(long, value_name = "RISK")]
    allow: Vec<Risk>,
}

impl ServerOptions {
    /// Adds the options to the settings of the command line.
    fn add_to(self, command_line: &mut CommandLine) {
        let Self { listen, operator_listen, tenants, allow } = self;
        *command_line = CommandLine { listen, operator_listen, tenants, allow, ..command_line.clone() };
    }
}

impl Location {
    /// Returns the sources of the configuration.
    fn sources(&self) -> Sources {
        Sources {
            defaults: Config::default(),
            file: self.config.clone(),
            of_commands: variables(),
            command_line: CommandLine {
                data: self.data.clone(),
                database: self.database.clone(),
                ..CommandLine::default()
            },
        }
    }

    /// Loads the configuration.
    fn config(&self) -> anyhow::Result<Config> {
        Config::load(&self.sources())
    }

    /// Opens the register for commands that need no key, beside running servers or without one.
    fn store(&self) -> anyhow::Result<Store> {
        let database = self.config()?.database()?;
        // Opening a missing file would create an empty register, most likely in the wrong folder.
        if let Database::Sqlite(file) = &database {
            anyhow::ensure!(
                file.exists(),
                "there is no database {}; name its folder with --data, or start `investord dev` or `serve` once",
                file.display()
            );
        }
        Store::open(&database)
    }

    /// Opens the register with the master key, for commands that create or change encrypted data.
    fn provisioner(&self) -> anyhow::Result<Provisioner> {
        let (store, config) = (self.store()?, self.config()?);
        Ok(provisioner(parse_master_key(&Self::master_key(config)?)?, store))
    }

    /// Returns the configured master key, by default the one in a development folder.
    fn master_key(mut config: Config) -> anyhow::Result<Secret> {
        let beside = match config.database()? {
            Database::Sqlite(file) => file.with_file_name(dev::MASTER_KEY),
            Database::Postgres(_) => config.data.join(dev::MASTER_KEY),
        };
        if config.master_key.is_none() && config.master_key_file.is_none() && beside.exists() {
            config.master_key_file = Some(beside);
        }
        config.master_key()
    }
}

/// Combines a master key and a register with the clock and the random generators of the machine.
fn provisioner(master_key: MasterKey, store: Store) -> Provisioner {
    let (clock, ids) = (Arc::new(SystemClock::default()), Arc::new(SystemIds));
    Provisioner { store, master_key: Arc::new(master_key), clock, ids }
}

/// Parses a master key of 32 bytes in base64.
fn parse_master_key(text: &Secret) -> anyhow::Result<MasterKey> {
    MasterKey::from_base64(&text.0).map_err(anyhow::Error::msg)
}

/// Returns the environment variables of command options, in the form of [`Sources`].
fn variables() -> Vec<String> {
    fn collect(command: &clap::Command, found: &mut Vec<String>) {
        let named = command.get_arguments().filter_map(|option| option.get_env()?.to_str());
        found.extend(named.filter_map(|name| Some(name.strip_prefix("INVESTORD_")?.to_lowercase())));
        command.get_subcommands().for_each(|inner| collect(inner, found));
    }
    let mut found = Vec::new();
    collect(&Cli::command(), &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

/// Runs the command of the command line and returns its exit code.
pub fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) if output::is_reader_gone(&error) => ExitCode::from(output::READER_GONE),
        Err(error) => {
            eprintln!("investord: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command. Only servers and workers need several threads, and build a runtime of their own.
fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(dev) => dev.run().map(|()| ExitCode::SUCCESS),
        Command::Serve(serve) => serve.run().map(|()| ExitCode::SUCCESS),
        Command::Worker(worker) => worker.run().map(|()| ExitCode::SUCCESS),
        Command::Migrate(migrate) => migrate.run().map(|()| ExitCode::SUCCESS),
        Command::Doctor(doctor) => doctor.run(),
        Command::Health(health) => single_threaded(health.run()).map(|()| ExitCode::SUCCESS),
        Command::Copy(copy) => copy.run().map(|()| ExitCode::SUCCESS),
        Command::Call(call) => single_threaded(call.run()),
        Command::Listen(listen) => single_threaded(listen.run()).map(|()| ExitCode::SUCCESS),
        Command::Receive(receive) => single_threaded(receive.run()).map(|()| ExitCode::SUCCESS),
        Command::Webhook(webhook) => single_threaded(webhook.run()).map(|()| ExitCode::SUCCESS),
        Command::Tenant(tenant) => single_threaded(tenant.run()).map(|()| ExitCode::SUCCESS),
        Command::Client(client) => single_threaded(client.run()).map(|()| ExitCode::SUCCESS),
        Command::Key(key) => single_threaded(key.run()).map(|()| ExitCode::SUCCESS),
        Command::MasterKey(key) => single_threaded(key.run()).map(|()| ExitCode::SUCCESS),
        Command::Evidence(evidence) => single_threaded(evidence.run()).map(|()| ExitCode::SUCCESS),
        Command::Login(login) => single_threaded(login.run()).map(|()| ExitCode::SUCCESS),
        Command::Logout(logout) => single_threaded(logout.run()).map(|()| ExitCode::SUCCESS),
        Command::Operator(command) => single_threaded(command.run()).map(|()| ExitCode::SUCCESS),
        Command::User(user) => single_threaded(user.run()).map(|()| ExitCode::SUCCESS),
        Command::Review(review) => single_threaded(review.run()).map(|()| ExitCode::SUCCESS),
        Command::Audit(audit) => single_threaded(audit.run()).map(|()| ExitCode::SUCCESS),
        Command::Config => Ok(print(crate::config::DEFAULT_FILE)),
        Command::Mifir(command) => Ok(command.run()),
        Command::Completions(completions) => {
            completions.run();
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(manual) => manual.run().map(|()| ExitCode::SUCCESS),
        Command::Openapi { operators: false } => Ok(print(&crate::api::openapi_document())),
        Command::Openapi { operators: true } => Ok(print(&crate::backoffice::openapi_document())),
    }
}

/// Prints a document.
fn print(text: &str) -> ExitCode {
    print!("{text}");
    ExitCode::SUCCESS
}

/// Waits for Ctrl-C.
async fn wait_for_interrupt() {
    // Without a signal handler the command cannot be interrupted, so this waits forever.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs a future on the current thread.
fn single_threaded<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
