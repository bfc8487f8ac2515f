// A rendezvous point or a client of one, from waku-org/go-libp2p-rendezvous, driven over standard
// input and output. The commands and their answers are described in interop/README.md.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	rendezvous "github.com/waku-org/go-libp2p-rendezvous"
	db "github.com/waku-org/go-libp2p-rendezvous/db/sqlite"
)

const patience = 15 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: interop-go server [--port N] [--seed N] | client ADDRESS [--listen]")
	}
	switch args[0] {
	case "server":
		flags := flag.NewFlagSet("server", flag.ContinueOnError)
		port := flags.Int("port", 0, "TCP port on loopback")
		seed := flags.Int("seed", -1, "a number that makes the peer id the same on each start")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return serve(*port, *seed)
	case "client":
		if len(args) < 2 {
			return errors.New("the point's address is missing")
		}
		flags := flag.NewFlagSet("client", flag.ContinueOnError)
		listen := flags.Bool("listen", false, "register where this peer can be dialled")
		if err := flags.Parse(args[2:]); err != nil {
			return err
		}
		return drive(args[1], *listen)
	}
	return fmt.Errorf("no mode %q", args[0])
}

func newHost(seed int, options ...libp2p.Option) (host.Host, error) {
	var random io.Reader = rand.Reader
	if seed >= 0 {
		random = bytes.NewReader(bytes.Repeat([]byte{byte(seed)}, 32))
	}
	key, _, err := crypto.GenerateEd25519Key(random)
	if err != nil {
		return nil, err
	}
	return libp2p.New(append(options,
		libp2p.Identity(key),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		// Hundreds of peers from one address are what is tested, not what is defended against.
		libp2p.ResourceManager(&network.NullResourceManager{}),
	)...)
}

func serve(port, seed int) error {
	h, err := newHost(seed, libp2p.ListenAddrStrings(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)))
	if err != nil {
		return err
	}
	defer h.Close()
	registrations, err := db.OpenDB(context.Background(), ":memory:")
	if err != nil {
		return err
	}
	defer registrations.Close()
	rendezvous.NewRendezvousService(h, registrations)
	say(answer{"event": "ready", "peerId": h.ID().String(), "addresses": []string{fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID())}})
	// A run that was killed must leave nothing behind, so the end of standard input is the end.
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

type answer map[string]any

type command struct {
	Cmd          string `json:"cmd"`
	Ns           string `json:"ns"`
	Peer         string `json:"peer"`
	TTL          int    `json:"ttl"`
	Limit        int    `json:"limit"`
	Cookie       string `json:"cookie"`
	Count        int    `json:"count"`
	AddressBytes int    `json:"addressBytes"`
}

// client is one peer, connected to the point.
type client struct {
	host  host.Host
	info  peer.AddrInfo
	point rendezvous.RendezvousPoint
	found map[peer.ID]peer.AddrInfo
}

// newListeningClient registers where it can be dialled.
func newListeningClient(info peer.AddrInfo) (*client, error) {
	h, err := newHost(-1, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		return nil, err
	}
	return &client{host: h, info: info, point: rendezvous.NewRendezvousPoint(h, info.ID), found: map[peer.ID]peer.AddrInfo{}}, nil
}

func newClient(info peer.AddrInfo, own []multiaddr.Multiaddr) (*client, error) {
	h, err := newHost(-1, libp2p.NoListenAddrs)
	if err != nil {
		return nil, err
	}
	factory := rendezvous.ClientWithAddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return own })
	return &client{host: h, info: info, point: rendezvous.NewRendezvousPoint(h, info.ID, factory), found: map[peer.ID]peer.AddrInfo{}}, nil
}

