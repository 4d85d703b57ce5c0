//! The file of a SQLite database: path, folder, permissions.

use std::fs::{DirBuilder, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Finds the place to which links lead. A file that does not exist is placed in its folder.
pub fn real_path(path: &Path) -> anyhow::Result<PathBuf> {
    let what = || format!("cannot find {}", path.display());
    if path.exists() {
        // A process whose working directory lies outside of its root (nsenter, some tools for containers) has no absolute
        // path for it; the path as it was given leads there all the same.
        return Ok(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    anyhow::ensure!(folder.exists(), what());
    Ok(folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(name))
}

/// Makes a folder for its owner alone, and those above it, where there are none.
pub fn make_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

/// Makes the file for its owner alone, if it does not exist. The log beside it takes over its mode.
pub fn make_private(path: &Path) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ()).with_context(|| format!("cannot open {}", path.display()))
}

/// Refuses a file of several names. SQLite keeps a log beside each name, so that processes which use different ones
/// destroy the database (<https://sqlite.org/howtocorrupt.html>, section 2.5).
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
