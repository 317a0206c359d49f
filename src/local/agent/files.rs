//! The instances' files on this machine: a directory for each, which only the user can enter.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The directory of all instances.
pub(super) struct Files {
    directory: PathBuf,
    /// Taken away at the end.
    _temporary: Option<TempDir>,
}

impl Files {
    /// In that directory, or in one that is taken away at the end.
    pub(super) fn new(directory: Option<&Path>) -> Result<Self, String> {
        if let Some(directory) = directory {
            make(directory)?;
            // Bound to another root, a relative path would mean nothing.
            let directory = directory.canonicalize().map_err(|error| told(directory, &error))?;
            return Ok(Self { directory, _temporary: None });
        }
        let temporary = tempfile::Builder::new()
            .prefix("elbws-instances.")
            .tempdir()
            .map_err(|error| format!("no temporary directory can be made: {error}"))?;
        Ok(Self { directory: temporary.path().to_owned(), _temporary: Some(temporary) })
    }

    /// The directory of one instance.
    pub(super) fn open(&self, id: &str) -> Result<PathBuf, String> {
        let directory = self.directory.join(id);
        make(&directory)?;
        Ok(directory)
    }

    /// Who has any.
    pub(super) fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Takes the files of one instance away.
    pub(super) fn remove(&self, id: &str) {
        // What cannot be removed is found again, and tried again, by the next server with this directory.
        let _ = fs::remove_dir_all(self.directory.join(id));
    }
}

fn make(directory: &Path) -> Result<(), String> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(directory);
    made.map_err(|error| told(directory, &error))
}

fn told(directory: &Path, error: &std::io::Error) -> String {
    format!("{} cannot be used: {error}", directory.display())
}
