package main

import (
	"bufio"
	"context"
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
	paths   []string // asked for in turn
	kept    *http.Client
	fresh   *http.Client
	stop    context.CancelFunc
	done    sync.WaitGroup

	mu      sync.Mutex
	asked   int
	failed  []string
	slowest time.Duration
	closed  int      // sockets, with a close frame
	lost    []string // sockets, without, and handshakes that were refused
	open    int
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

// start begins the load, after all sockets are open.
func (v *visitors) start(ctx context.Context, rate, sockets int) error {
	ctx, v.stop = context.WithCancel(ctx)
	for range sockets {
		v.done.Go(func() { v.hold(ctx) })
	}
	err := eventually(ctx, patience, func() error {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.open < sockets {
			return fmt.Errorf("%d of %d WebSockets are open: %v", v.open, sockets, v.lost)
		}
		return nil
	})
	if err != nil {
		v.stop()
		return err
	}
	v.note(func() { v.lost, v.closed = nil, 0 }) // of before
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
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+v.address+path, http.NoBody)
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
		clean, err := v.socket(ctx)
		switch {
		case ctx.Err() != nil:
		case clean:
			v.note(func() { v.closed++ })
		default:
			v.note(func() { v.lost = append(v.lost, fmt.Sprintf("%s %v", time.Now().Format("15:04:05.000"), err)) })
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}

// socket holds one WebSocket, and reports whether it was closed with a close frame.
func (v *visitors) socket(ctx context.Context) (clean bool, err error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", v.address)
	if err != nil {
		return false, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "GET /api/1.48.0/sync HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Proto: https\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", site)
	if err != nil {
		return false, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return false, err
	}
	_ = response.Body.Close() // it has none
	if response.StatusCode != http.StatusSwitchingProtocols {
		return false, fmt.Errorf("the WebSocket is answered %s", response.Status)
	}
	v.note(func() { v.open++ })
	defer v.note(func() { v.open-- })
	return readToClose(reader)
}

// readToClose reads frames, which a server does not mask.
func readToClose(reader *bufio.Reader) (bool, error) {
	const opcode, closing, short, long = 0x0f, 0x08, 126, 127
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(reader, head); err != nil {
			return false, err
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
			return false, err
		}
		if extra > 0 {
			length = 0
		}
		for _, b := range more {
			length = length<<8 | int64(b)
		}
		if head[0]&opcode == closing {
			return true, nil
		}
		if _, err := io.CopyN(io.Discard, reader, length); err != nil {
			return false, err
		}
	}
}

// loss is what visitors may lose.
type loss struct {
	requests, sockets int
	slowest           time.Duration // of an answer; 0 for any
}

// finish ends the load and returns what was lost.
func (v *visitors) finish(allowed loss) (figure string, err error) {
	v.stop()
	v.done.Wait()
	figure = fmt.Sprintf("%d of %d requests and %d sockets lost, %d closed, slowest answer %.1f s",
		len(v.failed), v.asked, len(v.lost), v.closed, v.slowest.Seconds())
	if len(v.failed) > allowed.requests {
		err = fmt.Errorf("%d requests failed, at most %d may: %v", len(v.failed), allowed.requests, v.failed[:min(3, len(v.failed))])
	}
	if len(v.lost) > allowed.sockets {
		err = errors.Join(err, fmt.Errorf("%d WebSockets ended without a close frame, at most %d may: %v", len(v.lost), allowed.sockets, v.lost[:min(3, len(v.lost))]))
	}
	if allowed.slowest > 0 && v.slowest > allowed.slowest {
		err = errors.Join(err, fmt.Errorf("an answer took %s, at most %s may it take", v.slowest, allowed.slowest))
	}
	if v.asked == 0 {
		err = errors.Join(err, errors.New("nothing was asked"))
	}
	return figure, err
}
