package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// errNoAnswer is a load that nobody answered: no figure of it means anything.
var errNoAnswer = errors.New("no request was answered")

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in ([\d.]+(?:us|ms|s|m|h))`)
	wrkLatency  = regexp.MustCompile(`(50|99)%\s+([\d.]+(?:us|ms|s|m|h))\n`)
	wrkTrouble  = regexp.MustCompile(`(Non-2xx.*|Socket errors.*)\n`)
)

// parseWrk reads what wrk prints with --latency. Its units are Go's.
func parseWrk(output string) (r result, requests int, err error) {
	if trouble := wrkTrouble.FindString(output); trouble != "" {
		return r, 0, errors.New(strings.TrimSpace(trouble))
	}
	count := wrkRequests.FindStringSubmatch(output)
	if count == nil {
		return r, 0, fmt.Errorf("cannot read wrk's output: %s", output)
	}
	requests, err = strconv.Atoi(count[1])
	wall, parsed := time.ParseDuration(count[2])
	if err := errors.Join(err, parsed); err != nil {
		return r, 0, fmt.Errorf("cannot read wrk's output: %w", err)
	}
	if requests == 0 || wall == 0 {
		return r, 0, errNoAnswer
	}
	r.rate = float64(requests) / wall.Seconds()
	for _, found := range wrkLatency.FindAllStringSubmatch(output, -1) {
		value, err := time.ParseDuration(found[2])
		if err != nil {
			return r, 0, fmt.Errorf("cannot read wrk's output: %w", err)
		}
		if found[1] == "50" {
			r.p50 = value
		} else {
			r.p99 = value
		}
	}
	return r, requests, nil
}

// parseH2Log reads one line per request: start, status, duration in microseconds.
func parseH2Log(log io.Reader, wall time.Duration) (r result, requests int, err error) {
	var took []int
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[1] != "200" {
			return r, 0, fmt.Errorf("h2load: a request ended with %q", lines.Text())
		}
		micros, err := strconv.Atoi(fields[2])
		if err != nil {
			return r, 0, fmt.Errorf("cannot read h2load's log: %w", err)
		}
		took = append(took, micros)
	}
	if err := lines.Err(); err != nil {
		return r, 0, fmt.Errorf("cannot read h2load's log: %w", err)
	}
	if len(took) == 0 {
		return r, 0, errNoAnswer
	}
	slices.Sort(took)
	r.rate = float64(len(took)) / wall.Seconds()
	r.p50, r.p99 = time.Duration(took[len(took)/2])*time.Microsecond, time.Duration(took[len(took)*99/100])*time.Microsecond
	return r, len(took), nil
}
