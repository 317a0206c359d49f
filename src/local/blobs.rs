//! What objects hold, by its SHA-256: in files of the state directory, or in ones without a name. An object is never
//! in memory as a whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// The contents of objects.
#[derive(Debug)]
pub(crate) enum Blobs {
    /// In files that are gone with the server.
    Unnamed(BTreeMap<String, Arc<File>>),
    /// In this directory.
    Directory(PathBuf),
}

/// A content on its way in; its file is gone with it unless it is kept.
#[derive(Debug)]
pub(crate) struct Draft {
    file: NamedTempFile,
    hash: Sha256,
    size: usize,
}

impl Draft {
    /// Adds to the content.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len();
        self.file.write_all(bytes)
    }

    /// How many bytes it has so far.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The SHA-256 of what it has so far.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }
}

impl Blobs {
    /// Begins a content.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        let file = match self {
            Self::Unnamed(_) => NamedTempFile::new()?,
            Self::Directory(directory) => {
                fs::create_dir_all(directory)?;
                NamedTempFile::new_in(directory)?
            }
        };
        Ok(Draft { file, hash: Sha256::new(), size: 0 })
    }

    /// Keeps a content, whose SHA-256 the caller has asked for; one that is there stays as it is.
    pub(crate) fn keep(&mut self, sha256: &str, draft: Draft) -> io::Result<()> {
        match self {
            Self::Unnamed(contents) => {
                contents.entry(sha256.to_owned()).or_insert_with(|| Arc::new(draft.file.into_file()));
            }
            Self::Directory(directory) => {
                let path = directory.join(sha256);
                if path.exists() {
                    return Ok(());
                }
                draft.file.as_file().sync_all()?;
                draft.file.persist(path).map_err(|error| error.error)?;
            }
        }
        Ok(())
    }

    /// The file of a content that was kept; where it is read from is the reader's.
    pub(crate) fn get(&self, sha256: &str) -> io::Result<Arc<File>> {
        match self {
            Self::Unnamed(contents) => {
                contents.get(sha256).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Directory(directory) => File::open(directory.join(sha256)).map(Arc::new),
        }
    }

    /// Forgets a content that no object holds any more; who reads it still has it.
    pub(crate) fn forget(&mut self, sha256: &str) {
        match self {
            Self::Unnamed(contents) => {
                contents.remove(sha256);
            }
            // A file that stays takes room, no more.
            Self::Directory(directory) => drop(fs::remove_file(directory.join(sha256))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn contents_are_kept_until_they_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let in_directory = Blobs::Directory(directory.path().join("objects"));
        for mut blobs in [Blobs::Unnamed(BTreeMap::new()), in_directory] {
            for _ in 0..2 {
                let mut draft = blobs.draft().unwrap();
                draft.write(b"o").unwrap();
                draft.write(b"ne").unwrap();
                assert_eq!((draft.size(), draft.sha256()), (3, Sha256::digest(b"one").into()));
                blobs.keep("a1", draft).unwrap();
            }
            drop(blobs.draft().unwrap());
            let kept = blobs.get("a1").unwrap();
            blobs.forget("a1");
            assert_eq!(blobs.get("a1").unwrap_err().kind(), io::ErrorKind::NotFound);
            let mut content = [0; 8];
            assert_eq!(kept.read_at(&mut content, 0).unwrap(), 3);
            assert_eq!(&content[..3], b"one");
        }
        assert_eq!(fs::read_dir(directory.path().join("objects")).unwrap().count(), 0, "no draft is left");
    }
}
