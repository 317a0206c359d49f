//! Ports, both ways: what listens inside is found on this machine, and the other way round.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use elbws::local::agent::Terms;
use socket2::SockRef;

use super::{DEADLINE, OFFSET, Rig, eventually};

/// A server inside, in the background once it listens; `serve` is what it does with each connection `$c`.
fn server(address: &str, port: u16, serve: &str) -> String {
    format!(
        "perl -MIO::Socket::INET -e '\
            $l = IO::Socket::INET->new(Listen => 64, LocalAddr => q({address}), LocalPort => {port}, ReuseAddr => 1) or die; \
            open F, q(>), q(/run/up.{port}); close F; \
            while ($c = $l->accept) {{ {serve} ; close $c }}' & \
         while [ ! -e /run/up.{port} ]; do sleep 0.05; done; echo $!"
    )
}

/// Says how much came until the end, from whom and to where.
const COUNT: &str = "$n = 0; while (sysread $c, $b, 65536) { $n += length $b } \
    print $c $n, q( from ), $c->peerhost, q( to ), $c->sockhost, qq(\\n)";

fn outside(rig: &Rig, port: u16) -> SocketAddr {
    SocketAddr::from((rig.host.address, OFFSET + port))
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn read_all(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_listens_inside_is_open_outside_as_soon_as_the_script_ends_and_half_closes_get_through() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&server("0.0.0.0", 80, COUNT));
    let mut stream = connect(outside(&rig, 80));
    stream.write_all(b"hello").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let [_, _, third, fourth] = rig.host.address.octets();
    assert_eq!(read_all(&mut stream), format!("5 from 127.0.0.1 to 172.31.{third}.{fourth}\n"));
    // A load balancer is in the VPC, as far as the instance can see.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 65, 7, 9], 0)).into()).unwrap();
    socket.connect(&outside(&rig, 80).into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut stream), format!("0 from 172.31.7.9 to 172.31.{third}.{fourth}\n"));
    // Nowhere else, and not when it is gone.
    for elsewhere in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 64, 63, 1)] {
        TcpStream::connect((elsewhere, OFFSET + 80)).unwrap_err();
    }
    rig.out("kill $(cat /proc/[0-9]*/stat | sed -n 's/ (perl).*//p')");
    eventually("it is closed", || TcpStream::connect(outside(&rig, 80)).err());
}

#[test]
fn what_listens_on_loopback_inside_stays_there() {
    let Some(rig) = Rig::start() else { return };
    rig.out(&server("127.0.0.1", 81, COUNT));
    rig.out(&server("0.0.0.0", 82, COUNT));
    connect(outside(&rig, 82));
    let error = TcpStream::connect(outside(&rig, 81)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn resets_get_through_both_ways() {
    let Some(rig) = Rig::start() else { return };
    let abort = "sysread $c, $b, 1; setsockopt $c, SOL_SOCKET, SO_LINGER, pack(q(ii), 1, 0)";
    rig.out(&server("0.0.0.0", 80, abort));
    let mut stream = connect(outside(&rig, 80));
    stream.write_all(b"x").unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let tell = "print $c qq(hi\\n); $c->flush; $n = sysread $c, $b, 1; $e = $!; \
        open F, q(>), q(/run/how.tmp); print F defined $n ? qq(end\\n) : qq($e\\n); close F; rename q(/run/how.tmp), q(/run/how)";
    rig.out(&server("0.0.0.0", 81, tell));
    let mut stream = connect(outside(&rig, 81));
    stream.read_exact(&mut [0; 3]).unwrap();
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
    let how = rig.out("while [ ! -e /run/how ]; do sleep 0.05; done; cat /run/how");
    assert_eq!(how, "Connection reset by peer\n");
}

#[test]
fn bytes_get_through_as_they_are_and_wait_where_nobody_reads() {
    let Some(rig) = Rig::start() else { return };
    let echo = "while (sysread $c, $b, 65536) { print $c $b; $c->flush }";
    rig.out(&server("0.0.0.0", 80, echo));
    let sent: Vec<u8> = (0_u32..2_000_000).flat_map(u32::to_le_bytes).collect();
    let mut stream = connect(outside(&rig, 80));
    let mut writer = stream.try_clone().unwrap();
    let bytes = sent.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&bytes).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent, "{} of {} bytes came back", received.len(), sent.len());

    rig.out(&server("0.0.0.0", 81, "sleep 6000"));
    let mut stream = connect(outside(&rig, 81));
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut written = 0;
    let error = loop {
        match stream.write(&[0; 16384]) {
            Ok(count) => written += count,
            Err(error) => break error,
        }
        assert!(written < 256 << 20, "nothing holds the sender back");
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

/// Connects inside, sends `hello`, ends its half and prints what comes; again until somebody is there.
fn client(port: u16) -> String {
    format!(
        "perl -MIO::Socket::INET -e '\
            until ($c = IO::Socket::INET->new(q(127.0.0.1:{port}))) {{ select undef, undef, undef, 0.05 }} \
            print $c q(hello); $c->flush; shutdown $c, 1; print while <$c>'"
    )
}

/// Takes one connection, reads it to its end and says what came, and from whom.
fn serve_one(listener: TcpListener) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        write!(stream, "{text} from {}", peer.ip()).unwrap();
    })
}

#[test]
fn what_listens_outside_at_the_instances_address_is_open_inside() {
    let Some(rig) = Rig::start() else { return };
    rig.out("true");
    let serving = serve_one(TcpListener::bind(outside(&rig, 9000)).unwrap());
    assert_eq!(rig.out(&client(9000)), format!("hello from {}", rig.host.address));
    serving.join().unwrap();
    let refused = "perl -MIO::Socket::INET -e 'exit(IO::Socket::INET->new(q(127.0.0.1:9000)) ? 1 : 0)'";
    eventually("it is closed inside", || (rig.run(refused).exit_code == 0).then_some(()));
    // Another one at the same port is found again.
    let serving = serve_one(TcpListener::bind(outside(&rig, 9000)).unwrap());
    assert_eq!(rig.out(&client(9000)), format!("hello from {}", rig.host.address));
    serving.join().unwrap();
}

#[test]
fn the_local_aws_is_where_it_is_outside() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap();
    let terms = Terms { port_offset: OFFSET, endpoint: Some(endpoint), ..Terms::default() };
    let Some(rig) = Rig::with(terms) else { return };
    let serving = serve_one(listener);
    assert_eq!(rig.out(&client(endpoint.port())), format!("hello from {}", rig.host.address));
    serving.join().unwrap();
}

#[test]
fn a_port_that_is_taken_outside_is_told_of_and_opened_once_it_is_free() {
    let (messages, mut told) = tokio::sync::mpsc::unbounded_channel();
    let terms = Terms { port_offset: OFFSET, messages: Some(messages), ..Terms::default() };
    let Some(rig) = Rig::with(terms) else { return };
    // At every address, and so not as the instance's.
    let other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, OFFSET + 83)).unwrap();
    rig.out(&server("0.0.0.0", 83, COUNT));
    let message = rig.within(told.recv()).unwrap();
    let address = outside(&rig, 83);
    assert!(
        message.starts_with(&format!("instance {}: port 83 cannot be opened at {address}: ", rig.host.id)),
        "{message}"
    );
    drop(other);
    let mut stream = eventually("it is opened", || TcpStream::connect(address).ok());
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(read_all(&mut stream).starts_with("0 from 127.0.0.1"));
}
