package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// wrkOutput returns what wrk 4.1.0 prints, with these in place of what it says of the
// latencies, the requests and the troubles.
func wrkOutput(p50, p99, requests, trouble string) string {
	return `Running 1s test @ https://localhost:9001/large
  1 threads and 2 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.22ms    1.25ms  13.52ms   90.66%
    Req/Sec     1.45k   259.47     1.72k    70.00%
  Latency Distribution
     50%    ` + p50 + `
     75%    1.07ms
     90%    2.41ms
     99%    ` + p99 + `
  ` + requests + `, 1.42GB read
` + trouble + `Requests/sec:   1441.04
Transfer/sec:      1.41GB
`
}

func TestParseWrk(t *testing.T) {
	tests := map[string]struct {
		output   string
		rate     float64
		p50, p99 time.Duration
	}{
		"usual":  {wrkOutput("0.89ms", "6.54ms", "1500 requests in 1.25s", ""), 1200, 890 * time.Microsecond, 6540 * time.Microsecond},
		"fast":   {wrkOutput("22.00us", "2.03ms", "50000 requests in 500.00ms", ""), 100000, 22 * time.Microsecond, 2030 * time.Microsecond},
		"slow":   {wrkOutput("1.26s", "1.10m", "120 requests in 2.00m", ""), 1, 1260 * time.Millisecond, 66 * time.Second},
		"hourly": {wrkOutput("1.00s", "2.00s", "7200 requests in 1.00h", ""), 2, time.Second, 2 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, _, err := parseWrk(tt.output)
			if err != nil || r.rate != tt.rate || r.p50 != tt.p50 || r.p99 != tt.p99 {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestParseWrkRefusesWhatProvesNothing(t *testing.T) {
	tests := map[string]struct{ output, want string }{
		"errors":    {wrkOutput("22.00us", "2.03ms", "49063 requests in 1.00s", "  Non-2xx or 3xx responses: 49063\n"), "Non-2xx or 3xx responses: 49063"},
		"sockets":   {wrkOutput("22.00us", "2.03ms", "49063 requests in 1.00s", "  Socket errors: connect 0, read 2, write 0, timeout 1\n"), "Socket errors: connect 0, read 2, write 0, timeout 1"},
		"no answer": {wrkOutput("0.00us", "0.00us", "0 requests in 2.01s", ""), errNoAnswer.Error()},
		"garbage":   {"unable to connect to localhost:1 Connection refused\n", "cannot read wrk's output"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if r, _, err := parseWrk(tt.output); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestParseH2Log(t *testing.T) {
	r, requests, err := parseH2Log(strings.NewReader("1795803746747193\t200\t794\n1795803746747197\t200\t1293\n1795803746748003\t200\t530\n"), 2*time.Second)
	if err != nil || requests != 3 || r.rate != 1.5 || r.p50 != 794*time.Microsecond || r.p99 != 1293*time.Microsecond {
		t.Errorf("got %+v, %d requests, %v", r, requests, err)
	}
	if _, _, err := parseH2Log(strings.NewReader(""), time.Second); !errors.Is(err, errNoAnswer) {
		t.Errorf("nothing: %v", err)
	}
	for _, log := range []string{"1795803746747193\t502\t794\n", "1795803746747193\t-1\t794\n", "1795803746747193\t200\n", "1795803746747193\t200\tsoon\n"} {
		if _, _, err := parseH2Log(strings.NewReader(log), time.Second); err == nil {
			t.Errorf("%q is taken", log)
		}
	}
}
