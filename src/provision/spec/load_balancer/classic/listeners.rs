//! `listeners:` and `proxy_protocol:` of a Classic load balancer: reading them and what must hold among them.

use std::collections::BTreeSet;

use super::fields::DEFAULT_SSL_POLICY;
use super::{ClassicListener, ClassicProtocol};
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::load_balancer::HasCertificate;
use crate::provision::spec::problem::{Problems, Refusal};

const INSTANCE_PORT: u16 = 80;

/// The listeners as far as they are sound, each with its place in the spec.
pub(super) struct Listeners<'a> {
    list: Option<&'a Item>,
    entries: Vec<Read<ClassicListener>>,
}

impl<'a> Listeners<'a> {
    /// Reads `listeners:` of the load balancer and checks the listeners against each other.
    pub(super) fn decode(
        load_balancer: &'a Item,
        certificate: HasCertificate,
        problems: &mut Problems,
    ) -> Read<Self> {
        let list = load_balancer.get("listeners");
        let entries = match list {
            Some(list) => list.as_list()?.iter().map(|item| listener(item, problems)).collect(),
            None => defaults(certificate).into_iter().map(Ok).collect(),
        };
        let listeners = Self { list, entries };
        if listeners.entries.is_empty() {
            return Err(Invalid);
        }
        listeners.check(load_balancer, certificate, problems);
        Ok(listeners)
    }

    /// Yields the sound listeners with their index.
    fn sound(&self) -> impl Iterator<Item = (usize, &ClassicListener)> {
        self.entries.iter().enumerate().filter_map(|(at, entry)| Some((at, entry.as_ref().ok()?)))
    }

    /// Returns the item of a listener, or `otherwise` for the default ones, which have none.
    fn item<'b>(&'b self, at: usize, otherwise: &'b Item) -> &'b Item {
        self.list.and_then(|list| list.as_list().ok()?.get(at)).unwrap_or(otherwise)
    }

    /// Returns all of them if all are sound.
    pub(super) fn all(&self) -> Read<Vec<ClassicListener>> {
        self.entries.iter().cloned().collect()
    }

    fn check(&self, load_balancer: &Item, certificate: HasCertificate, problems: &mut Problems) {
        for (at, listener) in self.sound() {
            let item = self.item(at, load_balancer);
            if let Some((first, _)) =
                self.sound().take_while(|(i, _)| *i < at).find(|(_, l)| l.port == listener.port)
            {
                let refusal =
                    Refusal::new(format!("{} is already used by listeners[{first}]", listener.port))
                        .hint("give each listener of a load balancer a port of its own");
                item.at("port").report(problems, refusal);
            }
            // AWS: the Listener type of the Elastic Load Balancing API, InstanceProtocol.
            if let Some((first, other)) = self.sound().take_while(|(i, _)| *i < at).find(|(_, l)| {
                l.instance_port == listener.instance_port
                    && l.instance_protocol.is_secure() != listener.instance_protocol.is_secure()
            }) {
                let refusal = Refusal::new(format!(
                    "{} to instance port {}, to which listeners[{first}] speaks {}",
                    listener.instance_protocol, listener.instance_port, other.instance_protocol
                ))
                .hint("an instance port is spoken to either with TLS by all of its listeners or by none");
                item.at("instance_protocol").report(problems, refusal);
            }
            if listener.protocol.is_secure() && certificate == HasCertificate::No {
                let refusal =
                    Refusal::new(format!("{} listener needs a certificate", article(listener.protocol)))
                        .hint("add a certificate, for example certificate: { domain: chat.example.com }");
                item.at("protocol").report(problems, refusal);
            }
        }
        let all_sound = self.entries.iter().all(Result::is_ok);
        if certificate == HasCertificate::Yes
            && all_sound
            && !self.sound().any(|(_, l)| l.protocol.is_secure())
        {
            let refusal = Refusal::new("no listener is ssl or https, so nobody is served the certificate")
                .hint("add { port: 443, protocol: ssl }, or remove the certificate");
            self.list.unwrap_or(load_balancer).report(problems, refusal);
        }
    }

