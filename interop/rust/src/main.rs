//! rust-libp2p as a rendezvous point or as a client of one, driven over standard input and output.
//! The commands and their answers are described in interop/README.md.

mod load;

use std::{error::Error, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm, identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    rendezvous::{self, Cookie, ErrorCode, Namespace},
    swarm::{NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle},
    tcp, yamux,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(15);

/// Many requests on one connection is a case: an idle one must stay. Seconds.
const IDLE: u64 = 600;

#[derive(NetworkBehaviour)]
struct Point {
    identify: identify::Behaviour,
    rendezvous: rendezvous::server::Behaviour,
}

#[derive(NetworkBehaviour)]
struct Client {
    identify: Toggle<identify::Behaviour>,
    rendezvous: rendezvous::client::Behaviour,
}

/// When a client asks after it has connected.
#[derive(Clone, Copy, PartialEq)]
enum Identify {
    /// As soon as the connection is established.
    AtOnce,
    /// When both sides have long been identified.
    Late,
    /// As soon as the connection is established, and it never says who it is: rust-libp2p's own
    /// `rzv-discover` has no identify.
    Never,
}

/// Long enough for the other side to have read what was sent.
const LATE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("server") => serve(args.collect()).await,
        Some("client") => drive(args.next().ok_or("the point's address is missing")?, args.collect()).await,
        Some("load") => load::load(args.next().ok_or("the point's address is missing")?, args.collect()).await,
        _ => Err("usage: interop-rust server [--port N] [--seed N] [--min-ttl SECONDS] [--max-ttl SECONDS] [--max-per-peer N] [--max-total N] [--max-cookies N] [--idle SECONDS] | client ADDRESS [--identify at-once|late|never] [--listen] | load ADDRESS [echo] [register] [watch] [renew=SECONDS] [list=SECONDS] [return]".into()),
    }
}

fn swarm<B: NetworkBehaviour>(
    key: Keypair,
    idle: u64,
    behaviour: impl FnOnce(&Keypair) -> B,
) -> Result<Swarm<B>> {
    Ok(libp2p::SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(behaviour)
        .map_err(|_| "no behaviour")?
        .with_swarm_config(|c| c.with_idle_connection_timeout(Duration::from_secs(idle)))
        .build())
}

fn identify_behaviour(key: &Keypair) -> identify::Behaviour {
    identify::Behaviour::new(identify::Config::new("/interop/1.0.0".into(), key.public()))
}

fn say(value: Value) {
    println!("{value}");
}

/// A run that was killed must leave nothing behind, so the end of standard input is the end.
async fn next_line(lines: &mut Lines<BufReader<Stdin>>) -> Result<Option<Value>> {
    Ok(match lines.next_line().await? {
        Some(line) => Some(serde_json::from_str(&line)?),
        None => None,
    })
}

async fn serve(args: Vec<String>) -> Result<()> {
    let flag = |name: &str| -> Result<Option<u64>> {
        match args.iter().position(|arg| arg == name) {
            Some(at) => Ok(Some(args.get(at + 1).ok_or("a flag without its value")?.parse()?)),
            None => Ok(None),
        }
    };
    let mut config = rendezvous::server::Config::default();
    if let Some(ttl) = flag("--min-ttl")? {
        config = config.with_min_ttl(ttl);
    }
    if let Some(ttl) = flag("--max-ttl")? {
        config = config.with_max_ttl(ttl);
    }
    if let Some(max) = flag("--max-per-peer")? {
        config = config.with_max_registration_per_peer(max as usize);
    }
    if let Some(max) = flag("--max-total")? {
        config = config.with_max_registration_total(max as usize);
    }
    if let Some(max) = flag("--max-cookies")? {
        config = config.with_max_stored_cookies(max as usize);
    }
    let key = match flag("--seed")? {
        Some(seed) => Keypair::ed25519_from_bytes([seed as u8; 32])?,
        None => Keypair::generate_ed25519(),
    };
    let mut swarm = swarm(key, flag("--idle")?.unwrap_or(IDLE), |key| Point {
        identify: identify_behaviour(key),
        rendezvous: rendezvous::server::Behaviour::new(config),
    })?;
    let port = flag("--port")?.unwrap_or(0);
    swarm.listen_on(format!("/ip4/127.0.0.1/tcp/{port}").parse()?)?;

    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = next_line(&mut lines) => if line?.is_none() { return Ok(()) },
            event = swarm.select_next_some() => if let SwarmEvent::NewListenAddr { address, .. } = event {
                let peer = *swarm.local_peer_id();
                say(json!({ "event": "ready", "peerId": peer.to_string(), "addresses": [address.with(Protocol::P2p(peer)).to_string()] }));
            },
        }
    }
}