func (c *client) run(ctx context.Context, cmd command) (answer, error) {
	if err := c.host.Connect(ctx, c.info); err != nil {
		return nil, err
	}
	switch cmd.Cmd {
	case "register":
		ttl, err := c.point.Register(ctx, cmd.Ns, cmd.TTL)
		return answer{"ok": true, "ttl": ttl.Seconds()}, err
	case "unregister":
		return answer{"ok": true}, c.point.Unregister(ctx, cmd.Ns)
	case "discover":
		// The client tells "no cookie" from "an empty one".
		var cookie []byte
		if cmd.Cookie != "" {
			cookie, _ = hex.DecodeString(cmd.Cookie)
		}
		found, next, err := c.point.Discover(ctx, cmd.Ns, cmd.Limit, cookie)
		for _, r := range found {
			c.found[r.Peer.ID] = r.Peer
		}
		return listing(found, next), err
	case "dial":
		id, err := peer.Decode(cmd.Peer)
		if err != nil {
			return nil, err
		}
		return answer{"ok": true}, c.host.Connect(ctx, c.found[id])
	case "discoverAll":
		return c.discoverAll(ctx, cmd)
	case "fill":
		for i := range cmd.Count {
			if err := fill(ctx, c.info, i, cmd); err != nil {
				return nil, err
			}
		}
		return answer{"ok": true}, nil
	}
	return nil, fmt.Errorf("unknown command %q", cmd.Cmd)
}

// discoverAll is the client's own loop: page after page on one stream, then a poll every two
// minutes, of which only the first round is waited for.
func (c *client) discoverAll(ctx context.Context, cmd command) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all, err := c.point.DiscoverAsync(ctx, cmd.Ns)
	if err != nil {
		return nil, err
	}
	var found []rendezvous.Registration
	for len(found) < cmd.Count {
		select {
		case r, open := <-all:
			if !open {
				return nil, errors.New("the listing ended early")
			}
			found = append(found, r)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return listing(found, nil), nil
}

func fill(ctx context.Context, info peer.AddrInfo, index int, cmd command) error {
	c, err := newClient(info, addresses(index, cmd.AddressBytes))
	if err != nil {
		return err
	}
	defer c.host.Close()
	if err := c.host.Connect(ctx, info); err != nil {
		return err
	}
	_, err = c.point.Register(ctx, cmd.Ns, cmd.TTL)
	return err
}

func listing(found []rendezvous.Registration, cookie []byte) answer {
	registrations := make([]answer, 0, len(found))
	for _, r := range found {
		registrations = append(registrations, answer{"peer": r.Peer.ID.String(), "ns": r.Ns, "ttl": r.Ttl, "addresses": r.Peer.Addrs})
	}
	a := answer{"ok": true, "registrations": registrations}
	if cookie != nil {
		a["cookie"] = hex.EncodeToString(cookie)
	}
	return a
}

func drive(address string, listen bool) error {
	info, err := peer.AddrInfoFromString(address)
	if err != nil {
		return err
	}
	var c *client
	if listen {
		c, err = newListeningClient(*info)
	} else {
		c, err = newClient(*info, addresses(0, 0))
	}
	if err != nil {
		return err
	}
	defer c.host.Close()
	say(answer{"event": "ready", "peerId": c.host.ID().String()})

	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var cmd command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			return err
		}
		// A fill is many connections one after the other; the runner bounds it.
		limit := patience
		if cmd.Cmd == "fill" {
			limit *= 20
		}
		say(c.answer(cmd, limit))
	}
	return lines.Err()
}

// answer bounds the time itself: the client does not watch its context while it reads.
func (c *client) answer(cmd command, limit time.Duration) answer {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		a, err := c.run(ctx, cmd)
		var refused rendezvous.RendezvousError
		switch {
		case errors.As(err, &refused):
			a = answer{"ok": false, "status": refused.Status.String(), "text": refused.Text}
		case err != nil:
			a = answer{"ok": false, "error": err.Error()}
		}
		done <- a
	}()
	select {
	case a := <-done:
		return a
	case <-ctx.Done():
		return answer{"ok": false, "error": "no answer"}
	}
}

func say(a answer) {
	line, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}

// addresses are one, or as many more as make up the bytes: full-length DNS names.
func addresses(index, bytes int) []multiaddr.Multiaddr {
	all := []multiaddr.Multiaddr{multiaddr.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 20_000+index%40_000))}
	for i := range bytes / 250 {
		label := strings.Repeat("a", 56)
		all = append(all, multiaddr.StringCast(fmt.Sprintf("/dns4/%s%04d.%[1]s%04[2]d.%[1]s%04[2]d.%[1]s%04[2]d/tcp/443", label, i)))
	}
	return all
}
