//! The state on disk: `state.json` in the state directory, written whole and atomically, 0600 for its keys.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::State;
use crate::local::blobs::Blobs;

const FILE: &str = "state.json";
const LOCK: &str = "lock";
const OBJECTS: &str = "objects";
/// The certificate of the authority, for clients that are to trust what it signed.
const AUTHORITY: &str = "ca.pem";
const FORMAT: u32 = 1;

/// Why the state could not be opened or saved.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be used.
    #[error("cannot use the state directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server has it.
    #[error("the state directory {path} is in use by another local AWS")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the state in {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not hold a state; it is left as it is.
    #[error("the state in {path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file is of a version that this program does not know; it is left as it is.
    #[error("the state in {path} has format {format}, and this elbws reads format {FORMAT}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The file cannot be written.
    #[error("cannot write the state to {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A state directory that this process has locked.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    _lock: File,
}

#[derive(serde::Serialize)]
struct Saved<'a> {
    format: u32,
    state: &'a State,
}

#[derive(serde::Deserialize)]
struct Loaded {
    format: u32,
    state: serde_json::Value,
}

impl Store {
    /// Opens a directory, which is made if it is not there, and reads the state in it.
    pub(crate) fn open(directory: &Path) -> Result<(Self, State), StoreError> {
        let unusable = |source| StoreError::Directory { path: directory.to_owned(), source };
        fs::create_dir_all(directory).map_err(unusable)?;
        let lock = File::create(directory.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { path: directory.to_owned() });
            }
            Err(fs::TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let state = load(&directory.join(FILE))?;
        Ok((Self { directory: directory.to_owned(), _lock: lock }, state))
    }

    /// What S3's objects hold: files beside the state.
    pub(crate) fn blobs(&self) -> Blobs {
        Blobs::Directory(self.directory.join(OBJECTS))
    }

    /// The file of the authority's certificate in a state directory.
    pub(crate) fn authority(directory: &Path) -> PathBuf {
        directory.join(AUTHORITY)
    }

    /// Replaces what is on disk: temporary file, fsync, rename, fsync of the directory.
    pub(crate) fn save(&self, state: &State) -> Result<(), StoreError> {
        let path = self.directory.join(FILE);
        self.write(state, &path).map_err(|source| StoreError::Write { path, source })
    }

    fn write(&self, state: &State, path: &Path) -> io::Result<()> {
        // The temporary file is 0600 from its creation, and stays so under its new name.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer(io::BufWriter::new(&mut file), &Saved { format: FORMAT, state })?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        if let Some(authority) = &state.authority {
            write_if_other(&Self::authority(&self.directory), &authority.certificate)?;
        }
        File::open(&self.directory)?.sync_all()
    }
}

/// Clients may be reading the file, so it is left alone while it is right.
fn write_if_other(path: &Path, content: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|found| found == content.as_bytes()) {
        return Ok(());
    }
    fs::write(path, content)
}

fn load(path: &Path) -> Result<State, StoreError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
        Err(source) => return Err(StoreError::Read { path: path.to_owned(), source }),
    };
    let damaged = |source| StoreError::Damaged { path: path.to_owned(), source };
    let loaded: Loaded = serde_json::from_slice(&bytes).map_err(damaged)?;
    if loaded.format != FORMAT {
        return Err(StoreError::Format { path: path.to_owned(), format: loaded.format });
    }
    serde_json::from_value(loaded.state).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_saved_is_read_back_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let (store, mut state) = Store::open(directory.path()).unwrap();
        state.region_mut("eu-west-1");
        store.save(&state).unwrap();
        drop(store);
        let (_store, again) = Store::open(directory.path()).unwrap();
        assert_eq!(again, state);
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        for (content, expected) in [
            ("{\"format\":1,\"state\":{\"regions\":", "damaged"),
            ("{\"format\":2,\"state\":{}}", "format 2"),
        ] {
            fs::write(&path, content).unwrap();
            let error = Store::open(directory.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_directory_serves_one_server_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let (_store, _) = Store::open(directory.path()).unwrap();
        assert!(matches!(Store::open(directory.path()), Err(StoreError::Locked { .. })));
    }
}
