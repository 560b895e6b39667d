package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/test/visitors"
)

const (
	uploadSize    = 1 << 20
	downloadTakes = 20 // seconds
	downloadEvery = 2 * time.Second
	// patience is the longest that an answer may take, and a download beside its own time.
	patience = 15 * time.Second
)

// load are visitors of the site at its published port.
type load struct {
	site    string
	clients [2]*http.Client // HTTP/1.1, HTTP/2
	address string
	roots   *tls.Config

	stop    chan struct{}
	pending sync.WaitGroup
	times   visitors.Times

	mu        sync.Mutex
	failures  []failure
	asked     int
	downloads int
}

type failure struct {
	at   time.Time
	what string
}

// newLoad reads the proxy's root certificate and returns visitors that trust it.
func (s *stack) newLoad(ctx context.Context) (*load, error) {
	root, err := docker(ctx, "exec", s.id+"-convex", "cat", "/proxy-ca/root.crt")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(root)) {
		return nil, errors.New("the proxy has no root certificate")
	}
	l := &load{site: s.site, address: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.https)), stop: make(chan struct{}),
		roots: &tls.Config{RootCAs: pool, ServerName: hostname, MinVersion: tls.VersionTLS12}}
	for i := range l.clients {
		transport := &http.Transport{TLSClientConfig: l.roots.Clone(), ForceAttemptHTTP2: i == 1, MaxIdleConnsPerHost: 64}
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.address)
		}
		l.clients[i] = &http.Client{Transport: transport}
	}
	return l, nil
}

// every asks at a rate, whatever becomes of the answers. What a busy machine delays is
// made up for.
func (l *load) every(interval time.Duration, ask func(i int)) {
	l.pending.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		began, i := time.Now(), 0
		for {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			for ; began.Add(time.Duration(i) * interval).Before(time.Now()); i++ {
				l.pending.Go(func() { ask(i) })
			}
		}
	})
}

// mixed is a rate of pages, small answers and uploads, and long downloads beside them.
func (l *load) mixed(rate int) {
	l.every(time.Second/time.Duration(rate), func(i int) {
		client := l.clients[i/10%2]
		switch {
		case i%10 == 0:
			l.once(l.clients[0], http.MethodPost, "/soak/upload", make([]byte, uploadSize), strconv.Itoa(uploadSize))
		case i%10 < 3:
			l.once(client, http.MethodGet, "/", nil, "")
		default:
			l.once(client, http.MethodGet, "/about.json", nil, "")
		}
	})
	l.every(downloadEvery, func(int) { l.download() })
}

// once asks for something and notes how long the answer took, or that it failed.
func (l *load) once(client *http.Client, method, path string, body []byte, want string) {
	began := time.Now()
	answer, err := l.ask(client, patience, method, path, body)
	if err == nil && want != "" && string(answer) != want {
		err = fmt.Errorf("it answers %q instead of %q", answer, want)
	}
	l.times.Add(began, time.Since(began))
	l.note(began, method+" "+path, err)
}

func (l *load) download() {
	began := time.Now()
	path := fmt.Sprintf("/soak/download?seconds=%d", downloadTakes)
	_, err := l.ask(l.clients[0], downloadTakes*time.Second+patience, http.MethodGet, path, nil)
	l.mu.Lock()
	l.downloads++
	l.mu.Unlock()
	l.note(began, path, err)
}

func (l *load) note(began time.Time, what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if err != nil {
		now := time.Now()
		l.failures = append(l.failures, failure{now, fmt.Sprintf("%s sent at %s failed at %s: %v", what, began.Format("05.000"), now.Format("15:04:05.000"), err)})
	}
}

func (l *load) ask(client *http.Client, limit time.Duration, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, l.site+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/html")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return answer, err
}

// hold opens WebSockets to the backend.
func (l *load) hold(count int) (*visitors.Sockets, error) {
	return visitors.OpenSockets(count, visitors.Socket{Address: l.address, Host: hostname, TLS: l.roots, Path: "/api/1.48.0/sync"})
}

// failed returns what has failed so far.
func (l *load) failed() []failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]failure(nil), l.failures...)
}

// finish waits for the last answers.
func (l *load) finish() {
	close(l.stop)
	l.pending.Wait()
	for _, client := range l.clients {
		client.CloseIdleConnections()
	}
}

// probe asks for the page all the time, ten times a second.
func (l *load) probe() {
	l.every(100*time.Millisecond, func(i int) { l.once(l.clients[i%2], http.MethodGet, "/", nil, "") })
}