/// One peer, connected to the point.
struct Peer {
    swarm: Swarm<Client>,
    point: PeerId,
    address: Multiaddr,
    identify: Identify,
}

impl Peer {
    fn new(address: &Multiaddr, own_addresses: Vec<Multiaddr>, identify: Identify) -> Result<Self> {
        let Some(Protocol::P2p(point)) = address.iter().last() else {
            return Err("the point's address must end in /p2p/…".into());
        };
        let mut swarm = swarm(Keypair::generate_ed25519(), IDLE, |key| Client {
            identify: (identify != Identify::Never).then(|| identify_behaviour(key)).into(),
            rendezvous: rendezvous::client::Behaviour::new(key.clone()),
        })?;
        // What is registered are the external addresses; nobody confirms any on loopback.
        for own in own_addresses {
            swarm.add_external_address(own);
        }
        Ok(Self { swarm, point, address: address.clone(), identify })
    }

    /// From here on it registers where it can be dialled.
    async fn listen(&mut self) -> Result<()> {
        self.swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = self.swarm.select_next_some().await {
                self.swarm.add_external_address(address);
                return Ok(());
            }
        }
    }

    /// The rendezvous behaviour knows no address of the point, so it cannot dial after a lost connection.
    async fn connect(&mut self) -> Result<()> {
        if self.swarm.is_connected(&self.point) {
            return Ok(());
        }
        self.swarm.dial(self.address.clone())?;
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == self.point => break,
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.to_string().into()),
                _ => {}
            }
        }
        if self.identify == Identify::Late {
            // A swarm does nothing unless it is polled.
            let _ = tokio::time::timeout(LATE, async { loop { self.swarm.select_next_some().await; } }).await;
        }
        Ok(())
    }

    /// Connects to a peer that was discovered: the behaviour gives its addresses to the swarm.
    async fn dial(&mut self, peer: PeerId) -> Result<Value> {
        if self.swarm.is_connected(&peer) {
            return Ok(json!({ "ok": true }));
        }
        self.swarm.dial(peer)?;
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == peer => return Ok(json!({ "ok": true })),
                SwarmEvent::OutgoingConnectionError { peer_id, error, .. } if peer_id == Some(peer) => return Err(error.to_string().into()),
                _ => {}
            }
        }
    }

    /// A request to a point that has just stopped would end with the connection.
    async fn disconnected(&mut self) -> Value {
        while self.swarm.is_connected(&self.point) {
            self.swarm.select_next_some().await;
        }
        json!({ "ok": true })
    }

    async fn answer(&mut self) -> Value {
        use rendezvous::client::Event;
        loop {
            let SwarmEvent::Behaviour(ClientEvent::Rendezvous(event)) = self.swarm.select_next_some().await else {
                continue;
            };
            return match event {
                Event::Registered { ttl, .. } => json!({ "ok": true, "ttl": ttl }),
                Event::Discovered { registrations, cookie, .. } => json!({
                    "ok": true,
                    "cookie": hex(&cookie.into_wire_encoding()),
                    "registrations": registrations.iter().map(|r| json!({
                        "peer": r.record.peer_id().to_string(),
                        "ns": r.namespace.to_string(),
                        "ttl": r.ttl,
                        "addresses": r.record.addresses().iter().map(|a| a.to_string()).collect::<Vec<_>>(),
                    })).collect::<Vec<_>>(),
                }),
                Event::RegisterFailed { error, .. } | Event::DiscoverFailed { error, .. } => {
                    json!({ "ok": false, "status": status(error) })
                }
                Event::Expired { .. } => continue,
            };
        }
    }

    async fn register(&mut self, command: &Value) -> Result<Value> {
        let namespace = Namespace::new(text(command, "ns").unwrap_or_default())?;
        self.connect().await?;
        let ttl = command["ttl"].as_u64();
        self.swarm.behaviour_mut().rendezvous.register(namespace, self.point, ttl)?;
        Ok(self.answer().await)
    }

    async fn run(&mut self, command: &Value) -> Result<Value> {
        match command["cmd"].as_str() {
            Some("register") => self.register(command).await,
            Some("unregister") => {
                let namespace = Namespace::new(text(command, "ns").unwrap_or_default())?;
                self.connect().await?;
                self.swarm.behaviour_mut().rendezvous.unregister(namespace, self.point);
                // There is no answer to wait for: the loop around this one sends it.
                Ok(json!({ "ok": true }))
            }
            Some("discover") => {
                let namespace = text(command, "ns").map(Namespace::new).transpose()?;
                let cookie = text(command, "cookie").map(|c| Cookie::from_wire_encoding(unhex(&c))).transpose()?;
                self.connect().await?;
                let limit = command["limit"].as_u64();
                self.swarm.behaviour_mut().rendezvous.discover(namespace, cookie, limit, self.point);
                Ok(self.answer().await)
            }
            Some("disconnected") => Ok(self.disconnected().await),
            Some("dial") => self.dial(text(command, "peer").unwrap_or_default().parse()?).await,
            Some("fill") => {
                for index in 0..command["count"].as_u64().unwrap_or(0) {
                    let addresses = addresses(index, command["addressBytes"].as_u64().unwrap_or(0) as usize);
                    let answer = Peer::new(&self.address, addresses, self.identify)?.register(command).await?;
                    if answer["ok"] != true {
                        return Ok(answer);
                    }
                }
                Ok(json!({ "ok": true }))
            }
            _ => Err("unknown command".into()),
        }
    }
}

