//! A crowd of peers that stay connected to one point, as light as they can be: what such a point takes for
//! each of them can be measured beside them, on a machine of two cores.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{
    AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered,
};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, Transport,
    core::{
        PeerRecord,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
        upgrade::Version,
    },
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{self, NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    net::TcpSocket,
    sync::{oneshot, watch},
};

use crate::{PATIENCE, Result, next_line, say, text};

const RENDEZVOUS: StreamProtocol = StreamProtocol::new("/rendezvous/1.0.0");
const WATCH: StreamProtocol = StreamProtocol::new("/rendezvous/watch/1.0.0");
const ECHO: StreamProtocol = StreamProtocol::new("/bench/echo/1.0.0");

/// Bytes of an echo: about as many as a request to register.
const ECHO_SIZE: usize = 300;

/// What a peer does once it is connected and both sides have identified each other.
#[derive(Clone, Copy, Default)]
struct Deeds {
    echo: bool,
    register: bool,
    watch: bool,
}

#[derive(NetworkBehaviour)]
struct Member {
    identify: identify::Behaviour,
    stream: libp2p_stream::Behaviour,
}

/// Tells a member to leave.
type Leave = oneshot::Sender<()>;

pub async fn load(address: String, deeds: Vec<String>) -> Result<()> {
    let address: Multiaddr = address.parse()?;
    let mut wanted = Deeds::default();
    for deed in deeds {
        match deed.as_str() {
            "echo" => wanted.echo = true,
            "register" => wanted.register = true,
            "watch" => wanted.watch = true,
            _ => return Err("a member can echo, register or watch".into()),
        }
    }
    // Whether all is well, and if not, what is not.
    let (lost, mut losses) = watch::channel(String::new());
    let mut members: Vec<Leave> = Vec::new();
    let mut index = 0;
    say(json!({ "event": "ready" }));
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(command) = next_line(&mut lines).await? {
        let count = command["count"].as_u64().unwrap_or(0) as usize;
        say(match command["cmd"].as_str() {
            Some("join") => {
                let together = command["together"].as_u64().unwrap_or(1) as usize;
                let crowd = command["crowd"].as_u64().unwrap_or(1);
                let mut arriving = FuturesUnordered::new();
                let mut took: Vec<f64> = Vec::with_capacity(count);
                let mut error = None;
                let mut started = 0;
                while error.is_none() && (started < count || !arriving.is_empty()) {
                    if started < count && arriving.len() < together {
                        let namespace = format!(
                            "{}-{}",
                            text(&command, "ns").unwrap_or_default(),
                            index / crowd
                        );
                        arriving.push(join(
                            address.clone(),
                            index,
                            namespace,
                            wanted,
                            lost.clone(),
                        ));
                        index += 1;
                        started += 1;
                        continue;
                    }
                    match arriving.next().await {
                        Some(Ok((leave, duration))) => {
                            members.push(leave);
                            took.push(duration.as_secs_f64() * 1_000.0);
                        }
                        Some(Err(err)) => error = Some(err.to_string()),
                        None => {}
                    }
                }
                took.sort_by(f64::total_cmp);
                match error {
                    Some(error) => json!({ "ok": false, "error": error }),
                    None => json!({ "ok": true, "held": members.len(), "took": took }),
                }
            }
            Some("leave") => {
                let stay = members.len().saturating_sub(count);
                for leave in members.drain(stay..) {
                    let _ = leave.send(());
                }
                json!({ "ok": true, "held": members.len() })
            }
            // Nobody is to be lost while it is measured.
            Some("check") => {
                let loss = losses.borrow_and_update().clone();
                json!({ "ok": loss.is_empty(), "held": members.len(), "error": loss })
            }
            _ => json!({ "ok": false, "error": "unknown command" }),
        });
    }
    Ok(())
}

