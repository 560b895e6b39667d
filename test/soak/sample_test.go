package soak

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sample is what the proxy holds at one moment.
type sample struct {
	memory     float64 // resident, MiB
	heap       float64 // in use, MiB
	goroutines float64
	files      float64
	tunnels    float64
	assets     float64 // kept on the disk, MiB
}

func (s sample) String() string {
	return fmt.Sprintf("memory %.1f MiB, heap %.1f MiB, %.0f goroutines, %.0f files, %.0f tunnels, %.1f MiB of assets", s.memory, s.heap, s.goroutines, s.files, s.tunnels, s.assets)
}

// measures are what must not grow, with what they vary by anyway.
var measures = []struct {
	name  string
	of    func(sample) float64
	slack float64
}{
	{"memory in MiB", func(s sample) float64 { return s.memory }, 8},
	{"heap in MiB", func(s sample) float64 { return s.heap }, 4},
	{"goroutines", func(s sample) float64 { return s.goroutines }, 40},
	{"open files", func(s sample) float64 { return s.files }, 30},
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// watch samples until the context ends.
func (p *proxyProcess) watch(ctx context.Context, t *testing.T) (samples []sample) {
	tick := time.NewTicker(sampled)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return samples
		case <-tick.C:
		}
		samples = append(samples, p.sample(t))
		if i%6 == 0 {
			t.Log(time.Now().Format(time.TimeOnly), samples[len(samples)-1])
		}
	}
}

// sample asks the proxy's own metrics, and the system.
func (p *proxyProcess) sample(t *testing.T) (s sample) {
	t.Helper()
	response, err := http.Get("http://" + p.Health + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		number, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			s.goroutines = number
		case "go_memstats_heap_inuse_bytes":
			s.heap = number / (1 << 20)
		case "tale_proxy_tunnels_open":
			s.tunnels = number
		case "tale_proxy_assets_bytes":
			s.assets = number / (1 << 20)
		}
	}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.Pid))
	s.files = float64(len(files))
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			s.memory = kib / 1024
		}
	}
	if s.assets > assetsLimit>>20 {
		t.Errorf("more assets are kept than may be: %v", s)
	}
	if s.goroutines == 0 || s.heap == 0 || s.memory == 0 || s.files == 0 {
		t.Fatalf("the proxy cannot be measured: %v", s)
	}
	return s
}