async fn drive(address: String, args: Vec<String>) -> Result<()> {
    let address: Multiaddr = address.parse()?;
    let identify = match args.iter().position(|arg| arg == "--identify").map(|at| args.get(at + 1).map(String::as_str)) {
        None | Some(Some("at-once")) => Identify::AtOnce,
        Some(Some("late")) => Identify::Late,
        Some(Some("never")) => Identify::Never,
        _ => return Err("--identify is at-once, late or never".into()),
    };
    let listens = args.iter().any(|arg| arg == "--listen");
    let mut peer = Peer::new(&address, if listens { vec![] } else { addresses(0, 0) }, identify)?;
    if listens {
        peer.listen().await?;
    }
    say(json!({ "event": "ready", "peerId": peer.swarm.local_peer_id().to_string() }));
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            line = next_line(&mut lines) => {
                let Some(command) = line? else { return Ok(()) };
                // A fill is many connections one after the other; the runner bounds it.
                let patience = if command["cmd"] == "fill" { PATIENCE * 20 } else { PATIENCE };
                say(match tokio::time::timeout(patience, peer.run(&command)).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(error)) => json!({ "ok": false, "error": error.to_string() }),
                    Err(_) => json!({ "ok": false, "error": "no answer" }),
                });
            }
            _ = peer.swarm.select_next_some() => {}
        }
    }
}

/// One address, or as many as make up `bytes`: full-length DNS names, since a swarm keeps no more
/// than 20 external addresses.
fn addresses(index: u64, bytes: usize) -> Vec<Multiaddr> {
    let plain = format!("/ip4/127.0.0.1/tcp/{}", 20_000 + index % 40_000);
    let long = (0..bytes / 250).map(|i| {
        let name = format!("{:0>60}.{:0>60}.{:0>60}.{:0>60}", i, "a", "b", "c");
        format!("/dns4/{name}/tcp/443")
    });
    std::iter::once(plain).chain(long).map(|a| a.parse().expect("a valid address")).collect()
}

fn text(command: &Value, key: &str) -> Option<String> {
    command[key].as_str().map(str::to_owned)
}

fn status(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::InvalidNamespace => "E_INVALID_NAMESPACE",
        ErrorCode::InvalidSignedPeerRecord => "E_INVALID_SIGNED_PEER_RECORD",
        ErrorCode::InvalidTtl => "E_INVALID_TTL",
        ErrorCode::InvalidCookie => "E_INVALID_COOKIE",
        ErrorCode::NotAuthorized => "E_NOT_AUTHORIZED",
        ErrorCode::InternalError => "E_INTERNAL_ERROR",
        ErrorCode::Unavailable => "E_UNAVAILABLE",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap_or(0)).collect()
}
