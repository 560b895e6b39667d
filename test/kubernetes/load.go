package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// patience is the longest that an answer may take.
const patience = 15 * time.Second

// visitors ask for pages and files of the site at a steady rate, and hold WebSockets that
// they open again when they are closed.
type visitors struct {
	address string
	paths   []string    // asked for in turn
	secure  *tls.Config // nil for what comes after TLS
	kept    *http.Client
	fresh   *http.Client
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	asked   int
	failed  []string
	slowest time.Duration
	refused []string // handshakes of sockets
	closed  int      // sockets, with a close frame
	lost    []string // sockets, without
	open    int
	wanted  int // sockets that are held
}

// backendPath is one that the backend answers; the rest is the platform's.
const backendPath = "/api/health"

// newVisitors asks for pages and files of the platform, or for what is said.
func newVisitors(address string, paths ...string) *visitors {
	if len(paths) == 0 {
		paths = []string{"/", "/favicon.svg", "/favicon.svg", "/favicon.svg", "/favicon.svg"}
	}
	return &visitors{
		address: address,
		paths:   paths,
		kept:    &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: patience},
		fresh:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience},
	}
}

// by has all come by TLS.
func (v *visitors) by(secure *tls.Config) *visitors {
	v.secure = secure
	for _, client := range []*http.Client{v.kept, v.fresh} {
		client.Transport.(*http.Transport).TLSClientConfig = secure
	}
	return v
}

// start begins the load, after all sockets are open.
func (v *visitors) start(ctx context.Context, rate, sockets int) error {
	ctx, v.stop = context.WithCancel(ctx)
	v.wanted = sockets
	for range sockets {
		v.done.Go(func() { v.hold(ctx) })
	}
	err := eventually(ctx, patience, func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.open < sockets {
			return fmt.Errorf("%d of %d WebSockets are open: %v", v.open, sockets, v.refused[:min(1, len(v.refused))])
		}
		return nil
	})
	if err != nil {
		v.stop()
		return err
	}
	v.note(func() { v.refused, v.lost, v.closed = nil, nil, 0 }) // of before
	v.done.Go(func() { v.ask(ctx, time.Second/time.Duration(rate)) })
	return nil
}

// ask does not wait for answers; what a busy machine delays is left out.
func (v *visitors) ask(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		v.done.Go(func() {
			client, path, began := v.kept, v.paths[i%len(v.paths)], time.Now()
			if i%4 == 3 {
				client = v.fresh
			}
			err := v.once(client, path)
			v.note(func() {
				v.asked++
				v.slowest = max(v.slowest, time.Since(began))
				if err != nil {
					v.failed = append(v.failed, fmt.Sprintf("%s %s: %v", time.Now().Format("15:04:05.000"), path, err))
				}
			})
		})
	}
}

func (v *visitors) note(what func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	what()
}

// once asks to the end, also when the load has ended meanwhile.
func (v *visitors) once(client *http.Client, path string) error {
	scheme := "http://"
	if v.secure != nil {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, scheme+v.address+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Host = site
	request.Header.Set("X-Forwarded-Proto", "https")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// hold opens a WebSocket again and again, as browsers do.
func (v *visitors) hold(ctx context.Context) {
	const pause = 200 * time.Millisecond
	for ctx.Err() == nil {
		what, err := &v.refused, error(nil)
		if reader, hangUp, failed := v.socket(ctx); failed != nil {
			err = failed
		} else {
			what, err = &v.lost, v.untilClosed(reader)
			hangUp()
		}
		if ctx.Err() != nil {
			return
		}
		v.note(func() {
			if err == nil {
				v.closed++
			} else {
				*what = append(*what, fmt.Sprintf("%s %v", time.Now().Format("15:04:05.000"), err))
			}
		})
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// socket opens a WebSocket.
func (v *visitors) socket(ctx context.Context) (reader *bufio.Reader, hangUp func(), err error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", v.address)
	if err != nil {
		return nil, nil, err
	}
	if v.secure != nil {
		conn = tls.Client(conn, v.secure)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	hangUp = func() { stop(); _ = conn.Close() }
	_, err = fmt.Fprintf(conn, "GET /api/1.48.0/sync HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Proto: https\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", site)
	var response *http.Response
	reader = bufio.NewReader(conn)
	if err == nil {
		response, err = http.ReadResponse(reader, nil)
	}
	if err == nil {
		_ = response.Body.Close() // it has none
		if response.StatusCode == http.StatusSwitchingProtocols {
			return reader, hangUp, nil
		}
		err = fmt.Errorf("the WebSocket is answered %s", response.Status)
	}
	hangUp()
	return nil, nil, err
}

// untilClosed returns nil for a WebSocket that ends with a close frame.
func (v *visitors) untilClosed(reader *bufio.Reader) error {
	v.note(func() { v.open++ })
	defer v.note(func() { v.open-- })
	return readToClose(reader)
}

// readToClose reads frames, which a server does not mask.
func readToClose(reader *bufio.Reader) error {
	const opcode, closing, short, long = 0x0f, 0x08, 126, 127
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(reader, head); err != nil {
			return err
		}
		length, extra := int64(head[1]), 0
		switch length {
		case short:
			extra = 2
		case long:
			extra = 8
		}
		more := make([]byte, extra)
		if _, err := io.ReadFull(reader, more); err != nil {
			return err
		}
		if extra > 0 {
			length = 0
		}
		for _, b := range more {
			length = length<<8 | int64(b)
		}
		if head[0]&opcode == closing {
			return nil
		}
		if _, err := io.CopyN(io.Discard, reader, length); err != nil {
			return err
		}
	}
}

// loss is what visitors may lose.
type loss struct {
	requests, sockets, handshakes int
	closes                        bool          // sockets, with a frame: what they go through is replaced
	slowest                       time.Duration // of an answer; 0 for any
}

// finish ends the load and returns what was lost. A socket that is not open by then has been
// waiting for an answer, which nothing else counts.
func (v *visitors) finish(allowed loss) (figure string, err error) {
	var away int
	v.note(func() { away = v.wanted - v.open })
	v.stop()
	v.done.Wait()
	figure = fmt.Sprintf("of %d requests %d lost, the slowest answered after %.1f s; sockets: %d lost, %d closed and %d refused",
		v.asked, len(v.failed), v.slowest.Seconds(), len(v.lost), v.closed, len(v.refused))
	for _, one := range []struct {
		what    string
		list    []string
		allowed int
	}{
		{"requests failed", v.failed, allowed.requests},
		{"WebSockets ended without a close frame", v.lost, allowed.sockets},
		{"WebSockets were refused", v.refused, allowed.handshakes},
	} {
		if len(one.list) > one.allowed {
			err = errors.Join(err, fmt.Errorf("%d %s, at most %d may, from %s to %s", len(one.list), one.what, one.allowed, one.list[0], one.list[len(one.list)-1]))
		}
	}
	if away > allowed.handshakes {
		err = errors.Join(err, fmt.Errorf("%d of %d WebSockets are not open at the end", away, v.wanted))
	}
	if v.closed > 0 && !allowed.closes {
		err = errors.Join(err, fmt.Errorf("%d WebSockets were closed that are to stay open", v.closed))
	}
	if allowed.slowest > 0 && v.slowest > allowed.slowest {
		err = errors.Join(err, fmt.Errorf("an answer took %s, at most %s may it take", v.slowest, allowed.slowest))
	}
	if v.asked == 0 {
		err = errors.Join(err, errors.New("nothing was asked"))
	}
	return figure, err
}
