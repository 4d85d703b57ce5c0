//! The lock file that keeps a second server off a register on SQLite.
//!
//! A process keeps two locks until it ends. The first is on a file beside the database, in the folder to which symbolic
//! links lead, and it remains when another database file is put there. The second, on Linux only, is on the database
//! file itself, so that another link or mount of the file makes no difference. It is a lock of flock(2), which Linux
//! keeps apart from the locks of fcntl(2) that SQLite takes; other systems do not.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
#[cfg(unix)]
use rustix::fs::OFlags;

use crate::store::Database;
use crate::store::engine::sqlite_file;

/// Ensures that no other process serves the register; on SQLite this remains so until the process ends.
///
/// # Errors
///
/// Fails if another process serves the register, or the lock file cannot be written.
pub fn ensure_not_served(database: &Database) -> anyhow::Result<()> {
    match database {
        Database::Sqlite(path) => {
            make_folder(path)?;
            take_locks(path)
        }
        Database::Postgres(server) => {
            // PostgreSQL may still be closing the connections of a killed process, so the check is repeated for five
            // seconds.
            let mut others = server.others()?;
            for _ in 0..20 {
                if others == 0 {
                    return Ok(());
                }
                std::thread::sleep(Duration::from_millis(250));
                others = server.others()?;
            }
            bail!("{others} connections of other processes use {server}: stop them first")
        }
    }
}

/// Locks a database file for this process, and creates the file if it does not exist.
///
/// # Errors
///
/// Fails if another process serves the file, or a file cannot be created.
pub fn lock_for_serving(database: &Path) -> anyhow::Result<()> {
    make_folder(database)?;
    sqlite_file::make_private(database)?;
    take_locks(database)
}

/// Returns whether a process serves the register, as far as the lock file or the list of connections shows it. Creates
/// no file.
pub fn is_served(database: &Database) -> bool {
    match database {
        Database::Sqlite(path) => {
            let beside = sqlite_file::real_path(path).ok().map(|real| lock_path(&real));
            let file = beside.and_then(|path| File::open(path).ok());
            file.is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
        }
        Database::Postgres(server) => server.others().is_ok_and(|others| others > 0),
    }
}

/// Creates the folder of the database.
fn make_folder(database: &Path) -> anyhow::Result<()> {
    database.parent().map_or(Ok(()), sqlite_file::make_folder)
}

/// Takes both locks of a database.
fn take_locks(database: &Path) -> anyhow::Result<()> {
    let real = sqlite_file::real_path(database)?;
    let path = lock_path(&real);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The name is predictable, and a symbolic link of that name would make this process create or lock another
        // file.
        options.mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    }
    let file = options.open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    lock_until_exit(file, &real)?;
    if cfg!(target_os = "linux") && real.exists() {
        lock_until_exit(
            File::open(&real).with_context(|| format!("cannot open {}", real.display()))?,
            &real,
        )?;
    }
    Ok(())
}

/// Returns the path of the lock file beside the database.
fn lock_path(real: &Path) -> PathBuf {
    let mut name = real.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Locks a file until the process ends. The file is never closed, because a process that closes one of its descriptors
/// of a database loses the locks of SQLite on it (<https://sqlite.org/howtocorrupt.html>, section 2.2).
fn lock_until_exit(file: File, database: &Path) -> anyhow::Result<()> {
    match file.try_lock() {
        Ok(()) => {
            std::mem::forget(file);
            Ok(())
        }
        Err(TryLockError::WouldBlock) => bail!(
            "a server is running on {}; SQLite is for one process, several need PostgreSQL",
            database.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", database.display()))
        }
    }
}
