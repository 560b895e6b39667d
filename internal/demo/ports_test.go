package demo

import (
	"net"
	"testing"
)

func TestPortsAreDistinctAndFree(t *testing.T) {
	var p ports
	if err := p.choose(); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range p.all() {
		if *port == 0 || seen[*port] {
			t.Errorf("port %d in %+v", *port, p)
		}
		seen[*port] = true
		listener, err := net.Listen("tcp", loopback(*port))
		if err != nil {
			t.Errorf("not free: %v", err)
			continue
		}
		_ = listener.Close()
	}
}

func TestPortsStayWhileTheyAreFree(t *testing.T) {
	var p ports
	if err := p.choose(); err != nil {
		t.Fatal(err)
	}
	before := p
	taken, err := net.Listen("tcp", loopback(p.Web))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	if err := p.choose(); err != nil {
		t.Fatal(err)
	}
	if p.Web == before.Web {
		t.Errorf("the port %d, which is taken, was kept", p.Web)
	}
	p.Web = before.Web
	if p != before {
		t.Errorf("free ports changed: %+v, then %+v", before, p)
	}
}
