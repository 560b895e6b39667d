package engine_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// registry serves one image of a single layer, to those who log in as me, from some
// repositories; others stand for what can go wrong.
type registry struct {
	blobs    map[string][]byte
	manifest []byte
	cuts     atomic.Int64 // so often the layer breaks off
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

func newRegistry(t *testing.T) (*registry, string) {
	t.Helper()
	content := make([]byte, 4<<20)
	for i := range content {
		content[i] = byte(rand.IntN(256))
	}
	var plain, packed bytes.Buffer
	archive := tar.NewWriter(&plain)
	_ = archive.WriteHeader(&tar.Header{Name: fmt.Sprintf("content-%d", rand.Int()), Size: int64(len(content)), Mode: 0o644})
	_, _ = archive.Write(content)
	_ = archive.Close()
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write(plain.Bytes())
	_ = zip.Close()
	image := must[[]byte](t)(json.Marshal(map[string]any{"os": "linux", "architecture": runtime.GOARCH, "config": map[string]any{"Labels": map[string]string{engine.LabelImageVersion: "9"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest.FromBytes(plain.Bytes()).String()}}}))
	r := &registry{blobs: map[string][]byte{digest.FromBytes(image).String(): image, digest.FromBytes(packed.Bytes()).String(): packed.Bytes()}}
	r.manifest = must[[]byte](t)(json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": map[string]any{"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(image), "digest": digest.FromBytes(image)},
		"layers": []any{map[string]any{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": packed.Len(), "digest": digest.FromBytes(packed.Bytes())}},
	}))
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, strings.TrimPrefix(server.URL, "http://")
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[{"code":"%s","message":"%s"}]}`, code, strings.ToLower(code))
	}
	user, password, _ := q.BasicAuth()
	blob, isBlob := r.blobs[filepath.Base(q.URL.Path)]
	switch path := q.URL.Path; {
	case user != "me" || password != "secret":
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		refuse(http.StatusUnauthorized, "UNAUTHORIZED")
	case path == "/v2/":
	case strings.Contains(path, "/others/"):
		refuse(http.StatusForbidden, "DENIED")
	case strings.Contains(path, "/busy/"):
		refuse(http.StatusTooManyRequests, "TOOMANYREQUESTS")
	case strings.Contains(path, "/manifests/none"):
		refuse(http.StatusNotFound, "MANIFEST_UNKNOWN")
	case strings.Contains(path, "/foreign/"):
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.list.v2+json")
		fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"mediaType":%q,"size":%d,"digest":%q,"platform":{"os":"linux","architecture":"riscv64"}}]}`, manifestType, len(r.manifest), digest.FromBytes(r.manifest))
	case strings.Contains(path, "/manifests/"):
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(r.manifest).String())
		_, _ = w.Write(r.manifest)
	case isBlob && len(blob) > 1<<20 && r.cuts.Add(-1) >= 0:
		http.ServeContent(&breaking{w, 1 << 20}, q, "", time.Time{}, bytes.NewReader(blob))
	case isBlob:
		http.ServeContent(w, q, "", time.Time{}, bytes.NewReader(blob))
	default:
		refuse(http.StatusNotFound, "NAME_UNKNOWN")
	}
}

// TestRealRegistry pulls through the machine's engine from a registry that fails.
func TestRealRegistry(t *testing.T) {
	testkit.EngineImage(t)
	registry, host := newRegistry(t)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte("me:secret"))))
	stranger := connect(t, engine.Options{Environ: config.Environ{"HOME": t.TempDir()}})
	e := connect(t, engine.Options{Environ: config.Environ{"DOCKER_CONFIG": folder}})
	ctx := t.Context()
	for _, tt := range []struct {
		e     *engine.Engine
		image string
		code  int
		says  []string
	}{
		{stranger, "mine/shop:1", exit.NoPermission, []string{"docker login " + host, "401"}},
		{e, "others/shop:1", exit.NoPermission, []string{"docker login " + host, "403"}},
		{e, "busy/shop:1", exit.Unavailable, []string{"429"}},
		{e, "mine/shop:none", exit.Config, []string{"404"}},
		{e, "foreign/shop:1", exit.Config, []string{"linux/" + runtime.GOARCH, "platform"}},
	} {
		t.Run(tt.image, func(t *testing.T) {
			ref := host + "/" + tt.image
			testkit.WantError(t, tt.e.Pull(ctx, ref, nil), tt.code, append(tt.says, ref)...)
			remote, err := tt.e.Remote(ctx, ref)
			if strings.HasPrefix(tt.image, "foreign") {
				if err != nil || fmt.Sprint(remote.Platforms) != "[linux/riscv64]" {
					t.Errorf("%+v, %v", remote, err)
				}
				return
			}
			testkit.WantError(t, err, tt.code, tt.says...)
		})
	}
	ref := host + "/mine/shop:1"
	if remote := must[engine.Remote](t)(e.Remote(ctx, ref)); remote.Digest != digest.FromBytes(registry.manifest).String() || fmt.Sprint(remote.Platforms) != "[linux/"+runtime.GOARCH+"]" {
		t.Errorf("%+v", remote)
	}
	registry.cuts.Store(1)
	var last engine.Progress
	if err := e.Pull(ctx, ref, func(p engine.Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if last.Current < 4<<20 || last.Current != last.Total {
		t.Errorf("%+v", last)
	}
	i, found, err := e.Image(ctx, ref)
	if !found || err != nil || i.Labels[engine.LabelImageVersion] != "9" || i.Arch != runtime.GOARCH || len(i.Digests) != 1 {
		t.Errorf("%+v %v %v", i, found, err)
	}
	if registry.cuts.Load() >= 0 {
		t.Error("the layer did not break off")
	}
	if err := e.RemoveImage(ctx, ref); err != nil {
		t.Error(err)
	}
}

// breaking closes the connection after some bytes.
type breaking struct {
	http.ResponseWriter
	left int
}

func (b *breaking) Write(data []byte) (int, error) {
	if b.left -= len(data); b.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return b.ResponseWriter.Write(data)
}
