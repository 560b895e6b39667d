package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// filesSpare is how many file descriptors a process needs beside its sockets.
const filesSpare = 300

// compareSockets opens WebSockets over TLS, one message each, and lets them be
// idle. The two proxies have fresh processes: memory that a load left behind
// would be taken for the sockets'.
func (s *stand) compareSockets(ctx context.Context, out io.Writer) error {
	count := s.o.sockets
	if limit := openFiles(); 2*count+filesSpare > limit {
		count = (limit - filesSpare) / 2
		_, _ = fmt.Fprintf(out, "a process may have %d files open: %d sockets instead of %d (raise it: ulimit -n)\n", limit, count, s.o.sockets)
	}
	t := newTable(out, fmt.Sprintf("%d idle WebSockets over TLS", count), "memory without", "with", "per socket")
	for _, name := range []string{stock, ours} {
		s.servers[name].stop()
		if name == ours {
			s.forgetData()
		}
		if err := s.startContender(ctx, name); err != nil {
			return err
		}
		without, with, err := s.sockets(ctx, name, count)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.row(name, mebibytes(without), mebibytes(with), fmt.Sprintf("%.1f KiB", float64(with-without)/1024/float64(count)))
	}
	return t.end()
}

// openFiles raises this process' limit, which its children inherit, as far as it
// goes.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 1024
	}
	for _, want := range []uint64{1 << 20, limit.Max} {
		if raised := (syscall.Rlimit{Cur: want, Max: max(want, limit.Max)}); syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised) == nil {
			return int(min(want, 1<<20)) //nolint:gosec // bounded
		}
	}
	return int(min(limit.Cur, 1<<20)) //nolint:gosec // bounded
}

// dialers bounds the handshakes that are under way at once.
const dialers = 32

func (s *stand) sockets(ctx context.Context, name string, count int) (without, with int64, err error) {
	if !pause.For(ctx, settle) {
		return 0, 0, ctx.Err()
	}
	without = s.servers[name].memory()
	conns := make([]net.Conn, count)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}()
	group, dialing := errgroup.WithContext(ctx)
	group.SetLimit(dialers)
	for i := range conns {
		group.Go(func() (err error) {
			conns[i], err = s.openOne(dialing, name)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	if !pause.For(ctx, settle) {
		return 0, 0, ctx.Err()
	}
	return without, s.servers[name].memory(), nil
}

func (s *stand) openOne(ctx context.Context, name string) (net.Conn, error) {
	plain, err := dialLoopback(ctx, "tcp", s.host(name))
	if err != nil {
		return nil, err
	}
	conn := tls.Client(plain, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"http/1.1"}}) //nolint:gosec // a server of our own, on loopback
	if err := conn.HandshakeContext(ctx); err != nil {
		return conn, err
	}
	return conn, openSocket(conn, s.host(name))
}