    /// Resolves `proxy_protocol:` to the instance ports that speak it.
    pub(super) fn proxy_protocol(
        &self,
        load_balancer: &Item,
        problems: &mut Problems,
    ) -> Read<BTreeSet<u16>> {
        let given = load_balancer.get("proxy_protocol");
        match given.map(|item| (item, &item.value)) {
            None => Ok(self.all_ports(load_balancer, None, problems)),
            Some((item, Value::Boolean(true))) => Ok(self.all_ports(load_balancer, Some(item), problems)),
            Some((_, Value::Boolean(false))) => Ok(BTreeSet::new()),
            Some((item, _)) => self.listed_ports(item, load_balancer, problems),
        }
    }

    /// Every instance port behind tcp and ssl listeners. Where nobody asked for it in words, ssl → ssl
    /// listeners, which cannot carry it, are left out.
    fn all_ports(
        &self,
        load_balancer: &Item,
        asked: Option<&Item>,
        problems: &mut Problems,
    ) -> BTreeSet<u16> {
        let mut ports = BTreeSet::new();
        for (_, listener) in self.sound().filter(|(_, listener)| !listener.protocol.is_http()) {
            if ends_encrypted(listener) {
                if let Some(item) = asked {
                    item.report(problems, encrypted_refusal(listener.instance_port));
                }
            } else {
                ports.insert(listener.instance_port);
            }
        }
        for port in &ports {
            self.check_agreement(*port, load_balancer, problems);
        }
        ports
    }

    fn listed_ports(
        &self,
        item: &Item,
        load_balancer: &Item,
        problems: &mut Problems,
    ) -> Read<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        let known: BTreeSet<u16> = self.sound().map(|(_, listener)| listener.instance_port).collect();
        for entry in item.as_list()? {
            let port = entry.as_number()?;
            if !ports.insert(port) {
                entry.report(problems, Refusal::new(format!("instance port {port} is given twice")));
                continue;
            }
            let behind: Vec<_> =
                self.sound().map(|(_, listener)| listener).filter(|l| l.instance_port == port).collect();
            if behind.is_empty() {
                if self.all().is_ok() {
                    let known: Vec<_> = known.iter().map(u16::to_string).collect();
                    let refusal = Refusal::new(format!("no listener forwards to instance port {port}"))
                        .hint(format!("the instance ports are {}", known.join(", ")));
                    entry.report(problems, refusal);
                }
            } else if behind.iter().all(|listener| listener.protocol.is_http()) {
                let refusal = Refusal::new(format!(
                    "instance port {port} is behind http or https listeners, which send no PROXY header"
                ))
                .hint(
                    "there the client's address is in X-Forwarded-For; WebSockets need tcp or ssl listeners",
                );
                entry.report(problems, refusal);
            } else if behind.iter().all(|listener| ends_encrypted(listener)) {
                entry.report(problems, encrypted_refusal(port));
            } else {
                self.check_agreement(port, load_balancer, problems);
            }
        }
        Ok(ports)
    }

    /// PROXY protocol belongs to the instance port: listeners that share one cannot differ.
    fn check_agreement(&self, port: u16, load_balancer: &Item, problems: &mut Problems) {
        let sends = |listener: &ClassicListener| !listener.protocol.is_http() && !ends_encrypted(listener);
        let behind = || self.sound().filter(|(_, listener)| listener.instance_port == port);
        let Some((first, with)) = behind().find(|(_, listener)| sends(listener)) else { return };
        for (at, other) in behind().filter(|(at, _)| *at != first) {
            let item = self.item(at, load_balancer).at("instance_port");
            if !sends(other) {
                let refusal = Refusal::new(format!(
                    "listeners[{first}] ({}) sends a PROXY header to instance port {port}, this one ({}) cannot",
                    pair(with),
                    pair(other)
                ))
                .hint("PROXY protocol belongs to the instance port: give the two different ones");
                item.report(problems, refusal);
            } else if other.instance_protocol != with.instance_protocol {
                let refusal = Refusal::new(format!(
                    "instance port {port} speaks {} for listeners[{first}] and {} here",
                    with.instance_protocol, other.instance_protocol
                ))
                .hint("one port speaks one protocol: give the two different ones");
                item.report(problems, refusal);
            }
        }
    }
}

