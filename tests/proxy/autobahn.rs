//! Autobahn's fuzzing client against an echo server, directly and through the proxy: the same verdicts.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::peers;
use crate::rig::proxy;

/// Echoes each message whole; says its port first. The library's own limit on fragments would fail case 9.3.
const ECHO: &str = "import asyncio, logging, os\n\
    os.environ['WEBSOCKETS_MAX_FRAGMENTS'] = '100000'\n\
    from websockets.asyncio.server import serve\n\
    logging.disable()\n\
    async def echo(socket):\n\
    \x20   async for message in socket: await socket.send(message)\n\
    async def main():\n\
    \x20   async with serve(echo, '127.0.0.1', 0, max_size=None, ping_interval=None) as s:\n\
    \x20       print(s.sockets[0].getsockname()[1], flush=True)\n\
    \x20       await s.serve_forever()\n\
    asyncio.run(main())\n";

/// Where Autobahn takes both `OK` and `NON-STRICT`: a good frame is followed by a bad one, and it depends on how
/// they are read, together or apart, whether the good one's echo is still sent, or (6.4) when the bad one is noticed.
const BY_TIMING: [&str; 5] = ["3.", "4.1.", "4.2.", "5.15", "6.4."];

/// Everything that needs no compression, and of that (12 and 13, the rest of which takes many minutes) sizes from 16 B
/// to 8 KiB with each set of parameters.
const CASES: &str = "1.*,2.*,3.*,4.*,5.*,6.*,7.*,9.*,10.*,12.1.1,12.2.4,12.3.6,12.4.3,12.5.5,13.1.3,13.2.4,13.3.5,13.4.2,\
    13.5.6,13.6.1,13.7.4";
/// Far more than the cases take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(25);

/// A verdict on the messages and one on how the connection was closed.
type Verdicts = BTreeMap<String, (String, String)>;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder that `pip install --target` filled: demanded where its place is told, otherwise looked for.
fn autobahn() -> Option<PathBuf> {
    let told = std::env::var_os("ELBWS_AUTOBAHN").map(PathBuf::from);
    let required =
        told.is_some() && std::env::var_os("ELBWS_REQUIRE_PEERS").is_some_and(|value| value == "1");
    let folder = told.unwrap_or_else(|| manifest().join("target/peers/autobahn"));
    let found = folder.join("bin/wstest").is_file();
    assert!(found || !required, "autobahntestsuite is not in {}", folder.display());
    if !found {
        peers::skip("autobahntestsuite is not installed");
    }
    found.then_some(folder)
}

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A Python with `websockets`.
fn python() -> Option<PathBuf> {
    let venv = std::env::var_os("ELBWS_TEST_VENV").map(PathBuf::from);
    let venv = venv.unwrap_or_else(|| manifest().join("target/peers/venv")).join("bin/python");
    let path = if venv.is_file() { venv } else { peers::find("python3")? };
    let mut has_it = Command::new(&path);
    has_it.args(["-c", "import websockets.asyncio.server"]).stderr(Stdio::null());
    if has_it.status().is_ok_and(|status| status.success()) {
        return Some(path);
    }
    let required = std::env::var_os("ELBWS_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{} has no websockets", path.display());
    peers::skip("Python's websockets is not installed");
    None
}

/// Starts the fuzzing client; its report will be in the folder.
fn begin(autobahn: &Path, folder: &Path, at: SocketAddr) -> Ended {
    std::fs::create_dir(folder).unwrap();
    let cases = std::env::var("ELBWS_AUTOBAHN_CASES");
    let cases = cases.as_deref().unwrap_or(CASES);
    let spec = serde_json::json!({
        "outdir": "report",
        "servers": [{ "agent": "echo", "url": format!("ws://{at}") }],
        "cases": cases.split(',').collect::<Vec<_>>(),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    std::fs::write(folder.join("spec.json"), spec.to_string()).unwrap();
    let mut command = Command::new(autobahn.join("bin/wstest"));
    command.args(["-m", "fuzzingclient", "-s", "spec.json"]).env("PYTHONPATH", autobahn).current_dir(folder);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    Ended(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

fn verdicts(folder: &Path, mut running: Ended) -> Verdicts {
    let began = Instant::now();
    let status = loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            break status;
        }
        let log = folder.join("log");
        assert!(began.elapsed() < PATIENCE, "{}", std::fs::read_to_string(log).unwrap());
        std::thread::park_timeout(Duration::from_millis(50));
    };
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(status.success(), "{log}");
    let report = std::fs::read_to_string(folder.join("report/index.json")).expect(&log);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let cases = report["echo"].as_object().unwrap().iter();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    cases.map(|(case, of)| (case.clone(), (word(&of["behavior"]), word(&of["behaviorClose"])))).collect()
}

#[test]
fn autobahn_judges_the_proxy_as_the_server_behind_it() {
    let (Some(autobahn), Some(python)) = (autobahn(), python()) else { return };
    let mut echo = Command::new(python).args(["-c", ECHO]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(echo.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _echo = Ended(echo);
    let direct = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
    let plain = proxy("accept: off", &[("/", direct)]);
    let pinging = proxy("accept: off\nping_interval: 1s", &[("/", direct)]);
    let folder = tempfile::tempdir().unwrap();
    let runs = [("direct", direct), ("plain", plain.addresses()[0]), ("pinging", pinging.addresses()[0])];
    let runs = runs.map(|(name, at)| (name, begin(&autobahn, &folder.path().join(name), at)));
    let [direct, others @ ..] =
        runs.map(|(name, running)| (name, verdicts(&folder.path().join(name), running)));
    assert!(direct.1.len() > 10, "too few cases ran: {direct:?}");
    let good = direct.1.values().filter(|(of_messages, _)| of_messages == "OK").count();
    assert!(good * 10 > direct.1.len() * 8, "the echo server fails by itself: {direct:?}");
    let compressed = direct.1.iter().filter(|(case, _)| case.starts_with("12."));
    for (case, (of_messages, _)) in compressed {
        assert_eq!(of_messages, "OK", "the echo server does not compress in case {case}");
    }
    for (name, verdicts) in others {
        assert_eq!(verdicts.len(), direct.1.len(), "{name}");
        for (case, expected) in &direct.1 {
            let (given, lenient) = (&verdicts[case], |word: &str| word == "OK" || word == "NON-STRICT");
            let tolerated = BY_TIMING.iter().any(|start| case.starts_with(start))
                && lenient(&given.0)
                && lenient(&expected.0)
                && given.1 == expected.1;
            assert!(tolerated || given == expected, "{name}, case {case}: {given:?}, directly {expected:?}");
        }
    }
}
