package engine_test

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// What a pull consists of is asked with the docker command's login, and for a platform.
func TestLayersOfAnImageInItsRegistry(t *testing.T) {
	server, registry := enginetest.New(t), enginetest.NewRegistry(t)
	registry.Login = "me:secret"
	holds := registry.Add("team/shop:1", "arm64", 5000, 700)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "config.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry.Host, base64.StdEncoding.EncodeToString([]byte(registry.Login))))
	e := connect(t, engine.Options{Host: server.Host(), Environ: config.Environ{"DOCKER_CONFIG": folder}})
	layers, err := e.Layers(t.Context(), registry.Host+"/team/shop:1", "linux", "arm64")
	if want := []engine.Layer{{ID: holds[0], Bytes: 5000}, {ID: holds[1], Bytes: 700}}; err != nil || fmt.Sprint(layers) != fmt.Sprint(want) {
		t.Errorf("%v, %v", layers, err)
	}
	stranger := connect(t, engine.Options{Host: server.Host(), Environ: config.Environ{"HOME": t.TempDir()}})
	for _, tt := range []struct {
		e               *engine.Engine
		ref, arch, says string
	}{
		{stranger, "team/shop:1", "arm64", "basic credential not found"},
		{e, "team/shop:2", "arm64", "not found"},
		{e, "team/shop:1", "amd64", "there are none for linux/amd64"},
	} {
		_, err := tt.e.Layers(t.Context(), registry.Host+"/"+tt.ref, "linux", tt.arch)
		testkit.WantError(t, err, 1, "cannot ask for the layers of "+registry.Host+"/"+tt.ref, tt.says)
	}
}
