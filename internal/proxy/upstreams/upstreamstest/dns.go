// Package upstreamstest holds the two things that a test of the proxy's
// upstreams needs and that must be real: a name server whose answers change, and
// services that share a port on several loopback addresses, as the containers of
// one alias do.
package upstreamstest

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a name server on loopback. It knows no name until Set.
type DNS struct {
	conn     net.PacketConn
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex
	names   map[string][]netip.Addr
	broken  bool
	queries int
}

// NewDNS starts a name server that ends with the test.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	d, err := StartDNS(func(err error) { t.Errorf("name server: %v", err) })
	if err != nil {
		t.Fatalf("cannot start the name server: %v", err)
	}
	t.Cleanup(d.Close)
	return d
}

// StartDNS starts a name server that ends with Close.
func StartDNS(failed func(error)) (*DNS, error) {
	conn, listener, err := listenBoth()
	if err != nil {
		return nil, err
	}
	d := &DNS{conn: conn, listener: listener, names: make(map[string][]netip.Addr)}
	d.serving.Go(func() { d.serve(failed) })
	d.serving.Go(func() { d.serveTCP(listener) })
	return d, nil
}

// Close ends the name server.
func (d *DNS) Close() {
	_ = d.conn.Close()
	_ = d.listener.Close()
	d.serving.Wait()
}

// Addr returns the server's address, host:port.
func (d *DNS) Addr() string { return d.conn.LocalAddr().String() }

// Set makes name resolve to these addresses; with none, the name is unknown.
func (d *DNS) Set(name string, addrs ...string) {
	parsed := make([]netip.Addr, len(addrs))
	for i, addr := range addrs {
		parsed[i] = netip.MustParseAddr(addr)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[strings.ToLower(name)] = parsed
}

// Break makes every query fail (SERVFAIL) until it is called with false.
func (d *DNS) Break(broken bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = broken
}

// Queries returns how many questions were asked.
func (d *DNS) Queries() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries
}

func (d *DNS) serve(failed func(error)) {
	packet := make([]byte, 1500)
	for {
		n, from, err := d.conn.ReadFrom(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			failed(err)
			return
		}
		answer, err := d.answer(packet[:n])
		if err != nil {
			failed(err)
			continue
		}
		if _, err := d.conn.WriteTo(answer, from); err != nil && !errors.Is(err, net.ErrClosed) {
			failed(err)
		}
	}
}

func (d *DNS) answer(packet []byte) ([]byte, error) {
	var query dnsmessage.Message
	if err := query.Unpack(packet); err != nil {
		return nil, err
	}
	question := query.Questions[0]
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: query.ID, Response: true, Authoritative: true,
			RecursionDesired: query.RecursionDesired, RecursionAvailable: true,
		},
		Questions: query.Questions,
	}
	reply.RCode, reply.Answers = d.find(question)
	return reply.Pack()
}

func (d *DNS) find(question dnsmessage.Question) (dnsmessage.RCode, []dnsmessage.Resource) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queries++
	if d.broken {
		return dnsmessage.RCodeServerFailure, nil
	}
	addrs := d.names[strings.ToLower(strings.TrimSuffix(question.Name.String(), "."))]
	if len(addrs) == 0 {
		return dnsmessage.RCodeNameError, nil
	}
	var records []dnsmessage.Resource
	for _, addr := range shuffled(addrs) {
		if body := record(addr, question.Type); body != nil {
			records = append(records, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: question.Class},
				Body:   body,
			})
		}
	}
	return dnsmessage.RCodeSuccess, records
}

// shuffled gives the addresses in another order every time, as Docker's name
// server does.
func shuffled(addrs []netip.Addr) []netip.Addr {
	turn := int(time.Now().UnixNano()/1000) % len(addrs)
	return append(append([]netip.Addr{}, addrs[turn:]...), addrs[:turn]...)
}

func record(addr netip.Addr, kind dnsmessage.Type) dnsmessage.ResourceBody {
	switch {
	case kind == dnsmessage.TypeA && addr.Is4():
		return &dnsmessage.AResource{A: addr.As4()}
	case kind == dnsmessage.TypeAAAA && addr.Is6():
		return &dnsmessage.AAAAResource{AAAA: addr.As16()}
	default:
		return nil
	}
}
