//! A crowd of peers that stay connected to one point, as light as they can be: what such a point takes for
//! each of them can be measured beside them, on a machine of two cores.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    pin::Pin,
    sync::{Arc, Mutex},
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
    /// It registers again after so many seconds.
    renew: Option<f64>,
    /// It asks who is there after so many seconds.
    list: Option<f64>,
    /// It comes back when the point is gone, when the client of this package does.
    come_back: bool,
}

/// What became of what members did since it was last asked for. Times are milliseconds.
#[derive(Default)]
struct Tally {
    /// From the loss of the connection until the member was registered again.
    back: Vec<f64>,
    /// Connections that came to nothing.
    cut: u64,
    /// Registrations that were answered, and not granted.
    refused: u64,
    renewed: Vec<f64>,
    listed: Vec<f64>,
    /// Of those, what was not answered with what was asked for.
    renewals_lost: u64,
    listings_lost: u64,
}

/// What members have in common.
#[derive(Clone)]
struct Crowd {
    address: Multiaddr,
    deeds: Deeds,
    tally: Arc<Mutex<Tally>>,
    /// Whether all is well, and if not, what is not.
    lost: watch::Sender<String>,
}

impl Crowd {
    fn note(&self, what: impl FnOnce(&mut Tally)) {
        what(&mut self.tally.lock().expect("nobody panics in between"));
    }
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
            "return" => wanted.come_back = true,
            _ => match deed.split_once('=') {
                Some(("renew", seconds)) => wanted.renew = Some(seconds.parse()?),
                Some(("list", seconds)) => wanted.list = Some(seconds.parse()?),
                _ => return Err("a member can echo, register, watch, renew=SECONDS, list=SECONDS or return".into()),
            },
        }
    }
    let (lost, mut losses) = watch::channel(String::new());
    let crowd_of_all = Crowd {
        address,
        deeds: wanted,
        tally: Arc::default(),
        lost,
    };
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
                        arriving.push(join(crowd_of_all.clone(), index, namespace));
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
            // So many in a second, however those fare who came before. Each leaves when it has done its deeds.
            Some("pass") => {
                let rate = command["rate"].as_f64().unwrap_or(1.0);
                let ns = text(&command, "ns").unwrap_or_default();
                let mut passing = FuturesUnordered::new();
                let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
                let (mut took, mut failed, mut left): (Vec<f64>, u64, usize) = (vec![], 0, count);
                while left > 0 || !passing.is_empty() {
                    tokio::select! {
                        _ = clock.tick(), if left > 0 => {
                            passing.push(join(crowd_of_all.clone(), index, format!("{ns}-{}", index / 10)));
                            index += 1;
                            left -= 1;
                        }
                        Some(passed) = passing.next() => match passed {
                            Ok((leave, duration)) => {
                                took.push(duration.as_secs_f64() * 1_000.0);
                                let _ = leave.send(());
                            }
                            Err(_) => failed += 1,
                        }
                    }
                }
                json!({ "ok": true, "took": took, "failed": failed })
            }
            Some("leave") => {
                let leaving = count.min(members.len());
                // Those who came last, unless it is to be those who came first.
                let range = match command["first"].as_bool() {
                    Some(true) => 0..leaving,
                    _ => members.len() - leaving..members.len(),
                };
                for leave in members.drain(range) {
                    let _ = leave.send(());
                }
                json!({ "ok": true, "held": members.len() })
            }
            Some("tally") => {
                let tally = std::mem::take(&mut *crowd_of_all.tally.lock().expect("nobody panics"));
                json!({
                    "ok": true, "held": members.len(), "back": tally.back, "cut": tally.cut, "refused": tally.refused,
                    "renewed": tally.renewed, "listed": tally.listed,
                    "renewalsLost": tally.renewals_lost, "listingsLost": tally.listings_lost,
                })
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
async fn join(crowd: Crowd, index: u64, namespace: String) -> Result<(Leave, Duration)> {
    let (leave, leaving) = oneshot::channel();
    let (arrived, arrival) = oneshot::channel();
    let begin = Instant::now();
    tokio::spawn(async move {
        let mut arrived = Some(arrived);
        let lost = crowd.lost.clone();
        if let Err(error) = stay(crowd, index, namespace, &mut arrived, leaving).await {
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

type Arrived = Option<oneshot::Sender<std::result::Result<(), String>>>;

async fn stay(
    crowd: Crowd,
    index: u64,
    namespace: String,
    arrived: &mut Arrived,
    mut leaving: oneshot::Receiver<()>,
) -> Result<()> {
    let key = Keypair::generate_ed25519();
    let mut chance = Chance(index.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut away: Option<Away> = None;
    loop {
        let visit = Visit {
            crowd: &crowd,
            index,
            namespace: &namespace,
            key: &key,
            lost_at: away.as_ref().map(|away| away.since),
        };
        let mut has_arrived = false;
        let error = match visit.make(arrived, &mut has_arrived, &mut leaving, &mut chance).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !crowd.deeds.come_back || arrived.is_some() {
            return Err(error);
        }
        let now = Instant::now();
        match away.as_mut() {
            Some(away) if !has_arrived => {
                crowd.note(|tally| tally.cut += 1);
                away.failed(now, &mut chance);
            }
            _ => away = Some(Away::new(now, &mut chance)),
        }
        let next = away.as_ref().map_or(now, Away::next);
        tokio::select! {
            _ = tokio::time::sleep_until(next.into()) => {}
            _ = &mut leaving => return Ok(()),
        }
    }
}

/// When the client of this package dials a point that it has lost: as libp2p does for a peer that it is to keep, which
/// leaves nothing to chance, and as it does by itself; whichever is sooner.
struct Away {
    since: Instant,
    libp2p: (u32, Option<Instant>),
    own: (u32, Instant),
}

impl Away {
    fn new(now: Instant, chance: &mut Chance) -> Self {
        Away {
            since: now,
            libp2p: (0, Some(now)),
            own: (1, now + own_delay(1, chance)),
        }
    }

    fn next(&self) -> Instant {
        self.libp2p.1.map_or(self.own.1, |at| at.min(self.own.1))
    }

    fn failed(&mut self, now: Instant, chance: &mut Chance) {
        if self.libp2p.1.is_some_and(|at| at <= now) {
            let retries = self.libp2p.0;
            let delay = Duration::from_secs(1 << retries);
            self.libp2p = (retries + 1, (retries < LIBP2P_RETRIES).then(|| now + delay));
        }
        if self.own.1 <= now {
            let failures = self.own.0;
            self.own = (failures + 1, now + own_delay(failures, chance));
        }
    }
}

const LIBP2P_RETRIES: u32 = 5;

/// From half a second to one after the first failure, twice as long after each other one, up to five minutes.
fn own_delay(failures: u32, chance: &mut Chance) -> Duration {
    Duration::from_secs_f64((2f64.powi(failures.min(20) as i32 - 1)).min(300.0) * (0.5 + 0.5 * chance.next()))
}

/// Numbers from 0 to 1, the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One connection of a member, from the dial to its end.
struct Visit<'a> {
    crowd: &'a Crowd,
    index: u64,
    namespace: &'a str,
    key: &'a Keypair,
    /// When the one before was lost.
    lost_at: Option<Instant>,
}

/// What is done again and again on a stream that stays open. It comes with the stream.
type Again<'a> = BoxFuture<'a, Result<Stream>>;

impl Visit<'_> {
    async fn make(
        &self,
        arrived: &mut Arrived,
        has_arrived: &mut bool,
        leaving: &mut oneshot::Receiver<()>,
        chance: &mut Chance,
    ) -> Result<()> {
        let Visit { crowd, namespace, key, .. } = self;
        let deeds = crowd.deeds;
        let mut swarm = member(key, source(self.index))?;
        let control = swarm.behaviour().stream.new_control();
        swarm.dial(crowd.address.clone())?;
        let too_late = tokio::time::sleep(DIAL_PATIENCE);
        tokio::pin!(too_late);
        let (mut point, mut is_late) = (None, false);
        let (mut identified, mut was_identified, mut has_acted) = (false, false, false);
        let mut deed: Option<BoxFuture<Result<Open>>> = None;
        // What comes on those that are open is read. A point may close one on which it is asked; the others it may not.
        let (mut asking, mut told): (Option<Stream>, Option<Stream>) = (None, None);
        let (mut answers, mut news) = ([0; 64], [0; 4096]);
        let mut renewing: Option<Again> = None;
        let mut listing: Option<Again> = None;
        let (mut to_renew, mut to_list) = (None, None);
        loop {
            if deed.is_none() && !has_acted && identified && was_identified {
                let Some(point) = point else {
                    return Err("identified, and not connected".into());
                };
                let mut control = control.clone();
                has_acted = true;
                deed = Some(async move { act(&mut control, point, key, namespace, crowd).await }.boxed());
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
                _ = &mut too_late, if !is_late => {
                    if point.is_none() {
                        return Err("nobody answers".into());
                    }
                    is_late = true;
                },
                done = pending_unless(&mut deed) => {
                    (asking, told) = done?;
                    deed = None;
                    *has_arrived = true;
                    if let Some(arrived) = arrived.take() {
                        let _ = arrived.send(Ok(()));
                    }
                    if let Some(since) = self.lost_at {
                        crowd.note(|tally| tally.back.push(milliseconds(since)));
                    }
                    // Not all in the same moment.
                    to_renew = deeds.renew.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds * chance.next()));
                    to_list = deeds.list.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds * chance.next()));
                }
                _ = until(to_renew), if renewing.is_none() => {
                    to_renew = later(deeds.renew);
                    let request = register(key, namespace)?;
                    renewing = point.map(|point| ask_again(control.clone(), point, asking.take(), request, 3));
                }
                _ = until(to_list), if listing.is_none() => {
                    to_list = later(deeds.list);
                    // Nobody asks twice on a stream at a time, so a listing has its own.
                    listing = point.map(|point| ask_again(control.clone(), point, None, discover(namespace), 6));
                }
                done = pending_unless(&mut renewing) => {
                    renewing = None;
                    let since = to_renew.map_or_else(Instant::now, |at| at - Duration::from_secs_f64(deeds.renew.unwrap_or(0.0)));
                    match done {
                        Ok(stream) => {
                            asking = Some(stream);
                            crowd.note(|tally| tally.renewed.push(milliseconds(since)));
                        }
                        Err(_) => crowd.note(|tally| tally.renewals_lost += 1),
                    }
                }
                done = pending_unless(&mut listing) => {
                    listing = None;
                    let since = to_list.map_or_else(Instant::now, |at| at - Duration::from_secs_f64(deeds.list.unwrap_or(0.0)));
                    match done {
                        Ok(_) => crowd.note(|tally| tally.listed.push(milliseconds(since))),
                        Err(_) => crowd.note(|tally| tally.listings_lost += 1),
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
}

/// As long as the client of this package waits for a connection, and for an answer.
const DIAL_PATIENCE: Duration = Duration::from_secs(10);

async fn pending_unless<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => futures::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => futures::future::pending().await,
    }
}

fn later(seconds: Option<f64>) -> Option<Instant> {
    seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds))
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

/// On the stream there is, or on a new one. Fails where the answer, in that field of the message, is a refusal.
fn ask_again<'a>(
    mut control: libp2p_stream::Control,
    point: PeerId,
    stream: Option<Stream>,
    request: Vec<u8>,
    answer_field: u8,
) -> Again<'a> {
    async move {
        let asked = async {
            if let Some(mut stream) = stream
                && let Ok(answer) = ask(&mut stream, &request).await
            {
                return Ok((stream, answer));
            }
            // What was lost on a stream that the point has closed is asked once more.
            let mut stream = control.open_stream(point, RENDEZVOUS).await?;
            let answer = ask(&mut stream, &request).await?;
            Result::Ok((stream, answer))
        };
        let (stream, answer) = tokio::time::timeout(DIAL_PATIENCE, asked).await??;
        let response = field(&answer, answer_field).ok_or("no answer")?;
        if has_status(response, answer_field) {
            return Err("refused".into());
        }
        Ok(stream)
    }
    .boxed()
}

