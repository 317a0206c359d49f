//! What objects hold, by its SHA-256: in memory, or in files of the state directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use bytes::Bytes;

/// The contents of objects.
#[derive(Debug)]
pub(crate) enum Blobs {
    /// As long as the server runs.
    Memory(BTreeMap<String, Bytes>),
    /// In this directory.
    Directory(PathBuf),
}

impl Blobs {
    /// Keeps a content; one that is there is not written again.
    pub(crate) fn put(&mut self, sha256: &str, content: &Bytes) -> io::Result<()> {
        match self {
            Self::Memory(contents) => {
                contents.entry(sha256.to_owned()).or_insert_with(|| content.clone());
            }
            Self::Directory(directory) => {
                let path = directory.join(sha256);
                if path.exists() {
                    return Ok(());
                }
                fs::create_dir_all(&directory)?;
                let mut file = tempfile::NamedTempFile::new_in(&directory)?;
                file.write_all(content)?;
                file.as_file().sync_all()?;
                file.persist(path).map_err(|error| error.error)?;
            }
        }
        Ok(())
    }

    /// A content that was kept.
    pub(crate) fn get(&self, sha256: &str) -> io::Result<Bytes> {
        match self {
            Self::Memory(contents) => {
                contents.get(sha256).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Directory(directory) => fs::read(directory.join(sha256)).map(Bytes::from),
        }
    }

    /// Forgets a content that no object holds any more.
    pub(crate) fn forget(&mut self, sha256: &str) {
        match self {
            Self::Memory(contents) => {
                contents.remove(sha256);
            }
            // A file that stays takes room, no more.
            Self::Directory(directory) => drop(fs::remove_file(directory.join(sha256))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_kept_until_they_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let in_directory = Blobs::Directory(directory.path().join("objects"));
        for mut blobs in [Blobs::Memory(BTreeMap::new()), in_directory] {
            blobs.put("a1", &Bytes::from_static(b"one")).unwrap();
            blobs.put("a1", &Bytes::from_static(b"one")).unwrap();
            assert_eq!(blobs.get("a1").unwrap(), "one");
            blobs.forget("a1");
            assert_eq!(blobs.get("a1").unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
