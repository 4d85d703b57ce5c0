//! Writes files with secrets: readable by their owner alone, whole or not at all, never through a link.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use tempfile::{Builder, NamedTempFile};

/// Creates a file for its owner alone. An existing file stays as it is.
///
/// # Errors
///
/// Fails if the name exists, even as a link to nowhere, or the file cannot be written.
pub fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    match write_temporary(path, text)?.persist_noclobber(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            let what = if path.is_symlink() {
                "is a link, which no secret is written through"
            } else {
                "is there already"
            };
            bail!("{} {what}: remove it first", path.display())
        }
        Err(error) => Err(error.error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Replaces a file, whatever its mode. A link is replaced itself, not its target.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = write_temporary(path, text)?.persist(path).map_err(|error| error.error);
    written.with_context(|| format!("cannot write {}", path.display()))?;
    sync_folder(path)
}

/// Writes a new file with an unpredictable name in the same folder, from which it can be renamed in one step.
fn write_temporary(path: &Path, text: &str) -> anyhow::Result<NamedTempFile> {
    let write = || {
        let mut options = Builder::new();
        options.prefix(".investord-");
        #[cfg(unix)]
        options.permissions(for_owner());
        let mut file = options.tempfile_in(folder(path))?;
        // The mode at the creation is subject to the umask, which may remove the rights of the owner as well.
        #[cfg(unix)]
        file.as_file().set_permissions(for_owner())?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        Ok::<_, std::io::Error>(file)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Returns the permissions to read and write for the owner alone.
#[cfg(unix)]
fn for_owner() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

/// Syncs the folder, so that the name survives a failure of the machine. File systems that cannot sync folders are
/// accepted.
fn sync_folder(path: &Path) -> anyhow::Result<()> {
    if let Ok(folder) = std::fs::File::open(folder(path)) {
        folder.sync_all().or_else(|error| match error.kind() {
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::Unsupported => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

/// Returns the folder of a path, which is the working folder for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{Permissions, read_to_string, set_permissions, write};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_is_made_once_and_never_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [file, elsewhere, link] = ["key", "elsewhere", "link"].map(|name| folder.path().join(name));
        create(&file, "secret").unwrap();
        assert_eq!((read_to_string(&file).unwrap().as_str(), mode(&file)), ("secret", 0o600));
        assert!(create(&file, "other").unwrap_err().to_string().contains("is there already"));
        assert_eq!(read_to_string(&file).unwrap(), "secret");
        symlink(&elsewhere, &link).unwrap();
        assert!(create(&link, "secret").unwrap_err().to_string().contains("is a link"));
        assert!(!elsewhere.exists());
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "no draft is left: {left:?}");
    }

    #[test]
    fn a_replaced_file_is_for_its_owner_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let [file, elsewhere, link] = ["key", "elsewhere", "link"].map(|name| folder.path().join(name));
        write(&file, "old").unwrap();
        set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        replace(&file, "new").unwrap();
        assert_eq!((read_to_string(&file).unwrap().as_str(), mode(&file)), ("new", 0o600));
        write(&elsewhere, "of somebody else").unwrap();
        symlink(&elsewhere, &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(read_to_string(&elsewhere).unwrap(), "of somebody else");
        assert_eq!((link.is_symlink(), mode(&link)), (false, 0o600));
        let hard = folder.path().join("hard");
        std::fs::hard_link(&elsewhere, &hard).unwrap();
        replace(&hard, "new").unwrap();
        assert_eq!(read_to_string(&elsewhere).unwrap(), "of somebody else");
    }
}
