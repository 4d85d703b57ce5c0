//! A Unix socket to listen on: its file, its permissions, and its end.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::OFlags;
use socket2::{Domain, SockAddr, Socket, Type};

/// Number of connections that the operating system keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// A bound socket. Its file is removed when the value is dropped.
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket, and the lock that says that a process listens on it.
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file, by which it is told from a file of the same name that somebody made later.
    identity: (u64, u64),
    removed: AtomicBool,
    _lock: File,
}

impl UnixSocket {
    /// Binds a socket with these permissions. A file that a dead process has left is replaced.
    ///
    /// # Errors
    ///
    /// Fails with `AddrInUse` if a process listens on the socket, with `AlreadyExists` if the path leads to something
    /// that is no socket, otherwise with the error of the system.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        // The lock decides between two processes that start at once, each of which might take the file of the other for
        // that of a dead process.
        let lock = lock_beside(path)?;
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let metadata = fs::symlink_metadata(path)?;
        let identity = (metadata.dev(), metadata.ino());
        let file =
            SocketFile { path: path.to_owned(), identity, removed: AtomicBool::new(false), _lock: lock };
        // Before anybody can connect: the mode that the system gives the file depends on the mask of the process.
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        socket.listen(BACKLOG)?;
        Ok(Self { listener: socket.into(), file })
    }

    /// Returns the socket and its file, which has to be kept for as long as the socket is listened on.
    pub fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl SocketFile {
    /// Removes the file, so that nobody can connect any more. Connections in the backlog can still be accepted.
    pub fn remove(&self) {
        // Once, because the numbers of an inode are given again.
        if self.removed.swap(true, Ordering::Relaxed) {
            return;
        }
        let found = fs::symlink_metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino()));
        if found.is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, file = %self.path.display(), "cannot remove the socket");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Locks the file beside the socket that has `.lock` behind its name. The file stays: whoever removed it could remove
/// the one that another process has just locked.
fn lock_beside(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    // The name is predictable, and a symbolic link of that name would make this process lock another file.
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a socket on which nobody listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            let what = "there is something that is no socket; remove it, or name another path";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        Ok(_) => {}
    }
    // Of a program that takes no such lock. Without blocking, because its backlog may be full.
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Err(in_use()),
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operators.sock");
        // A listener of the standard library leaves its file behind, as a killed process does.
        let other = UnixListener::bind(&path).unwrap();
        assert_eq!(UnixSocket::bind(&path, 0o600).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(other);
        let first = UnixSocket::bind(&path, 0o600).unwrap();
        assert_eq!(mode_of(&path), 0o600);
        UnixStream::connect(&path).unwrap();
        assert_eq!(UnixSocket::bind(&path, 0o600).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).expect("the live socket is still there");
        // Even while its file is away: the lock counts.
        fs::rename(&path, folder.path().join("moved")).unwrap();
        assert_eq!(UnixSocket::bind(&path, 0o600).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let second = UnixSocket::bind(&path, 0o660).unwrap();
        assert_eq!(mode_of(&path), 0o660);
        drop(second);
        assert!(!path.exists(), "the file is removed");
    }

    #[test]
    fn what_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operators.sock");
        fs::write(&path, "a file").unwrap();
        assert_eq!(UnixSocket::bind(&path, 0o600).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        assert_eq!(UnixSocket::bind(&path, 0o600).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
        // A file that somebody has put in the place of the socket is not removed with it.
        fs::remove_file(&path).unwrap();
        let socket = UnixSocket::bind(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        drop(socket);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
        assert!(UnixSocket::bind(&folder.path().join("nowhere/operators.sock"), 0o600).is_err());
        assert!(UnixSocket::bind(&folder.path().join("a".repeat(200)), 0o600).is_err());
    }
}
