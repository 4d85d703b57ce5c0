//! PostgreSQL for tests: servers that cannot outlive the test process, and databases on one that is shared.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::hash::BuildHasher as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::patience::PATIENCE;
use crate::repeat;
use crate::skip;

const VARIABLE: &str = "INVESTORD_TEST_POSTGRES";
const HOW: &str = "install PostgreSQL (apt install postgresql, brew install postgresql@17), or set \
    INVESTORD_TEST_POSTGRES=postgres://USER:PASSWORD@HOST:PORT to a server on which tests may make databases";

/// Runs the commands it reads, one a line, and answers each with its status. Its input ends when the test
/// process does, however that comes about: then nothing of the server is left.
/// `$1` is the folder of the programs, `$2` where the server's folder is made.
const KEEPER: &str = r#"
trap '' HUP INT TERM PIPE
home=$(mktemp -d "$2/investord-pg-XXXXXX") || exit
echo "$home"
while read -r command; do
    eval "$command" </dev/null >>"$home/log" 2>&1
    echo $?
done
"$1/pg_ctl" stop -D "$home/data" -m immediate >/dev/null
rm -rf "$home"
"#;
const INIT: &str = r#""$1/initdb" -D "$home/data" --no-sync -A trust -U postgres -E UTF8 --no-locale"#;
const START: &str = r#""$1/pg_ctl" start -D "$home/data" -l "$home/log""#;
const STOP: &str = r#""$1/pg_ctl" stop -D "$home/data" -m immediate"#;

/// A server of our own, trusting everybody on this machine, that is gone without trace when it is dropped.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    keeper: Mutex<Keeper>,
}

struct Keeper {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Cluster {
    /// `settings` are those of postgresql.conf.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, String> {
        Self::start_in(&std::env::temp_dir(), settings)
    }

    /// Its data in a folder of its own in `parent`, where the server's user must be able to make one.
    pub fn start_in(parent: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        let cluster = Self::make(parent, settings)?;
        cluster.tell(START)?;
        Ok(cluster)
    }

    /// A server that wants TLS on TCP, as `localhost` or 127.0.0.1, and the file of the authority to trust.
    pub fn with_tls(settings: &[(&str, &str)]) -> Result<(Self, PathBuf), String> {
        let cluster = Self::make(&std::env::temp_dir(), settings)?;
        let authority = cluster.demand_tls().map_err(|error| lacking(&*error))?;
        cluster.tell(START)?;
        Ok((cluster, authority))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// As in a crash: nobody is waited for, nothing is tidied up.
    #[track_caller]
    pub fn stop_now(&self) {
        self.tell(STOP).unwrap();
    }

    /// On the same port. Returns when it takes connections again.
    #[track_caller]
    pub fn start_again(&self) {
        self.tell(START).unwrap();
    }

    #[track_caller]
    pub fn restart_now(&self) {
        self.stop_now();
        self.start_again();
    }

    /// Everything but the start.
    fn make(parent: &Path, settings: &[(&str, &str)]) -> Result<Self, String> {
        let programs = programs().ok_or_else(|| lacking("it is not installed"))?;
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "sh"]).arg(programs).arg(parent);
        // Away from a folder that the server's user may not enter, and from signals to our process group.
        command.current_dir("/").process_group(0).env("LC_ALL", "C").env("TZ", "UTC");
        // A busy machine may need more than the usual minute; a server that has ended is noticed at once.
        command.env("PGCTLTIMEOUT", "600");
        if let Some((user, group)) = user_instead_of_root() {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(lacking)?;
        let mut answers = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut folder = String::new();
        answers.read_line(&mut folder).map_err(lacking)?;
        if folder.is_empty() {
            return Err(lacking(format!("it can have no folder in {}", parent.display())));
        }
        let folder = PathBuf::from(folder.trim_end());
        let port = free_port().ok_or_else(|| lacking("it can have no port"))?;
        let cluster = Self { folder, port, keeper: Mutex::new(Keeper { process, answers }) };
        cluster.tell(INIT)?;
        let (port, folder) = (port.to_string(), cluster.folder.to_string_lossy());
        let usual = [
            ("port", port.as_str()),
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &folder),
            ("max_connections", "300"),
        ];
        cluster.set(&usual).and_then(|()| cluster.set(settings)).map_err(lacking)?;
        Ok(cluster)
    }

    /// Has the keeper run a command, to its end.
    fn tell(&self, command: &str) -> Result<(), String> {
        let mut keeper = self.keeper.lock().unwrap();
        let mut status = String::new();
        let told = writeln!(keeper.process.stdin.as_ref().expect("it is piped"), "{command}");
        told.and_then(|()| keeper.answers.read_line(&mut status)).map_err(lacking)?;
        if status == "0\n" {
            return Ok(());
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let last = log.lines().count().saturating_sub(8);
        Err(lacking(format!("{command} failed: {}", log.lines().skip(last).collect::<Vec<_>>().join(" | "))))
    }

    fn set(&self, settings: &[(&str, &str)]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(self.folder.join("data/postgresql.conf"))?;
        settings
            .iter()
            .try_for_each(|(name, value)| writeln!(file, "{name} = '{}'", value.replace('\'', "''")))
    }

    fn demand_tls(&self) -> Result<PathBuf, Box<dyn Error>> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "authority of a test");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate()?;
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?
            .signed_by(&key, &Issuer::new(authority, authority_key))?;
        let owner = self.folder.metadata()?;
        for (name, text) in
            [("ca.pem", authority_pem), ("server.pem", server.pem()), ("server.key", key.serialize_pem())]
        {
            let path = self.folder.join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
        }
        self.set(&[("ssl", "on"), ("ssl_cert_file", "../server.pem"), ("ssl_key_file", "../server.key")])?;
        fs::write(self.folder.join("data/pg_hba.conf"), "local all all trust\nhostssl all all all trust\n")?;
        Ok(self.folder.join("ca.pem"))
    }
}

