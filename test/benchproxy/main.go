// Command benchproxy compares the proxy with stock Caddy under the classic
// configuration and with nginx, side by side in one run: throughput, latency,
// CPU time and memory for small and large answers and for posts, over HTTP/1.1
// and HTTP/2; the page of a built application; slow HTTP actions;
// requests spread over several upstreams; idle WebSockets. All traffic stays on loopback.
//
// It needs the built proxy (make build), stock Caddy (make bench-proxy builds it),
// and nginx, wrk and h2load from the distribution.
package main

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/cli"
)

func main() { os.Exit(cli.Main(command())) }
