//! The script that installs elbws-proxy on an instance, run for real: `src/provision/install/install.sh`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use elbws::local::agent::{Ran, Script, Terms};
use sha2::{Digest as _, Sha256};

use super::{DEADLINE, OFFSET, Rig, script};

const SCRIPT: &str = include_str!("../../../src/provision/install/install.sh");
const UNIT: &str = include_str!("../../../packaging/elbws-proxy.service");
/// It passes its check, and then does not serve.
const BROKEN: &str =
    "#!/bin/sh\ncase \"$*\" in *--check*) exit 0 ;; esac\necho 'this is broken' >&2\nexit 1\n";

/// Files by their hash, over HTTP; counts who fetched them.
struct Bucket {
    address: SocketAddr,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    fetched: Arc<Mutex<usize>>,
}

impl Bucket {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (files, fetched) =
            (Arc::<Mutex<BTreeMap<String, Vec<u8>>>>::default(), Arc::<Mutex<usize>>::default());
        let (held, counted) = (Arc::clone(&files), Arc::clone(&fetched));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                reader.read_line(&mut first).unwrap();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    line.clear();
                }
                let name = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
                let body = held.lock().unwrap().get(&name).cloned().unwrap_or_default();
                let status = if body.is_empty() { "404 Not Found" } else { "200 OK" };
                *counted.lock().unwrap() += 1;
                // Who left does not mind.
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&body);
            }
        });
        Self { address, files, fetched }
    }

    /// Puts a program there; returns its hash.
    fn put(&self, bytes: Vec<u8>) -> String {
        let mut hash = String::new();
        for byte in Sha256::digest(&bytes) {
            write!(hash, "{byte:02x}").unwrap();
        }
        self.files.lock().unwrap().insert(hash.clone(), bytes);
        hash
    }

    fn fetched(&self) -> usize {
        *self.fetched.lock().unwrap()
    }
}

/// An instance whose application is this test's, and the proxy's programs.
struct Stage {
    rig: Rig,
    bucket: Bucket,
    /// The application: it accepts upgrades and sends back what comes.
    application: SocketAddr,
}

impl Stage {
    fn set() -> Option<Self> {
        let bucket = Bucket::open();
        let terms = Terms { port_offset: OFFSET, endpoint: Some(bucket.address), ..Terms::default() };
        let rig = Rig::with(terms)?;
        let listener = TcpListener::bind((rig.host.address, OFFSET + 9000)).unwrap();
        let application = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Some(Self { rig, bucket, application })
    }

    fn proxy() -> Vec<u8> {
        fs::read(env!("CARGO_BIN_EXE_elbws-proxy")).unwrap()
    }

    /// The configuration, with more lines.
    fn config(&self, more: &str) -> String {
        let upstream = self.application.port() - OFFSET;
        format!(
            "listen: [80]\nhealth: 8081\naccept: v1\ntrusted: [\"172.31.0.0/16\"]\ndrain: 2s\n{more}\
             routes:\n  - {{ path: \"/\", upstream: \"127.0.0.1:{upstream}\" }}\n"
        )
    }

    fn install(&self, hash: &str, config: &str) -> Ran {
        self.install_in(60, hash, config)
    }

    /// The same, for what is known not to come up: it is not waited for that long.
    fn install_impatiently(&self, hash: &str, config: &str) -> Ran {
        self.install_in(20, hash, config)
    }

    fn install_in(&self, seconds: u32, hash: &str, config: &str) -> Ran {
        assert_eq!(SCRIPT.matches("-lt 60 ]").count(), 1);
        let text = SCRIPT
            .replace("-lt 60 ]", &format!("-lt {seconds} ]"))
            .replace("@SHA256@", hash)
            .replace("@SOURCE@", &format!("http://{}/{hash}", self.bucket.address))
            .replace("@HEALTH@", "http://127.0.0.1:8081/healthz")
            .replace("@UNIT@", UNIT)
            .replace("@CONFIG@", config);
        // Programs of tens of megabytes are fetched, copied and hashed.
        self.rig.run_script(&Script { time_limit: Duration::from_mins(5), ..script(&text) })
    }

    fn main_process(&self) -> String {
        self.rig.out("systemctl show --property=MainPID --value elbws-proxy")
    }

    /// The hash of what runs.
    fn running(&self) -> String {
        let out =
            self.rig.out("sha256sum </proc/$(systemctl show --property=MainPID --value elbws-proxy)/exe");
        out.split(' ').next().unwrap().to_owned()
    }