/// Resolves when the member has done what it is to do; it stays until it is told to leave.
async fn join(
    address: Multiaddr,
    index: u64,
    namespace: String,
    deeds: Deeds,
    lost: watch::Sender<String>,
) -> Result<(Leave, Duration)> {
    let (leave, mut leaving) = oneshot::channel();
    let (arrived, arrival) = oneshot::channel();
    let begin = Instant::now();
    tokio::spawn(async move {
        let mut arrived = Some(arrived);
        if let Err(error) = stay(address, index, namespace, deeds, &mut arrived, &mut leaving).await
        {
            let error = format!("member {index}: {error}");
            match arrived {
                Some(arrived) => drop(arrived.send(Err(error))),
                None => drop(lost.send(error)),
            }
        }
    });
    match tokio::time::timeout(PATIENCE, arrival).await {
        Ok(Ok(Ok(()))) => Ok((leave, begin.elapsed())),
        Ok(Ok(Err(error))) => Err(error.into()),
        Ok(Err(_)) => Err("a member ended".into()),
        Err(_) => Err(format!("member {index} got no answer").into()),
    }
}

async fn stay(
    address: Multiaddr,
    index: u64,
    namespace: String,
    deeds: Deeds,
    arrived: &mut Option<oneshot::Sender<std::result::Result<(), String>>>,
    leaving: &mut oneshot::Receiver<()>,
) -> Result<()> {
    let key = Keypair::generate_ed25519();
    let mut swarm = member(&key, source(index))?;
    let control = swarm.behaviour().stream.new_control();
    swarm.dial(address)?;
    let mut point = None;
    let (mut identified, mut was_identified) = (false, false);
    let mut deed: Option<BoxFuture<Result<Open>>> = None;
    // What comes on those that are open is read. A point may close one on which it is asked; the others it may not.
    let (mut asking, mut told): (Option<Stream>, Option<Stream>) = (None, None);
    let (mut answers, mut news) = ([0; 64], [0; 4096]);
    loop {
        if deed.is_none() && arrived.is_some() && identified && was_identified {
            let (Some(point), key, namespace) = (point, key.clone(), namespace.clone()) else {
                return Err("identified, and not connected".into());
            };
            let mut control = control.clone();
            deed = Some(
                async move { act(&mut control, point, &key, &namespace, deeds).await }.boxed(),
            );
        }
        tokio::select! {
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => point = Some(peer_id),
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.to_string().into()),
                SwarmEvent::ConnectionClosed { cause, .. } => return Err(format!("the connection closed: {cause:?}").into()),
                SwarmEvent::Behaviour(MemberEvent::Identify(identify::Event::Received { .. })) => identified = true,
                SwarmEvent::Behaviour(MemberEvent::Identify(identify::Event::Sent { .. })) => was_identified = true,
                SwarmEvent::Behaviour(MemberEvent::Identify(identify::Event::Error { error, .. })) => return Err(format!("identify: {error}").into()),
                _ => {}
            },
            done = async { match deed.as_mut() { Some(deed) => deed.await, None => futures::future::pending().await } } => {
                (asking, told) = done?;
                deed = None;
                if let Some(arrived) = arrived.take() {
                    let _ = arrived.send(Ok(()));
                }
            }
            read = read_from(asking.as_mut(), &mut answers) => if !matches!(read, Ok(1..)) {
                asking = None;
            },
            read = read_from(told.as_mut(), &mut news) => if read? == 0 {
                return Err("the point closed a stream".into());
            },
            _ = &mut *leaving => return Ok(()),
        }
    }
}

fn member(key: &Keypair, source: Ipv4Addr) -> Result<Swarm<Member>> {
    let transport = From(source)
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(key)?)
        .multiplex(yamux::Config::default())
        .boxed();
    let behaviour = Member {
        identify: identify::Behaviour::new(identify::Config::new(
            "/interop/1.0.0".into(),
            key.public(),
        )),
        stream: libp2p_stream::Behaviour::new(),
    };
    let config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(3_600));
    Ok(Swarm::new(
        transport,
        behaviour,
        key.public().to_peer_id(),
        config,
    ))
}

/// Of no stream nothing comes.
async fn read_from(stream: Option<&mut Stream>, bytes: &mut [u8]) -> io::Result<usize> {
    match stream {
        Some(stream) => stream.read(bytes).await,
        None => futures::future::pending().await,
    }
}

/// What stays open: the stream on which the point is asked, and the one on which it tells.
type Open = (Option<Stream>, Option<Stream>);

