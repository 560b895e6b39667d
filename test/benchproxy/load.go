package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// postBytes is the size of a posted body.
const postBytes = 4 << 10

// load is one way to ask.
type load struct {
	answer, protocol string
	connections      int
}

// result is what a contender made of a load.
type result struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
	cpu      time.Duration // of the contender, per request
	memory   int64         // resident afterwards
}

func (l load) path() string { return "/" + l.answer }

// lasts returns a longer time where hundreds of connections must be opened and then wait for
// their share of the bandwidth: most would not get one answer in a second or two.
func (l load) lasts(each time.Duration) time.Duration {
	if l.answer == "large" && l.connections > 64 {
		return 3 * each
	}
	return each
}

// run puts the load on a contender for a while.
func (s *stand) run(ctx context.Context, name string, l load) (result, error) {
	p := s.servers[name]
	before := p.cpu()
	generate := s.wrk
	if l.protocol == "h2" {
		generate = s.h2load
	}
	r, requests, err := generate(ctx, name, l)
	if err != nil {
		return result{}, fmt.Errorf("%s, %+v: %w", name, l, err)
	}
	r.cpu, r.memory = (p.cpu()-before)/time.Duration(max(requests, 1)), p.memory()
	return r, nil
}

// wrk measures HTTP/1.1 with the least expensive generator there is.
func (s *stand) wrk(ctx context.Context, name string, l load) (result, int, error) {
	argv := []string{"-t1", "-c" + strconv.Itoa(l.connections), "-d" + wrkSeconds(l.lasts(s.o.each)), "--latency", "--timeout", "20s"}
	if l.answer == "post" {
		script := filepath.Join(s.work, "post.lua")
		text := fmt.Sprintf("wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = string.rep('x', %d)\n", postBytes)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			return result{}, 0, err
		}
		argv = append(argv, "-s", script)
	}
	output, err := exec.CommandContext(ctx, "wrk", append(argv, s.url(name)+l.path())...).CombinedOutput()
	if err != nil {
		return result{}, 0, fmt.Errorf("wrk: %w: %s", err, output)
	}
	return parseWrk(string(output))
}

// wrkSeconds returns whole seconds: wrk knows no others.
func wrkSeconds(d time.Duration) string {
	return strconv.Itoa(int(max(d.Round(time.Second), time.Second)/time.Second)) + "s"
}

// h2load measures HTTP/2, one request at a time on each connection.
func (s *stand) h2load(ctx context.Context, name string, l load) (result, int, error) {
	log := filepath.Join(s.work, "h2load.log")
	_ = os.Remove(log)
	argv := []string{"-t1", "-c" + strconv.Itoa(l.connections), "-m1", "-D" + strconv.FormatInt(l.lasts(s.o.each).Milliseconds(), 10) + "ms", "--log-file", log}
	if l.answer == "post" {
		body := filepath.Join(s.work, "post.body")
		if err := os.WriteFile(body, []byte(strings.Repeat("x", postBytes)), 0o600); err != nil {
			return result{}, 0, err
		}
		argv = append(argv, "-d", body, "-H", "content-type: application/json")
	}
	output, err := exec.CommandContext(ctx, "h2load", append(argv, s.url(name)+l.path())...).CombinedOutput()
	if err != nil {
		return result{}, 0, fmt.Errorf("h2load: %w: %s", err, output)
	}
	if !strings.Contains(string(output), " 0 failed, 0 errored") {
		return result{}, 0, fmt.Errorf("h2load: requests failed: %s", output)
	}
	file, err := os.Open(log)
	if err != nil {
		return result{}, 0, err
	}
	defer file.Close()
	return parseH2Log(file, l.lasts(s.o.each))
}
