//! The PostgreSQL server of a run, and the databases that are made on it.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use tempfile::TempDir;
use testing::postgres::Cluster;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use url::Url;

use crate::cpu;

pub struct Server {
    admin: Url,
    /// The process that all others of the server descend from, if it runs on this machine.
    pub process: Option<u32>,
    /// Version, settings that decide what durable means, and where the data lies.
    pub about: String,
    made: RefCell<Vec<String>>,
    // In this order: the cluster goes before its folder.
    _cluster: Option<Cluster>,
    _folder: TempDir,
}

impl Server {
    /// A server that already runs, on which databases may be made; or one of our own with default settings, its
    /// data in `folder` if PostgreSQL's user may go there.
    pub async fn open(url: Option<&str>, folder: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("main_path-postgres-").tempdir_in(folder)?;
        let (cluster, place, admin) = if let Some(url) = url {
            (None, "where its owner put it".to_owned(), with_database(&Url::parse(url)?, "postgres"))
        } else {
            // PostgreSQL refuses to be root, so it may be another user than this one.
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777))?;
            let (cluster, place) = own(folder.path())?;
            let admin = Url::parse(&cluster.url("postgres"))?;
            (Some(cluster), place, admin)
        };
        let client = connect(&admin).await?;
        let mut shown = Vec::new();
        for setting in ["server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers"]
        {
            let value = one(&client, &format!("SHOW {setting}")).await?;
            shown.push(format!("{setting} {value}"));
        }
        let backend = one(&client, "SELECT pg_backend_pid()").await?.parse()?;
        let local = matches!(admin.host_str(), Some("127.0.0.1" | "localhost" | "::1"));
        let process = cpu::postmaster(backend).filter(|_| local);
        let about = format!("{}, data {place}", shown.join(", ").replace("server_version ", ""));
        Ok(Self { admin, process, about, made: RefCell::default(), _cluster: cluster, _folder: folder })
    }

    /// A new database: empty, or a copy of one that nobody uses; its URL.
    pub async fn database(&self, name: &str, copy_of: Option<&str>) -> anyhow::Result<String> {
        let number = self.made.borrow().len();
        let name = format!("investord_bench_{}_{number}_{name}", std::process::id());
        let copied =
            copy_of.map(|url| Url::parse(url).map(|url| url.path().trim_start_matches('/').to_owned()));
        let template = copied.transpose()?.unwrap_or_else(|| "template0 ENCODING 'UTF8'".to_owned());
        self.do_as_admin(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        self.made.borrow_mut().push(name.clone());
        Ok(with_database(&self.admin, &name).to_string())
    }

    /// Deletes what has been made on a server that stays.
    pub async fn clear(&self) -> anyhow::Result<()> {
        for name in self.made.take() {
            self.do_as_admin(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        Ok(())
    }

    async fn do_as_admin(&self, text: &str) -> anyhow::Result<()> {
        connect(&self.admin).await?.batch_execute(text).await.context(text.to_owned())
    }
}

/// The cluster and where its data lies.
fn own(folder: &Path) -> anyhow::Result<(Cluster, String)> {
    match Cluster::start_in(folder, &[]) {
        Ok(cluster) => Ok((cluster, "on the measured disk".to_owned())),
        Err(first) => {
            let temporary = std::env::temp_dir();
            let cluster = Cluster::start_in(&temporary, &[]).map_err(|_| anyhow!("{first}"))?;
            Ok((cluster, format!("in {}, because its user may not enter the folder", temporary.display())))
        }
    }
}

fn with_database(server: &Url, name: &str) -> Url {
    let mut url = server.clone();
    url.set_path(name);
    url
}

pub async fn connect(url: &Url) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url.as_str(), NoTls).await.context("PostgreSQL")?;
    // It ends with the client.
    tokio::spawn(connection);
    Ok(client)
}

/// The only value that a statement gives.
pub async fn one(client: &Client, text: &str) -> anyhow::Result<String> {
    for message in client.simple_query(text).await.context(text.to_owned())? {
        if let SimpleQueryMessage::Row(row) = message {
            return Ok(row.get(0).unwrap_or_default().to_owned());
        }
    }
    bail!("{text}: no row")
}

/// Does what would otherwise be done at some moment of the measurements.
pub async fn settle(url: &str) -> anyhow::Result<()> {
    let client = connect(&Url::parse(url)?).await?;
    client.batch_execute("VACUUM ANALYZE").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}
