package assets

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/limits"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
)

func init() { caddy.RegisterModule(new(Handler)) }

// Handler keeps the immutable files of the upstream behind it and answers with
// them. It belongs behind the encoder, whose work it saves, and in front of whatever
// changes the request.
type Handler struct {
	// Where files are kept. Required.
	Folder string `json:"folder"`
	// How many bytes they may take on the disk. Default: none, which turns the
	// handler off.
	Limit int64 `json:"limit,omitempty"`
	// The upstream, as the `probed` source of the reverse proxy has it. Required.
	Upstream string `json:"upstream"`
	// The host and the scheme that the upstream is asked with.
	Host   string `json:"host"`
	Scheme string `json:"scheme"`
	// The path under which visitors see the site, without a slash at the end, if it
	// is not the root.
	BasePath string `json:"base_path,omitempty"`
	// Patterns of the paths that visitors do not reach the upstream by: such a name in
	// a text is never asked for. Default: none.
	Elsewhere []string `json:"elsewhere,omitempty"`

	upstream upstreams.Alias
	store    *store // nil: the handler is off
	fetcher  *fetcher
	counters *counters
	visitors *limits.App
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_assets",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision opens the store. A folder that cannot be used only turns the handler off.
func (h *Handler) Provision(ctx caddy.Context) error {
	log := ctx.Slogger()
	h.upstream.Name = h.Upstream
	if h.Limit <= 0 {
		return nil
	}
	opened, err := openStore(h.Folder, h.Limit, log)
	if err == nil {
		err = writable(opened)
	}
	if err != nil {
		log.Warn("no assets are kept: pages of an old version may miss their parts after a switch, and files are compressed for each visitor", "folder", h.Folder, "error", err)
		return nil
	}
	if h.counters, err = register(ctx.GetMetricsRegistry(), opened); err != nil {
		return err
	}
	if h.visitors, err = limits.Of(ctx); err != nil {
		return err
	}
	h.start(opened, log)
	return nil
}

func writable(s *store) error {
	probe, err := s.temporary()
	if err == nil {
		discard(probe)
	}
	return err
}

// start begins the work that no visitor waits for.
func (h *Handler) start(opened *store, log *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	c := &compressor{store: opened, queue: newQueue[string]()}
	h.store, h.fetcher = opened, newFetcher(opened, h, c.queue.add)
	unfinished := opened.unfinished()
	for _, path := range unfinished {
		c.queue.add(path)
	}
	log.Debug("assets opened", "folder", h.Folder, "files", len(opened.files), "unfinished", len(unfinished), "bytes", opened.size)
	h.running.Go(func() { c.run(ctx) })
	h.running.Go(func() { h.fetcher.run(ctx) })
}

// Cleanup ends the work.
func (h *Handler) Cleanup() error {
	if h.stop != nil {
		h.stop()
		h.running.Wait()
	}
	return nil
}

// visit is one request that can be for a file.
type visit struct {
	h    *Handler
	r    *http.Request
	path string // "" if it is not the path of a file
	kind kind
	file *file // what is kept for it, or nil
	view upstreams.View
	// credentialed requests get nothing from the store, and nothing is learned of
	// their answers; older addresses are asked for them, too.
	credentialed bool
}

// ServeHTTP answers with a kept file, or lets the application answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.store == nil || !eligible(r) {
		return next.ServeHTTP(w, r)
	}
	v := &visit{h: h, r: r, view: h.upstream.Now(), credentialed: credentialed(r)}
	if v.path, v.kind = pathOf(r); v.kind == declared && !h.isOwn(r.Host) {
		v.kind = never // it may be another file on another host, which only a name with a hash is not
	}
	if v.kind != never && !v.credentialed {
		if f := h.store.find(v.path); f != nil && f.open(r) {
			v.file = f
		}
	}
	if v.file != nil && (len(v.view.Addresses) == 0 || v.file.Finished && v.file.checked.Load() == v.view.Version) {
		if v.answer(w, fromStore) {
			return nil
		}
	}
	return v.ask(w, next)
}

// ask has the application answer: the newest release, if that has no such file the
// older ones, and then the store.
func (v *visit) ask(w http.ResponseWriter, next caddyhttp.Handler) error {
	older := v.view.Older
	if v.kind != named {
		older = nil
	}
	first, err := v.try(w, next, v.file != nil || len(older) > 0)
	newest := addressOf(v.r)
	switch {
	case first.missing:
	case err == nil, first.decided, v.file == nil:
		return err
	default: // the reverse proxy has asked them all
		older = nil
	}
	for _, address := range older {
		upstreams.Only(v.r, address)
		if one, err := v.try(w, next, true); err == nil && !one.missing {
			return nil
		}
	}
	if v.file != nil {
		if err == nil && first.status < http.StatusInternalServerError {
			v.doubt(newest)
		}
		if v.answer(w, fallback) {
			return nil
		}
	}
	if len(older) > 0 {
		upstreams.Only(v.r, "")
	}
	_, err = v.try(w, next, false)
	return err
}

func (v *visit) try(w http.ResponseWriter, next caddyhttp.Handler, mayHold bool) (*watcher, error) {
	one := &watcher{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, visit: v}
	if mayHold {
		one.holdBack()
	}
	err := next.ServeHTTP(one, v.r)
	one.end()
	return one, err
}

// learn has what an answer is about fetched. It returns what looks through the answer
// if that is a page.
func (v *visit) learn(status int, header http.Header) *references {
	address := addressOf(v.r)
	if v.credentialed || !slices.Contains(v.view.Addresses, address) {
		return nil
	}
	if status == http.StatusOK && v.r.Method == http.MethodGet && header["Content-Encoding"] == nil && mediaType(header) == "text/html" {
		return &references{base: v.h.BasePath, from: v.r.URL.Path, found: func(path string) {
			v.h.fetcher.want(job{path: path, address: address, version: v.view.Version})
		}}
	}
	known := v.kind == named || v.file != nil
	if status == http.StatusNotModified && known || keepable(v.kind, status, header) {
		v.h.fetcher.want(job{path: v.path, address: address, version: v.view.Version})
	}
	return nil
}

// doubt has a kept file asked for that a visitor was answered is not there: a visitor can
// ask in ways in which it is not.
func (v *visit) doubt(address string) {
	if slices.Contains(v.view.Addresses, address) {
		v.h.fetcher.want(job{path: v.path, address: address, version: v.view.Version, missing: true})
	}
}

// addressOf returns where the reverse proxy sent a request.
func addressOf(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	address, _ := repl.GetString("http.reverse_proxy.upstream.hostport")
	return address
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
