package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// simulator is a convex-sim process with a folder of its own.
type simulator struct {
	command          *exec.Cmd
	url, folder      string
	instance, secret string
	adminKey         string
}

func (b *bench) startSimulator(ctx context.Context, name string) (*simulator, error) {
	s := &simulator{
		folder: filepath.Join(b.work, strings.Map(letters, name)), instance: convexsim.DefaultInstanceName, secret: convexsim.DefaultInstanceSecret,
	}
	var err error
	if err = os.Mkdir(s.folder, 0o755); err != nil {
		return nil, err
	}
	if s.adminKey, err = adminkey.Mint(s.instance, s.secret); err != nil {
		return nil, err
	}
	ports, err := freePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	s.url = "http://127.0.0.1:" + ports[0]
	s.command = exec.CommandContext(ctx, filepath.Join(b.bin, "convex-sim"), filepath.Join(s.folder, "db.sqlite3"),
		"--interface", "127.0.0.1", "--port", ports[0], "--site-proxy-port", ports[1], "--local-storage", s.folder)
	s.command.Dir, s.command.Env = b.work, b.environ()
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	return s, s.await(ctx)
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return '-'
}

func freePorts(ctx context.Context, n int) ([]string, error) {
	var ports []string
	for range n {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = listener.Close() }()
		if address, ok := listener.Addr().(*net.TCPAddr); ok {
			ports = append(ports, strconv.Itoa(address.Port))
		}
	}
	return ports, nil
}

// await returns when the simulator answers.
func (s *simulator) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		_, err := s.ask(ctx, http.MethodGet, "/version")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			s.stop()
			return fmt.Errorf("the simulator does not answer: %w", err)
		case <-retry.C:
		}
	}
}

func (s *simulator) ask(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}

// forget empties the simulator's log of requests.
func (s *simulator) forget(ctx context.Context) {
	_, _ = s.ask(ctx, http.MethodDelete, "/_sim/requests")
}

// requests counts the writes to the simulator since forget.
func (s *simulator) requests(ctx context.Context) (writes int) {
	body, err := s.ask(ctx, http.MethodGet, "/_sim/requests")
	var log []convexsim.Request
	if err != nil || json.Unmarshal(body, &log) != nil {
		return -1
	}
	for _, r := range log {
		if r.Stage == fault.StageEnvUpdate || r.Stage == fault.StageStartPush || r.Stage == fault.StageFinishPush {
			writes++
		}
	}
	return writes
}

func (s *simulator) stop() {
	_ = s.command.Process.Signal(syscall.SIGINT)
	_ = s.command.Wait() // it was ended by us
}
