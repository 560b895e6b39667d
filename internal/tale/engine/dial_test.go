package engine_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const echoFile = `
services:
  db:
    container_name: %[1]s-echo
    image: %[2]s
    init: true
    command: [perl, -MIO::Socket, -e, '$$s=IO::Socket::INET->new(LocalPort=>7,Listen=>9,ReuseAddr=>1);while($$c=$$s->accept){if(!fork){while(sysread $$c,$$_,65536){syswrite $$c,$$_}exit}}']
    networks: {internal: {aliases: [echo]}}
    pull_policy: never
networks: {internal: {name: %[1]s, external: true}}
`

// A port that no host can reach is reached from the network of its container, also where
// the engine is elsewhere, and nothing of that stays.
func TestRealDial(t *testing.T) {
	testkit.EngineImage(t)
	self := testkit.BuildWithoutCgo(t, "./testdata/helper")
	e, image, name := real(t, engine.Options{Self: self})
	if err := e.CreateNetwork(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(t.TempDir(), "file.yml"), fmt.Sprintf(echoFile, name, image))
	if err := e.Up(t.Context(), engine.UpOptions{Project: name, File: path}); err != nil {
		t.Fatal(err)
	}
	far := newProxy(t, "/var/run/docker.sock")
	remote := connect(t, engine.Options{Host: "tcp://" + far.Addr().String(), Self: self})
	for _, dialler := range []*engine.Engine{e, remote} {
		conn := must[net.Conn](t)(dialler.Dial(t.Context(), name, "echo:7"))
		sent := make([]byte, 3<<20)
		for i := range sent {
			sent[i] = byte(rand.Uint32())
		}
		go func() { _, _ = conn.Write(sent) }()
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(sent, got) {
			t.Errorf("not what was sent: %v", err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := conn.Read(got); err == nil || conn.RemoteAddr().String() != "echo:7" {
			t.Errorf("read without an end, of %s", conn.RemoteAddr())
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, address := range []string{"echo:8", "nowhere:7"} {
		_, err := e.Dial(t.Context(), name, address)
		if exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), address) {
			t.Errorf("%s: %d, %v", address, exit.Code(err), err)
		}
	}
	helper := must[string](t)(e.ImportHelper(t.Context()))
	testkit.Eventually(t, "no helper stays", func() bool {
		return !slices.ContainsFunc(must[[]engine.Container](t)(e.Everything(t.Context())), func(c engine.Container) bool { return c.Image == helper })
	})
	if err := e.RemoveImage(t.Context(), helper); err != nil {
		t.Error(err)
	}
}