    fn connect(&self) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        // A load balancer's.
        socket.bind(&SocketAddr::from(([127, 65, 1, 2], 0)).into()).unwrap();
        socket.connect(&SocketAddr::from((self.rig.host.address, OFFSET + 80)).into()).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(b"PROXY TCP4 198.51.100.22 203.0.113.7 35646 443\r\n").unwrap();
        stream
    }

    fn tunnel(&self) -> Tunnel {
        let mut stream = self.connect();
        stream
            .write_all(
                b"GET /ws/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        Tunnel(stream)
    }

    /// What the application answers to a request, through the proxy.
    fn get(&self) -> String {
        let mut stream = self.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

/// A WebSocket that is open.
struct Tunnel(TcpStream);

impl Tunnel {
    fn check(&mut self) {
        // A masked text frame; the application sends it back as it is.
        let frame = b"\x81\x85\0\0\0\0hello";
        self.0.write_all(frame).unwrap();
        let mut back = [0; 11];
        self.0.read_exact(&mut back).unwrap();
        assert_eq!(&back, frame);
    }
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn serve(mut stream: TcpStream) {
    let head = head(&mut stream);
    if !head.contains("pgrade: websocket") {
        let client = head.lines().find(|line| line.to_ascii_lowercase().starts_with("x-forwarded-for:"));
        let body = client.unwrap_or("nobody").to_ascii_lowercase();
        // Who left does not mind.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.shutdown(Shutdown::Write);
        return;
    }
    let _ = stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
}

fn assert_installed(ran: &Ran, how: &str) {
    assert_eq!(
        (ran.exit_code, ran.stdout.as_str()),
        (0, format!("elbws: {how}\n").as_str()),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.ends_with("/proxy.yaml is valid\n") && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
}

#[test]
fn the_proxy_is_installed_reloaded_handed_over_and_left_alone() {
    let Some(stage) = Stage::set() else { return };
    let first = stage.bucket.put(Stage::proxy());
    let config = stage.config("");
    assert_installed(&stage.install(&first, &config), "installed and serving (start)");
    assert!(stage.get().ends_with("x-forwarded-for: 198.51.100.22"), "{}", stage.get());
    assert_eq!((stage.running(), stage.bucket.fetched()), (first.clone(), 1));
    let mut tunnel = stage.tunnel();
    let process = stage.main_process();

    // Once more changes nothing, and fetches nothing.
    assert_installed(&stage.install(&first, &config), "already installed and serving");
    assert_eq!((stage.main_process(), stage.bucket.fetched()), (process.clone(), 1));

    // A configuration is read by the process that runs.
    assert_installed(
        &stage.install(&first, &stage.config("reason_header: true\n")),
        "installed and serving (reload)",
    );
    assert_eq!((stage.main_process(), stage.bucket.fetched()), (process.clone(), 1));
    tunnel.check();

    // Another program takes over, with the tunnel.
    let mut newer = Stage::proxy();
    newer.push(b'\n');
    let second = stage.bucket.put(newer);
    assert_installed(
        &stage.install(&second, &stage.config("reason_header: true\n")),
        "installed and serving (reload)",
    );
    assert_ne!(stage.main_process(), process);
    assert_eq!((stage.running(), stage.bucket.fetched()), (second.clone(), 2));
    tunnel.check();
    assert!(stage.get().starts_with("HTTP/1.1 200 "));
    // And is the one that its service stops and starts.
    assert_installed(
        &stage.install(&second, &stage.config("reason_header: true\n")),
        "already installed and serving",
    );

    // What a running proxy cannot change restarts it.
    let moved = stage.config("metrics: 9145\n");
    assert_installed(&stage.install(&second, &moved), "installed and serving (restart)");
    assert!(stage.get().starts_with("HTTP/1.1 200 "));
}

#[test]
fn what_does_not_serve_is_rolled_back_with_the_service_up() {
    let Some(stage) = Stage::set() else { return };
    let good = stage.bucket.put(Stage::proxy());
    let config = stage.config("");
    let broken = stage.bucket.put(BROKEN.into());

    // Where nothing ran before, nothing is left.
    let ran = stage.install_impatiently(&broken, &config);
    assert_eq!((ran.exit_code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("]: this is broken\n"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("elbws: nothing ran before, so it was taken away again\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        stage
            .rig
            .out("ls -A /usr/local/bin /etc/elbws; ls /etc/systemd/system/*.service 2>/dev/null || true"),
        "/etc/elbws:\n\n/usr/local/bin:\n"
    );

    assert_installed(&stage.install(&good, &config), "installed and serving (start)");
    let mut tunnel = stage.tunnel();
    let before = stage.rig.out("cat /etc/elbws/proxy.yaml /etc/systemd/system/elbws-proxy.service");

    // A program that does not take over.
    let ran = stage.install_impatiently(&broken, &stage.config("reason_header: true\n"));
    assert_eq!((ran.exit_code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("the new process did not take over"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("elbws: went back to the previous version, which serves\n"),
        "{}",
        ran.stderr
    );
    tunnel.check();
    assert!(stage.get().starts_with("HTTP/1.1 200 "));
    assert_eq!(stage.running(), good);

    // A configuration that cannot be served: the port is another one's.
    stage.rig.out("perl -MIO::Socket::INET -e '$l = IO::Socket::INET->new(Listen => 1, LocalPort => 9145) or die; open F, q(>), q(/run/up); sleep 6000' & \
        while [ ! -e /run/up ]; do sleep 0.05; done");
    let ran = stage.install_impatiently(&good, &stage.config("metrics: 9145\n"));
    assert_eq!((ran.exit_code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.ends_with("elbws: went back to the previous version, which serves\n"),
        "{}",
        ran.stderr
    );
    assert!(stage.get().starts_with("HTTP/1.1 200 "));
    let mut tunnel = stage.tunnel();

    // What is refused before anything is touched: a configuration, a program that is another one, one that is none.
    let other = stage.bucket.put(b"something else".to_vec());
    let moved = stage.bucket.files.lock().unwrap()[&good].clone();
    stage.bucket.files.lock().unwrap().insert("0".repeat(64), moved);
    for (hash, config, words) in [
        (&good, stage.config("listne: 90\n"), "refuses its configuration"),
        (&other, config.clone(), "refuses its configuration, or is not made for"),
        (&"0".repeat(64), config.clone(), "elbws-proxy has the SHA-256"),
        (&"1".repeat(64), config.clone(), "elbws-proxy cannot be fetched"),
    ] {
        let ran = stage.install_impatiently(hash, &config);
        assert_eq!((ran.exit_code, ran.stdout.as_str()), (1, ""));
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    tunnel.check();
    assert_eq!(stage.rig.out("cat /etc/elbws/proxy.yaml /etc/systemd/system/elbws-proxy.service"), before);
    assert_installed(&stage.install(&good, &config), "already installed and serving");
}
