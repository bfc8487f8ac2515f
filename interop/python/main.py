"""py-libp2p as a rendezvous point or as a client of one, driven over standard input and output.

The commands and their answers are described in interop/README.md.
"""

import argparse
import json
import sys

import multiaddr
import trio
from libp2p import new_host
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.discovery.rendezvous.client import RendezvousClient
from libp2p.discovery.rendezvous.errors import RendezvousError
from libp2p.discovery.rendezvous.pb.rendezvous_pb2 import Message
from libp2p.discovery.rendezvous.service import RendezvousService
from libp2p.peer.peerinfo import info_from_p2p_addr

PATIENCE = 15


def say(answer):
    print(json.dumps(answer), flush=True)


def host(seed, listen):
    key = create_new_key_pair(None if seed is None else bytes([seed]) * 32)
    return new_host(key_pair=key, listen_addrs=listen, muxer_preference="YAMUX")


async def serve(port, seed):
    listen = [multiaddr.Multiaddr(f"/ip4/127.0.0.1/tcp/{port}")]
    node = host(seed, listen)
    async with node.run(listen_addrs=listen):
        RendezvousService(node)
        addresses = [str(address) for address in node.get_addrs()]
        say({"event": "ready", "peerId": str(node.get_id()), "addresses": addresses})
        # A run that was killed must leave nothing behind, so the end of standard input is the end.
        async for _ in trio.wrap_file(sys.stdin):
            pass


async def run(client, command):
    name, ns = command["cmd"], command.get("ns", "")
    if name == "register":
        return {"ok": True, "ttl": await client.register(ns, command.get("ttl", 7200))}
    if name == "unregister":
        await client.unregister(ns)
        return {"ok": True}
    if name == "discover":
        cookie = bytes.fromhex(command.get("cookie", ""))
        peers, cookie = await client.discover(ns, command.get("limit", 100), cookie)
        # The client keeps neither namespace nor TTL of a registration.
        found = [
            {"peer": str(peer.peer_id), "addresses": [str(a) for a in peer.addrs]}
            for peer in peers
        ]
        return {"ok": True, "registrations": found, "cookie": cookie.hex()}
    raise ValueError(f"unknown command {name}")


async def drive(address):
    point = info_from_p2p_addr(multiaddr.Multiaddr(address))
    # Its client publishes what it listens on, and refuses to register without.
    listen = [multiaddr.Multiaddr("/ip4/127.0.0.1/tcp/0")]
    node = host(None, listen)
    async with node.run(listen_addrs=listen):
        client = RendezvousClient(node, point.peer_id)
        say({"event": "ready", "peerId": str(node.get_id())})
        async for line in trio.wrap_file(sys.stdin):
            answer = {"ok": False, "error": "no answer"}
            with trio.move_on_after(PATIENCE):
                try:
                    await node.connect(point)
                    answer = await run(client, json.loads(line))
                except RendezvousError as error:
                    # Its names are those of the unsigned protocol; only 101 differs.
                    status = Message.ResponseStatus.Name(error.status)
                    answer = {"ok": False, "status": status, "text": error.message}
                except Exception as error:
                    answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
            say(answer)


parser = argparse.ArgumentParser()
modes = parser.add_subparsers(dest="mode", required=True)
server = modes.add_parser("server")
server.add_argument("--port", type=int, default=0)
server.add_argument("--seed", type=int)
modes.add_parser("client").add_argument("address")
options = parser.parse_args()

if options.mode == "server":
    trio.run(serve, options.port, options.seed)
else:
    trio.run(drive, options.address)
