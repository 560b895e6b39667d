package proxy

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// startServers starts real web servers that have the closed paths of the application, and
// returns their addresses by name: see testdata/servers.
func startServers(t *testing.T) map[string]string {
	t.Helper()
	folder := testkit.Servers(t)
	t.Setenv("PATH", testkit.NodePath(t))
	t.Setenv("NEXT_TELEMETRY_DISABLED", "1")
	addresses := map[string]string{}
	for runtime, program := range map[string]string{"node": "node", "bun": filepath.Join(folder, "bun")} {
		servers := testkit.Start(t, exec.Command(program, filepath.Join(folder, "servers.mjs"), t.TempDir()))
		var ports map[string]json.Number
		servers.Until("the ports", func() bool {
			at := strings.LastIndex(servers.Output.String(), "{\"as it is\"")
			return at >= 0 && json.Unmarshal([]byte(servers.Output.String()[at:]), &ports) == nil
		})
		for name, port := range ports {
			addresses[runtime+": "+name] = net.JoinHostPort("127.0.0.1", port.String())
		}
	}
	port := testkit.FreePort(t)
	command := exec.Command("node", "../node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1", "--port", port)
	command.Dir = filepath.Join(folder, "next")
	testkit.Start(t, command).Expect("Ready in")
	addresses["next"] = net.JoinHostPort("127.0.0.1", port)
	return addresses
}

// closedAnswers sends requests to a server, over a few connections, and returns the closed
// path whose handler has answered, by the number of the request.
func closedAnswers(t *testing.T, address string, requests [][]byte) map[int]string {
	t.Helper()
	var workers sync.WaitGroup
	var mu sync.Mutex
	reached := map[int]string{}
	const parallel = 4
	for worker := range parallel {
		workers.Go(func() {
			client := &rawClient{address: address}
			defer client.close()
			for i := worker; i < len(requests); i += parallel {
				response, err := client.ask(requests[i])
				if err != nil {
					t.Errorf("%q to %s: %v", requests[i], address, err)
					return
				}
				if handler := response.Header.Get("X-Handler"); handler != "" {
					mu.Lock()
					reached[i] = handler
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return reached
}

// rawClient sends requests as they are written, over one connection while that lasts.
// (Behind one that is malformed, servers drop what they have not answered yet.)
type rawClient struct {
	address string
	conn    net.Conn
	answers *bufio.Reader
}

func (c *rawClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn = nil
}

func (c *rawClient) ask(request []byte) (*http.Response, error) {
	if c.conn != nil { // and may have been closed meanwhile
		if response, err := c.once(request); err == nil {
			return response, nil
		}
	}
	conn, err := net.Dial("tcp", c.address)
	if err != nil {
		return nil, err
	}
	c.conn, c.answers = conn, bufio.NewReader(conn)
	return c.once(request)
}

func (c *rawClient) once(request []byte) (*http.Response, error) {
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	response, err := c.exchange(request)
	if err != nil || response.Close {
		c.close()
	}
	return response, err
}

func (c *rawClient) exchange(request []byte) (*http.Response, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.answers, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
	}
	return response, err
}

// The decoders stand for what servers do: where a handler of a real one answers, one of
// them says so.
func TestDecodersReadAsServersDo(t *testing.T) {
	s := newSpeller(6)
	spellings := s.closed(closedTargets(""), 2000, true)
	requests := make([][]byte, len(spellings))
	for i, one := range spellings {
		requests[i] = []byte("GET " + one.target + " HTTP/1.1\r\nHost: site.test\r\n\r\n")
	}
	for name, address := range startServers(t) {
		reached := closedAnswers(t, address, requests)
		for i, handler := range reached {
			if direct := (spelling{on: routes.Platform}); len(direct.findings(spellings[i].target, "")) == 0 {
				t.Errorf("%s: %q is %s, and to no decoder", name, spellings[i].target, handler)
			}
		}
		t.Logf("%s: %d of %d reach something closed", name, len(reached), len(requests))
		if len(reached) < len(requests)/100 {
			t.Errorf("%s: that says nothing", name)
		}
	}
}

// maxSpellingsOnServers bounds the flag for the test below, which sends each again to each
// server.
const maxSpellingsOnServers = 20_000

// TestNoSpellingReachesWhatIsClosedOnServers sends what the proxy lets through to real web
// servers.
func TestNoSpellingReachesWhatIsClosedOnServers(t *testing.T) {
	servers := startServers(t)
	for name, env := range map[string]config.Environ{"at the root": {}, "under a path": {"BASE_PATH": "/tale"}} {
		t.Run(name, func(t *testing.T) {
			c := &recorder{}
			env["PLATFORM_UPSTREAM"] = c.listen(t, routes.Platform)
			p := start(t, env)
			paths := closedTargets(env["BASE_PATH"])
			c.expect(newSpeller(8).closed(paths, max(10_000, len(paths)*min(*spellingsOfEach, maxSpellingsOnServers)), true))
			p.pipeline(c)
			heads := c.heads()
			t.Logf("%d spellings of %d paths, %d different ones let through to %d servers", len(c.spellings), len(paths), len(heads), len(servers))
			if len(heads) < len(c.spellings)/1000 {
				t.Error("that says nothing")
			}
			for server, address := range servers {
				for i, handler := range closedAnswers(t, address, heads) {
					t.Errorf("%s: %s is reached with %q", server, handler, heads[i])
				}
			}
		})
	}
}

// heads returns what has arrived, once for each target.
func (c *recorder) heads() (heads [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[string]bool{}
	for _, s := range c.spellings {
		if s.head != "" && !known[s.arrived] {
			known[s.arrived] = true
			heads = append(heads, []byte(s.head))
		}
	}
	return heads
}
