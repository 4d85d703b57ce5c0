//! The file of a SQLite database: path, folder, permissions.

use std::fs::{DirBuilder, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

/// Maximum wait for the lock of another connection, as of a command that runs beside the server.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves symbolic links in a path. If the file does not exist, resolves its folder.
///
/// # Errors
///
/// Fails if the path names no file or its folder does not exist.
pub fn real_path(path: &Path) -> anyhow::Result<PathBuf> {
    let what = || format!("cannot find {}", path.display());
    if path.exists() {
        // A process whose working directory lies outside of its root (nsenter, some container tools) has no absolute
        // path for it; the given path is valid there all the same.
        return Ok(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    anyhow::ensure!(folder.exists(), what());
    Ok(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name))
}

/// Creates a folder and its missing parents with mode 0700, so that the owner alone has access.
///
/// # Errors
///
/// Fails if the folder cannot be created.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Creates the file with mode 0600 if it does not exist. The write-ahead log next to it inherits the mode.
///
/// # Errors
///
/// Fails if the file cannot be opened for writing.
pub fn make_private(path: &Path) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ()).with_context(|| format!("cannot open {}", path.display()))
}

/// Refuses a file with hard links. SQLite names the write-ahead log after the path, so processes that use different
/// names of one file corrupt the database (<https://sqlite.org/howtocorrupt.html>, section 2.5).
///
/// # Errors
///
/// Fails if the file has more than one name or its metadata cannot be read.
pub fn check_names(path: &Path) -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let names = std::os::unix::fs::MetadataExt::nlink(&path.metadata()?);
        anyhow::ensure!(
            names <= 1,
            "{} has {names} names (hard links): the log of SQLite belongs to one of them alone; remove the others",
            path.display()
        );
    }
    Ok(())
}

/// Aborts the process after a failed fsync. The state of the disk is then unknown, and a second fsync may report
/// success without having written. No commit is acknowledged, and the next start recovers from the write-ahead log.
pub fn stop_if_unsynced(error: &rusqlite::Error) {
    let extended = error.sqlite_error().map(|error| error.extended_code);
    if matches!(extended, Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC)) {
        tracing::error!(%error, "the disk refused to sync; stopping");
        std::process::abort();
    }
}