fn listener(item: &Item, problems: &mut Problems) -> Read<ClassicListener> {
    let ports =
        (item.number("port")?.ok_or(Invalid)?, item.number("instance_port")?.unwrap_or(INSTANCE_PORT));
    let front = protocol(item, "protocol")?.ok_or(Invalid)?;
    let plain = if front.is_http() { ClassicProtocol::Http } else { ClassicProtocol::Tcp };
    let back = protocol(item, "instance_protocol")?.unwrap_or(plain);
    if front.is_http() != back.is_http() {
        let refusal = Refusal::new(format!("{} listener cannot forward to {back}", article(front)))
            .hint("tcp and ssl forward to tcp or ssl, http and https to http or https");
        item.at("instance_protocol").report(problems, refusal);
        return Err(Invalid);
    }
    let ssl_policy = match item.text("ssl_policy")? {
        Some(_) if !front.is_secure() => {
            let refusal =
                Refusal::new(format!("{} listener has no TLS that a policy could govern", article(front)))
                    .hint("remove it, or use ssl or https");
            item.at("ssl_policy").report(problems, refusal);
            None
        }
        Some(policy) => Some(policy.to_owned()),
        None => front.is_secure().then(|| DEFAULT_SSL_POLICY.to_owned()),
    };
    Ok(ClassicListener {
        port: ports.0,
        protocol: front,
        instance_port: ports.1,
        instance_protocol: back,
        ssl_policy,
    })
}

fn protocol(item: &Item, name: &str) -> Read<Option<ClassicProtocol>> {
    item.text(name)?
        .map(|text| match text {
            "tcp" => Ok(ClassicProtocol::Tcp),
            "ssl" => Ok(ClassicProtocol::Ssl),
            "http" => Ok(ClassicProtocol::Http),
            "https" => Ok(ClassicProtocol::Https),
            _ => Err(Invalid),
        })
        .transpose()
}

/// What WebSockets need behind a Classic load balancer: TLS ends at it, and bytes go on to the proxy.
fn defaults(certificate: HasCertificate) -> Vec<ClassicListener> {
    let listener = |port, protocol, ssl_policy| ClassicListener {
        port,
        protocol,
        instance_port: INSTANCE_PORT,
        instance_protocol: ClassicProtocol::Tcp,
        ssl_policy,
    };
    let plain = listener(80, ClassicProtocol::Tcp, None);
    match certificate {
        HasCertificate::Yes => {
            vec![listener(443, ClassicProtocol::Ssl, Some(DEFAULT_SSL_POLICY.to_owned())), plain]
        }
        HasCertificate::No => vec![plain],
    }
}

/// An ssl → ssl listener; AWS supports no PROXY protocol on it.
fn ends_encrypted(listener: &ClassicListener) -> bool {
    listener.protocol == ClassicProtocol::Ssl && listener.instance_protocol == ClassicProtocol::Ssl
}

fn encrypted_refusal(port: u16) -> Refusal {
    Refusal::new(format!("the ssl → ssl listener of instance port {port} supports no PROXY protocol"))
        .hint("let it forward to tcp, or leave this port out")
}

fn pair(listener: &ClassicListener) -> String {
    format!("{} → {}", listener.protocol, listener.instance_protocol)
}

fn article(protocol: ClassicProtocol) -> String {
    match protocol {
        ClassicProtocol::Tcp => "a tcp".to_owned(),
        ClassicProtocol::Ssl | ClassicProtocol::Http | ClassicProtocol::Https => format!("an {protocol}"),
    }
}
