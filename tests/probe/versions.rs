//! The TLS versions that a listener accepts, against implementations that are none of ours.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use elbws::probe::{TlsVersion, accepted_versions};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::world::{Front, chat};

#[tokio::test]
async fn what_rustls_accepts_is_found() {
    let front = Front::start("chat.example.com", 40, chat().await).await;
    let found = accepted_versions(front.address, "chat.example.com").await.unwrap();
    assert_eq!(found, [TlsVersion::Tls12, TlsVersion::Tls13]);
}

#[tokio::test]
async fn a_listener_without_tls_accepts_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    assert_eq!(accepted_versions(address, "127.0.0.1").await.unwrap(), []);
}

/// `openssl s_server` with these options, and where it listens.
async fn openssl(options: &[&str]) -> Option<(Child, SocketAddr, tempfile::TempDir)> {
    if Command::new("openssl").arg("version").output().await.is_err() {
        assert!(
            std::env::var_os("ELBWS_REQUIRE_PEERS").is_none_or(|value| value != "1"),
            "openssl is not installed"
        );
        println!("skipped: openssl is not installed");
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["chat.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    let (cert, private) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert, certificate.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-cipher", "ALL:@SECLEVEL=0"])
        .args(["-cert".as_ref(), cert.as_os_str(), "-key".as_ref(), private.as_os_str()])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listening = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                return address.parse().unwrap();
            }
        }
        panic!("openssl does not say where it listens");
    };
    let address = tokio::time::timeout(Duration::from_mins(1), listening).await.expect("it listens");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some((child, address, directory))
}

#[tokio::test]
async fn what_openssl_accepts_is_found() {
    for (options, expected) in [
        (&["-tls1"][..], &[TlsVersion::Tls10][..]),
        (&["-tls1_1"], &[TlsVersion::Tls11]),
        (&["-tls1_2"], &[TlsVersion::Tls12]),
        (&["-tls1_3"], &[TlsVersion::Tls13]),
        (&["-no_tls1_3"], &[TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12]),
    ] {
        let Some((_child, address, _directory)) = openssl(options).await else { return };
        assert_eq!(accepted_versions(address, "chat.example.com").await.unwrap(), expected, "{options:?}");
    }
}