async fn ask(stream: &mut Stream, request: &[u8]) -> Result<Vec<u8>> {
    write_message(stream, request).await?;
    read_message(stream).await
}

/// Whether a response has a status other than OK: it is field 1 of a RegisterResponse, and field 3 of a DiscoverResponse.
fn has_status(response: &[u8], answer_field: u8) -> bool {
    match answer_field {
        3 => !matches!(response, [8, 0, ..] | []),
        // Who lists somebody has another field first.
        _ => matches!(response, [24, status, ..] if *status > 0),
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
    crowd: &Crowd,
) -> Result<Open> {
    let deeds = crowd.deeds;
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
        let answer = ask(&mut stream, &register(key, namespace)?).await?;
        // RegisterResponse is field 3.
        let response = field(&answer, 3).ok_or("no answer to a REGISTER")?;
        if has_status(response, 3) {
            crowd.note(|tally| tally.refused += 1);
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

fn register(key: &Keypair, namespace: &str) -> Result<Vec<u8>> {
    let addresses = vec!["/ip4/192.0.2.1/tcp/4001".parse()?];
    let record = PeerRecord::new(key, addresses)?
        .to_signed_envelope()
        .into_protobuf_encoding();
    let mut register = bytes_field(1, namespace.as_bytes());
    register.extend(bytes_field(2, &record));
    // The type REGISTER is 0, and stands first.
    let mut request = vec![1 << 3, 0];
    request.extend(bytes_field(2, &register));
    Ok(request)
}

fn discover(namespace: &str) -> Vec<u8> {
    // The type DISCOVER is 3.
    let mut request = vec![1 << 3, 3];
    request.extend(bytes_field(5, &bytes_field(1, namespace.as_bytes())));
    request
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
