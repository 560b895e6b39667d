// Command standin stands in for images that cannot be had where the end-to-end test runs:
// the Python services, and the web application as the shell entrypoints ran it. It
// answers their health routes, and is the curl of their health checks.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// drain is how long the web application answers after a stop request, saying that it
// goes.
const drain = 2 * time.Second

func main() {
	run := serve
	if filepath.Base(os.Args[0]) == "curl" {
		run = ask
	}
	if err := run(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask returns an error unless the URL answers well, as curl -f does.
func ask(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get(url) //nolint:noctx // the client's timeout bounds it
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode >= http.StatusBadRequest {
		return errors.New(answer.Status)
	}
	return nil
}

// serve answers as a service does until it is stopped.
func serve(service string) error {
	port, health, well := stack.PlatformPort, stack.PlatformHealth, func() bool { return true }
	if service != stack.Platform {
		// Well while it can read the folder that convex shares with it.
		health, well = "/health", func() bool {
			_, err := os.Stat("/app/platform-config/convex")
			return err == nil
		}
	}
	switch service {
	case stack.RAG:
		port = stack.RAGPort
	case stack.Crawler:
		port = stack.CrawlerPort
	}
	var going atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc(health, func(w http.ResponseWriter, _ *http.Request) {
		if going.Load() || !well() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "%s of another make, version %s\n", service, os.Getenv("TALE_VERSION")) // to one who may have gone
	})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	if err := os.WriteFile(filepath.Join(os.TempDir(), stack.ReadyMarker(service)), nil, 0o600); err != nil {
		return err
	}
	_, _ = io.WriteString(os.Stdout, service+" is ready\n")
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	going.Store(true)
	if service == stack.Platform {
		<-time.After(drain)
	}
	quiet, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return server.Shutdown(quiet)
}