impl Drop for Cluster {
    /// Waiting closes the keeper's input first, which is its sign to clear up.
    fn drop(&mut self) {
        if let Ok(keeper) = self.keeper.get_mut() {
            let _ = keeper.process.wait();
        }
    }
}

fn lacking(why: impl std::fmt::Display) -> String {
    format!("no PostgreSQL for tests: {why}; {HOW}")
}

/// The folder of the server's programs: the one in PATH, or the newest where packages put them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ];
    std::env::split_paths(&path)
        .chain(usual.iter().flat_map(|(parent, prefix)| newest_first(Path::new(parent), prefix)))
        .find(|bin| ["initdb", "pg_ctl", "postgres"].iter().all(|program| bin.join(program).is_file()))
}

fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix(prefix)?.trim_start_matches('@');
            Some((version.split('.').next()?.parse().unwrap_or(0), entry.path().join("bin")))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, bin)| bin).collect()
}

/// PostgreSQL refuses to run as root: the user and the group to be instead.
fn user_instead_of_root() -> Option<(u32, u32)> {
    let id = |words: &[&str]| -> Option<u32> {
        String::from_utf8(Command::new("id").args(words).output().ok()?.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"])? != 0 {
        return None;
    }
    ["postgres", "nobody"].iter().find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)))
}

fn chance() -> u64 {
    RandomState::new().hash_one(0)
}

