package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/spf13/cobra"
)

const (
	// actionTime is how long a slow HTTP action takes.
	actionTime = 250 * time.Millisecond
	// siteSlots is how many requests the backend's HTTP-action port serves at once.
	siteSlots = 4
)

// upstreamCommand returns the stand-in for what is behind the proxy, as a process of
// its own: the backend, and the HTTP-action port with its limit.
func upstreamCommand() *cobra.Command {
	var backend, site string
	var equals []string
	c := &cobra.Command{
		Use:    "upstream",
		Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM)
			defer stop()
			handler := backendHandler()
			serve := map[string]http.Handler{}
			for _, address := range equals {
				serve[address] = equalHandler()
			}
			if len(equals) == 0 {
				serve[backend], serve[site] = handler, limited(siteSlots, handler)
			}
			failed := make(chan error, len(serve))
			for address, h := range serve {
				server := &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: time.Minute}
				go func() { failed <- server.ListenAndServe() }()
			}
			select {
			case err := <-failed:
				return err
			case <-ctx.Done():
				return nil
			}
		},
	}
	c.Flags().StringVar(&backend, "backend", "", "address of the backend")
	c.Flags().StringVar(&site, "site", "", "address of the HTTP-action port")
	c.Flags().StringSliceVar(&equals, "equals", nil, "addresses of an application's processes, instead")
	return c
}

// limited serves a few requests at a time, as the HTTP-action port does.
func limited(atOnce int, next http.Handler) http.Handler {
	slots := make(chan struct{}, atOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slots <- struct{}{}
		defer func() { <-slots }()
		next.ServeHTTP(w, r)
	})
}

func backendHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "bench") })
	mux.HandleFunc("/api/echo/sync", echo)
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(actionTime):
			_, _ = io.WriteString(w, "done")
		case <-r.Context().Done():
		}
	}
	mux.HandleFunc("/http/api/slow", slow) // how the backend calls it
	mux.HandleFunc("/api/slow", slow)      // how the HTTP-action port does
	return mux
}

// echo is a WebSocket that says everything back.
func echo(w http.ResponseWriter, r *http.Request) {
	socket, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = socket.CloseNow() }()
	for {
		kind, message, err := socket.Read(r.Context())
		if err != nil || socket.Write(r.Context(), kind, message) != nil {
			return
		}
	}
}

// openSocket does the handshake of a WebSocket, has one message echoed, and keeps
// nothing but the connection: thousands of them must fit into this process.
func openSocket(conn net.Conn, host string) error {
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	const key = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455, section 1.3
	request := "GET /api/echo/sync HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	reader := bufio.NewReaderSize(conn, 1<<10)
	status, err := reader.ReadString('\n')
	if err != nil {
		return fmt.Errorf("cannot open a WebSocket: %w", err)
	}
	if !strings.Contains(status, " 101 ") {
		return fmt.Errorf("cannot open a WebSocket: got %q", status)
	}
	for line := status; strings.TrimSpace(line) != ""; {
		if line, err = reader.ReadString('\n'); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'}); err != nil { // a masked text frame
		return err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(reader, answer); err != nil {
		return fmt.Errorf("cannot talk over a WebSocket: %w", err)
	}
	if string(answer[2:]) != "hi" {
		return fmt.Errorf("cannot talk over a WebSocket: got %q", answer)
	}
	return conn.SetDeadline(time.Time{})
}