async fn act(
    control: &mut libp2p_stream::Control,
    point: PeerId,
    key: &Keypair,
    namespace: &str,
    deeds: Deeds,
) -> Result<Open> {
    let (mut asking, mut told) = (None, None);
    if deeds.echo {
        let mut stream = control.open_stream(point, ECHO).await?;
        let mut bytes = [0; ECHO_SIZE];
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        stream.read_exact(&mut bytes).await?;
        told = Some(stream);
    }
    if deeds.register {
        let mut stream = control.open_stream(point, RENDEZVOUS).await?;
        let addresses = vec!["/ip4/192.0.2.1/tcp/4001".parse()?];
        let record = PeerRecord::new(key, addresses)?
            .to_signed_envelope()
            .into_protobuf_encoding();
        let mut register = bytes_field(1, namespace.as_bytes());
        register.extend(bytes_field(2, &record));
        // The type REGISTER is 0, and stands first.
        let mut request = vec![1 << 3, 0];
        request.extend(bytes_field(2, &register));
        write_message(&mut stream, &request).await?;
        let answer = read_message(&mut stream).await?;
        // RegisterResponse is field 3, and its status, field 1, is OK, 0.
        let response = field(&answer, 3).ok_or("no answer to a REGISTER")?;
        if !matches!(response, [8, 0, ..] | []) {
            return Err(format!(
                "a REGISTER was refused: {}",
                String::from_utf8_lossy(response)
            )
            .into());
        }
        asking = Some(stream);
    }
    if deeds.watch {
        let mut stream = control.open_stream(point, WATCH).await?;
        let mut subscribe = vec![1 << 3, 1];
        subscribe.extend(bytes_field(2, namespace.as_bytes()));
        // Live, as a client of this package says.
        write_message(&mut stream, &bytes_field(3, &[1 << 3, 1])).await?;
        write_message(&mut stream, &bytes_field(1, &subscribe)).await?;
        // What is registered, and the first update.
        for _ in 0..2 {
            read_message(&mut stream).await?;
        }
        told = Some(stream);
    }
    Ok((asking, told))
}

async fn write_message(stream: &mut Stream, message: &[u8]) -> Result<()> {
    let mut framed = varint(message.len());
    framed.extend(message);
    stream.write_all(&framed).await?;
    stream.flush().await?;
    Ok(())
}

async fn read_message(stream: &mut Stream) -> Result<Vec<u8>> {
    let mut length = 0;
    for shift in (0..21).step_by(7) {
        let mut byte = [0];
        stream.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 127) << shift;
        if byte[0] < 128 {
            let mut message = vec![0; length];
            stream.read_exact(&mut message).await?;
            return Ok(message);
        }
    }
    Err("a message is too long".into())
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut encoded = vec![number << 3 | 2];
    encoded.extend(varint(bytes.len()));
    encoded.extend(bytes);
    encoded
}

/// The first field of that number that has bytes, in a message of varints and bytes with numbers below 16.
fn field(mut message: &[u8], number: u8) -> Option<&[u8]> {
    while let [tag, rest @ ..] = message {
        let mut value = 0;
        let mut at = 0;
        loop {
            let byte = *rest.get(at)?;
            value |= usize::from(byte & 127) << (7 * at);
            at += 1;
            if byte < 128 {
                break;
            }
        }
        let rest = &rest[at..];
        if tag & 7 == 2 {
            let (bytes, others) = rest.split_at_checked(value)?;
            if tag >> 3 == number {
                return Some(bytes);
            }
            message = others;
        } else {
            message = rest;
        }
    }
    None
}

/// Each from an address of its own, in 250 networks, as a crowd comes.
fn source(index: u64) -> Ipv4Addr {
    let [network, host] = [index % 250, index / 250];
    Ipv4Addr::new(
        127,
        1 + network as u8,
        (host / 250) as u8,
        1 + (host % 250) as u8,
    )
}

/// TCP that dials from an address of this machine, which libp2p's has no option for.
struct From(Ipv4Addr);

impl Transport for From {
    type Output = tcp::tokio::TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = futures::future::Pending<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> std::result::Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> std::result::Result<Self::Dial, TransportError<io::Error>> {
        let mut parts = address.iter();
        let (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) = (parts.next(), parts.next())
        else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let from = self.0;
        Ok(async move {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.set_nodelay(true)?;
            socket.bind(SocketAddr::V4(SocketAddrV4::new(from, 0)))?;
            Ok(tcp::tokio::TcpStream(
                socket.connect((ip, port).into()).await?,
            ))
        }
        .boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}