/// Below those that systems give to connections, so that it is still free when a server is started again.
fn free_port() -> Option<u16> {
    std::iter::repeat_with(|| 20_000 + u16::try_from(chance() % 12_000).expect("it is small"))
        .take(100)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

/// What a test without PostgreSQL does: says once that it is skipped, or panics when PostgreSQL is required.
pub fn or_skip<T>(started: Result<T, String>) -> Option<T> {
    skip::or_skip(started, VARIABLE, "PostgreSQL tests")
}

/// A server for everything that just needs databases.
pub struct Shared {
    admin: String,
    /// What is copied for [`Shared::migrated`].
    template: OnceLock<Database>,
    /// Nobody else's, and gone with the test process.
    cluster: Option<Cluster>,
}

/// Whether this program runs on PostgreSQL what can run on either engine: of two that run the same tests, the one whose
/// name ends so does.
pub fn is_chosen() -> bool {
    repeat::program().ends_with("_postgres")
}

/// The server of `INVESTORD_TEST_POSTGRES`, or one of our own that does not care for the disk.
pub fn shared() -> Option<&'static Shared> {
    static SHARED: OnceLock<Option<Shared>> = OnceLock::new();
    let made = SHARED.get_or_init(|| match std::env::var(VARIABLE) {
        Ok(url) if !["", "required"].contains(&url.as_str()) => {
            let admin = with_database(&url, "postgres");
            if let Err(error) = try_sql(&admin, "SELECT 1") {
                panic!("the server of {VARIABLE} cannot be used: {error}");
            }
            Some(Shared { admin, template: OnceLock::new(), cluster: None })
        }
        _ => {
            let careless = [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "on")];
            let settings = [&careless[..], &[("max_wal_size", "128MB")]].concat();
            let cluster = or_skip(Cluster::start_in(&fastest_folder(), &settings))?;
            Some(Shared { admin: cluster.url("postgres"), template: OnceLock::new(), cluster: Some(cluster) })
        }
    });
    made.as_ref()
}

/// Memory where there is plenty: each database is three hundred files, and to make files soon after others were deleted
/// takes some file systems (ext4) half a second.
fn fastest_folder() -> PathBuf {
    /// Bytes: what the databases of tests that run at once need, many times over.
    const ROOM: u64 = 4 << 30;
    let memory = PathBuf::from("/dev/shm");
    let room = rustix::fs::statvfs(&memory).map_or(0, |it| it.f_bavail * it.f_frsize);
    if room >= ROOM { memory } else { std::env::temp_dir() }
}

impl Shared {
    /// A new, empty database.
    pub fn database(&self) -> Database {
        self.copy_of("template0")
    }

    /// A new database with the tables of a register, which `migrate` makes, given a URL. On a server of our own
    /// they are made once and copied, which takes a quarter of the time; somebody else's would keep the template.
    pub fn migrated(&self, migrate: impl FnOnce(&str)) -> Database {
        let made = || {
            let database = self.database();
            migrate(database.url());
            database
        };
        if self.cluster.is_none() {
            return made();
        }
        self.copy_of(&self.template.get_or_init(made).name)
    }

    fn copy_of(&self, template: &str) -> Database {
        let name = format!("investord_test_{:016x}", chance());
        sql(&self.admin, &format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'"));
        Database { url: with_database(&self.admin, &name), admin: self.admin.clone(), name }
    }
}

/// Gone when dropped, whoever still uses it.
pub struct Database {
    url: String,
    admin: String,
    name: String,
}

impl Database {
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = try_sql(&self.admin, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn with_database(url: &str, database: &str) -> String {
    let (server, options) = url.split_at(url.find('?').unwrap_or(url.len()));
    let end = server.match_indices('/').nth(2).map_or(server.len(), |(at, _)| at);
    format!("{}/{database}{options}", &server[..end])
}

/// The rows of all statements of the text.
#[track_caller]
pub fn sql(url: &str, text: &str) -> Vec<Vec<Option<String>>> {
    match try_sql(url, text) {
        Ok(rows) => rows,
        Err(error) => panic!("{text}: {error}"),
    }
}

/// The only value that the text gives.
#[track_caller]
pub fn number(url: &str, text: &str) -> i64 {
    match &sql(url, text)[..] {
        [row]
            if let [Some(value)] = &row[..]
                && let Ok(number) = value.parse() =>
        {
            number
        }
        rows => panic!("{text}: {rows:?}"),
    }
}

/// On a thread of its own: a test may be inside of a runtime already, which cannot be blocked on again.
fn try_sql(url: &str, text: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    let talk = async {
        let mut config: Config = url.parse()?;
        let (client, connection) = config.connect_timeout(PATIENCE).connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        let messages = client.simple_query(text).await?;
        drop(client);
        let _ = connection.await;
        Ok(messages)
    };
    let talking = move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(talk)
    };
    let said: Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> =
        std::thread::scope(|scope| scope.spawn(talking).join()).expect("it does not panic");
    let messages = said.map_err(|error| match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    })?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}
