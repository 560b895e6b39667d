package assets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/target"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
)

const (
	// largest is the largest file that is kept, unless the limit of all is less than
	// eight of that.
	largest = 32 << 20
	// fetchTimeout is for a whole file.
	fetchTimeout = 30 * time.Second
	// largestHeader bounds what a record holds of an answer.
	largestHeader = 8 << 10
	// refusalTime is how long a file is not asked for again after an answer that could
	// not be kept.
	refusalTime = time.Minute
	// noVisitor is an address that nobody has (RFC 5737). Some applications take a request
	// that comes for no visitor for one of their own network, and show it more.
	noVisitor = "192.0.2.1"
)

// job is a file to ask an address of the upstream for.
type job struct {
	path, address string
	version       uint64
	missing       bool // a visitor was answered that it is not there
}

// fetcher gets files from the application, one after the other.
type fetcher struct {
	store    *store
	client   *http.Client
	host     string
	header   http.Header // of its requests
	base     string
	others   target.Patterns // that visitors do not reach the application by
	queue    *queue[job]
	compress func(path string)

	mu      sync.Mutex
	refused map[string]time.Time // paths, with the end of their refusal
}

func newFetcher(s *store, h *Handler, compress func(path string)) *fetcher {
	f := &fetcher{store: s, host: h.Host, base: h.BasePath, others: target.NewPatterns(h.Elsewhere), queue: newQueue[job](), compress: compress, refused: map[string]time.Time{}}
	f.header = http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"identity"}, "User-Agent": {"tale-proxy"}, "X-Forwarded-For": {noVisitor}, "X-Real-Ip": {noVisitor}, "X-Forwarded-Proto": {h.Scheme}, "X-Forwarded-Host": {h.Host}}
	if h.BasePath != "" {
		f.header.Set("X-Forwarded-Prefix", h.BasePath)
	}
	// Each file has a connection of its own: what a server sends behind an answer would be
	// the next file, for everybody.
	f.client = httpclient.New(&http.Transport{DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 4 * largestHeader, ResponseHeaderTimeout: fetchTimeout / 2})
	f.client.Timeout = fetchTimeout
	return f
}

// want has a file fetched, unless that is known to be in vain, or visitors do not reach
// the application by its path: what they write into pages must not become requests that
// they cannot make.
func (f *fetcher) want(j job) {
	if f.others.Match(j.path) {
		return
	}
	if one := f.store.find(j.path); one != nil && one.checked.Load() == j.version {
		return
	}
	f.mu.Lock()
	refused := time.Now().Before(f.refused[j.path])
	f.mu.Unlock()
	if !refused {
		f.queue.add(j)
	}
}

func (f *fetcher) refuse(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.refused) >= queueLimit {
		clear(f.refused)
	}
	f.refused[path] = time.Now().Add(refusalTime)
}

func (f *fetcher) run(ctx context.Context) {
	for {
		j, ok := f.queue.next(ctx)
		if !ok {
			return
		}
		one := f.store.find(j.path)
		if one != nil && one.checked.Load() == j.version {
			continue
		}
		switch err := f.fetch(ctx, j, one); {
		case errors.Is(err, errStale):
			f.queue.add(j)
		case err != nil && ctx.Err() == nil:
			f.refuse(j.path)
			f.store.log.Debug("asset not kept", "path", j.path, "address", j.address, "error", err)
		}
	}
}

var (
	errNotKeepable = errors.New("the answer may not be kept")
	errTooLarge    = errors.New("it is too large")
	errNotThere    = errors.New("it is not there")
)

// fetch asks for a file, and keeps it or notes that what is kept is the same.
func (f *fetcher) fetch(ctx context.Context, j job, old *file) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.address+"/", http.NoBody)
	if err != nil {
		return err
	}
	request.URL.Path, request.Host, request.Header = j.path, f.host, f.header
	response, err := f.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	k := kindOf(j.path)
	switch {
	case isMissing(response.StatusCode, response.Header):
		if j.missing && old != nil && response.StatusCode < http.StatusInternalServerError {
			old.checked.Store(j.version)
			return nil
		}
		return errNotThere // what is kept is for this
	case !keepable(k, response.StatusCode, response.Header) || !delimited(response) || sizeOf(response.Header) > largestHeader:
		if old != nil && response.StatusCode == http.StatusOK {
			f.store.forget(old)
		}
		return errNotKeepable
	}
	return f.keep(j, k, old, response)
}

// delimited reports whether the end of an answer can be told from a connection that
// broke.
func delimited(response *http.Response) bool {
	return response.ContentLength >= 0 || slices.Contains(response.TransferEncoding, "chunked")
}

func sizeOf(header http.Header) (n int) {
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n
}

func (f *fetcher) keep(j job, k kind, old *file, response *http.Response) error {
	limit := min(largest, f.store.limit/8)
	if response.ContentLength > limit {
		return errTooLarge
	}
	temp, err := f.store.temporary()
	if err != nil {
		return f.store.cannot(err)
	}
	defer discard(temp)
	counted := newSummed(temp)
	found := &references{base: f.base, from: j.path, found: func(path string) {
		f.want(job{path: path, address: j.address, version: j.version})
	}}
	to := io.Writer(counted)
	if kind := mediaType(response.Header); compressible(response.Header) && kind != "image/svg+xml" {
		to = io.MultiWriter(counted, found)
	}
	n, err := io.Copy(to, io.LimitReader(response.Body, limit+1))
	switch {
	case counted.err != nil:
		return f.store.cannot(counted.err)
	case err != nil:
		return err
	case n > limit:
		return errTooLarge
	}
	found.Close()
	r := record{Path: j.path, Header: kept(response.Header), Tag: response.Header.Get("Etag"), Named: k == named, Forms: map[string]form{identity: counted.form()}}
	return f.save(j, r, old, temp)
}

// save puts a file into the store. If its bytes are those that are there, the
// compressed forms stay.
func (f *fetcher) save(j job, r record, old *file, temp *os.File) error {
	next, temporary := newFile(r, f.store.now()), map[string]*os.File{identity: temp}
	switch {
	case old == nil:
	case old.Forms[identity] != r.Forms[identity]:
		f.store.log.Info("asset has other bytes under its old name", "path", j.path, "address", j.address)
	default:
		r.Forms, r.Finished = old.Forms, old.Finished
		next, temporary = old.revised(r), nil
		next.used.Store(f.store.now().Unix())
		if sameHeader(old.record, r) {
			next.checked.Store(j.version)
			f.compressed(old)
			return nil
		}
	}
	if err := f.store.put(next, old, temporary); err != nil {
		return fmt.Errorf("cannot keep it: %w", err)
	}
	next.checked.Store(j.version)
	f.compressed(next)
	return nil
}

func (f *fetcher) compressed(one *file) {
	if !one.Finished {
		f.compress(one.Path)
	}
}

func sameHeader(a, b record) bool {
	if a.Tag != b.Tag || a.Named != b.Named || len(a.Header) != len(b.Header) {
		return false
	}
	for name, values := range a.Header {
		if !slices.Equal(values, b.Header[name]) {
			return false
		}
	}
	return true
}
