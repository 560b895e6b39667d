package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/test/builtapp"
)

const (
	// pageVisitors load the page at the same time.
	pageVisitors = 16
	// browserEncodings is what current browsers send.
	browserEncodings = "gzip, deflate, br, zstd"
	pagePath         = "/app.html"
	// compressTime is how long our own proxy may take to compress all parts, in the
	// background.
	compressTime = 3 * time.Minute
)

// pageLoad is what a contender made of page loads.
type pageLoad struct {
	rate  float64       // pages per second
	cpu   time.Duration // of the contender, per page
	bytes float64       // on the wire, per page
}

// writeApp puts the built application where the upstream serves from.
func (s *stand) writeApp() error {
	s.app = builtapp.New(1)
	assets := filepath.Join(s.work, "assets")
	if err := os.Mkdir(assets, 0o755); err != nil { //nolint:gosec // nginx's workers have another user
		return err
	}
	files := map[string]string{pagePath: s.app.Page}
	for name, text := range s.app.Files {
		files[name] = text
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(s.work, name), []byte(text), 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// comparePages has visitors load the page with all its parts, over HTTP/2 as
// browsers do, none of which they have yet.
func (s *stand) comparePages(ctx context.Context, out io.Writer) error {
	if err := s.awaitCompressed(ctx); err != nil {
		return err
	}
	loads := map[string][]pageLoad{}
	for round := range s.o.rounds {
		for i := range contenders {
			name := contenders[(i+round)%len(contenders)]
			one, err := s.loadPages(ctx, name, browserEncodings)
			if err != nil {
				return fmt.Errorf("%s: pages: %w", name, err)
			}
			loads[name] = append(loads[name], one)
		}
	}
	gzip, err := s.loadPages(ctx, stock, "gzip")
	if err != nil {
		return err
	}
	t := newTable(out, fmt.Sprintf("a page with %d scripts of %.1f MB, %d visitors", len(s.app.Names), float64(builtapp.Bytes)/1e6, pageVisitors),
		"pages/s", "CPU/page", "MB/page", "× stock: pages/s", "CPU", "× nginx: pages/s", "× gzip's bytes")
	for _, name := range contenders {
		all := loads[name]
		t.row(name, fmt.Sprintf("%.1f", median(all, pageRate)), short(median(all, pageCPU)), fmt.Sprintf("%.2f", median(all, pageBytes)/1e6),
			pageRatio(all, loads[stock], pageRate), pageRatio(all, loads[stock], pageCPU), pageRatio(all, loads[nginx], pageRate),
			fmt.Sprintf("%.2f", median(all, pageBytes)/gzip.bytes))
	}
	return t.end()
}

func pageRate(l pageLoad) float64  { return l.rate }
func pageCPU(l pageLoad) float64   { return float64(l.cpu) }
func pageBytes(l pageLoad) float64 { return l.bytes }

func pageRatio(these, those []pageLoad, figure func(pageLoad) float64) string {
	var pairs []float64
	for i := range min(len(these), len(those)) {
		pairs = append(pairs, figure(these[i])/figure(those[i]))
	}
	return fmt.Sprintf("%.3g", median(pairs, func(f float64) float64 { return f }))
}

// awaitCompressed asks for all parts until each comes from the store, as for every
// visitor but the first ones after a deployment.
func (s *stand) awaitCompressed(ctx context.Context) error {
	client := s.client()
	defer client.CloseIdleConnections()
	return awaitFor(ctx, compressTime, "the parts are not compressed", func(ctx context.Context) error {
		for _, name := range s.app.Names {
			request, err := http.NewRequestWithContext(ctx, http.MethodHead, s.url(ours)+name, nil)
			if err != nil {
				return err
			}
			request.Header.Set("Accept-Encoding", browserEncodings)
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			_ = response.Body.Close()
			if got := response.Header.Get("Content-Encoding"); got != "br" {
				return fmt.Errorf("%s comes as %q", name, got)
			}
		}
		return nil
	})
}

// loadPages loads the page a few times per visitor: more often where that is quick,
// so that it lasts about as long for each contender.
func (s *stand) loadPages(ctx context.Context, name, encodings string) (pageLoad, error) {
	list := filepath.Join(s.work, "page.urls")
	var urls strings.Builder
	for _, path := range append([]string{pagePath}, s.app.Names...) {
		fmt.Fprintln(&urls, s.url(name)+path)
	}
	if err := os.WriteFile(list, []byte(urls.String()), 0o600); err != nil {
		return pageLoad{}, err
	}
	pages := pageVisitors
	for {
		one, took, err := s.loadSome(ctx, name, encodings, list, pages)
		if err != nil || took >= s.o.each {
			return one, err
		}
		pages *= max(2, min(16, int(1.5*float64(s.o.each)/float64(took))))
	}
}

var (
	h2Finished = regexp.MustCompile(`finished in ([\d.]+(?:us|ms|s|m))`)
	h2Traffic  = regexp.MustCompile(`traffic: .*?\((\d+)\) total`)
)

func (s *stand) loadSome(ctx context.Context, name, encodings, list string, pages int) (one pageLoad, took time.Duration, err error) {
	p := s.servers[name]
	before := p.cpu()
	requests := pages * (len(s.app.Names) + 1)
	output, err := exec.CommandContext(ctx, "h2load", "-t1", "-c"+strconv.Itoa(pageVisitors), "-m32", "-n"+strconv.Itoa(requests), "-i", list,
		"-H", "accept-encoding: "+encodings).CombinedOutput()
	if err != nil {
		return one, 0, fmt.Errorf("h2load: %w: %s", err, output)
	}
	finished, traffic := h2Finished.FindSubmatch(output), h2Traffic.FindSubmatch(output)
	if finished == nil || traffic == nil || !strings.Contains(string(output), fmt.Sprintf("%d succeeded, 0 failed, 0 errored", requests)) {
		return one, 0, fmt.Errorf("h2load: %s", output)
	}
	took, err = time.ParseDuration(string(finished[1]))
	if err != nil {
		return one, 0, err
	}
	total, err := strconv.ParseFloat(string(traffic[1]), 64)
	n := float64(pages)
	return pageLoad{rate: n / took.Seconds(), cpu: time.Duration(float64(p.cpu()-before) / n), bytes: total / n}, took, err
}
