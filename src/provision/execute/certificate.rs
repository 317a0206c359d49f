//! Importing and deleting certificates.

use std::path::Path;

use super::failure::ExecuteError;
use super::operation::{Run, absent_is_done};
use crate::provision::aws::acm::Material;
use crate::provision::aws::retry::{RELEASED_CERTIFICATE, RELEASED_SERVER_CERTIFICATE};
use crate::provision::aws::{acm, iam, pem};
use crate::provision::plan::IamName;
use crate::provision::resource::{CertificateFiles, Tags};

/// How often an import is sent at most. The SDK does not repeat it, since a repeated import whose first answer
/// was lost makes a second certificate.
const ATTEMPTS: u32 = 10;

impl Run<'_> {
    /// Imports the files and returns the certificate's ARN.
    pub(super) async fn import_certificate(
        &self,
        files: &CertificateFiles,
        over: Option<&str>,
        iam: Option<&IamName>,
        tags: &Tags,
    ) -> Result<String, ExecuteError> {
        let material = read(files).await?;
        match iam {
            Some(place) => self.upload(place, &material, &files.fingerprint, tags).await,
            None => self.import(&material, over, &files.fingerprint, tags).await,
        }
    }

    async fn import(
        &self,
        material: &Material,
        over: Option<&str>,
        fingerprint: &str,
        tags: &Tags,
    ) -> Result<String, ExecuteError> {
        let mut pause = self.patience.first_pause();
        let mut attempt = 1;
        loop {
            if over.is_none()
                && let Some(arn) = self.imported(fingerprint, tags).await?
            {
                return Ok(arn);
            }
            let error = match acm::import(self.clients, material, over, tags).await {
                Ok(arn) => return Ok(arn),
                Err(error) => error,
            };
            if !error.is_retryable() || attempt == ATTEMPTS {
                return Err(error.into());
            }
            if !self.patience.wait(&mut pause, &error.to_string()).await {
                return Err(error.into());
            }
            attempt += 1;
        }
    }

    /// Finds the certificate that an earlier try has imported: the same content, under the same ownership.
    async fn imported(&self, fingerprint: &str, tags: &Tags) -> Result<Option<String>, ExecuteError> {
        for summary in acm::list(self.clients).await? {
            let arn = &summary.certificate.arn;
            if summary.imported
                && acm::tags(self.clients, arn).await?.owner() == tags.owner()
                && acm::fingerprint(self.clients, arn).await?.as_deref() == Some(fingerprint)
            {
                return Ok(Some(arn.clone()));
            }
        }
        Ok(None)
    }

    async fn upload(
        &self,
        place: &IamName,
        material: &Material,
        fingerprint: &str,
        tags: &Tags,
    ) -> Result<String, ExecuteError> {
        let IamName { name, path } = place;
        let error = match iam::upload(self.clients, name, path, material, tags).await {
            Ok(arn) => return Ok(arn),
            Err(error) => error,
        };
        if !error.is(iam::EXISTS) {
            return Err(error.into());
        }
        match iam::certificate(self.clients, name).await? {
            Some(found) if found.fingerprint.as_deref() == Some(fingerprint) => Ok(found.arn),
            Some(_) => Err(ExecuteError::OtherServerCertificate { name: name.clone() }),
            None => Err(error.into()),
        }
    }

    pub(super) async fn delete_certificate(&self, arn: &str) -> Result<(), ExecuteError> {
        let result = if arn.contains(":server-certificate/") {
            let name = iam::name_in(arn);
            let delete = || iam::delete(self.clients, name);
            self.patience.retry(&[RELEASED_SERVER_CERTIFICATE], delete).await
        } else {
            let delete = || acm::delete(self.clients, arn);
            self.patience.retry(&[RELEASED_CERTIFICATE], delete).await
        };
        Ok(absent_is_done(result, &[acm::NOT_FOUND, iam::NOT_FOUND])?)
    }
}

/// Reads the files, and refuses them when the certificate is no longer the one that was planned.
///
/// AWS wants the leaf alone; what follows it in its file belongs to the chain.
async fn read(files: &CertificateFiles) -> Result<Material, ExecuteError> {
    let text = read_file(&files.certificate).await?;
    let mut certificates = pem::blocks(&text, "CERTIFICATE").into_iter();
    let path = || files.certificate.clone();
    let leaf = certificates.next().ok_or_else(|| ExecuteError::NoCertificate { path: path() })?;
    if pem::fingerprint(leaf.as_bytes()).as_ref() != Some(&files.fingerprint) {
        return Err(ExecuteError::FileChanged { path: path() });
    }
    let mut chain: Vec<_> = certificates.map(str::to_owned).collect();
    if let Some(path) = &files.chain {
        let text = read_file(path).await?;
        chain.extend(pem::blocks(&text, "CERTIFICATE").into_iter().map(str::to_owned));
    }
    let private_key = read_file(&files.private_key).await?;
    let private_key = pem::blocks(&private_key, "PRIVATE KEY")
        .first()
        .map(|key| (*key).to_owned())
        .ok_or_else(|| ExecuteError::NoPrivateKey { path: files.private_key.clone() })?;
    Ok(Material {
        certificate: leaf.to_owned(),
        private_key,
        chain: (!chain.is_empty()).then(|| chain.join("\n")),
    })
}

async fn read_file(path: &Path) -> Result<String, ExecuteError> {
    tokio::fs::read_to_string(path)
        .await
        .map_err(|source| ExecuteError::ReadFile { path: path.to_owned(), source })
}
