package engine

import (
	"testing"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// TestARegistryOnThisMachine is asked without TLS, whatever way its address is written.
func TestARegistryOnThisMachine(t *testing.T) {
	for registry, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true, "[::1]": true,
		"[2001:db8::1]:5000": false, "r.example": false, "r.example:5000": false, "10.0.0.1:5000": false, "localhost.example": false,
	} {
		repository, err := (&Engine{}).repository(registry + "/shop:1")
		if err != nil || repository.PlainHTTP != want {
			t.Errorf("%s: %v", registry, err)
		}
	}
}

// TestOnlyTheImagesRegistryGetsTheLogin, wherever it leads to.
func TestOnlyTheImagesRegistryGetsTheLogin(t *testing.T) {
	logins := &configfile.ConfigFile{AuthConfigs: map[string]types.AuthConfig{}}
	for _, host := range []string{"https://index.docker.io/v1/", "r.example"} {
		logins.AuthConfigs[host] = types.AuthConfig{Username: "me at " + host}
	}
	for _, tt := range []struct{ image, host, want string }{
		{"shop:1", "registry-1.docker.io", "me at https://index.docker.io/v1/"},
		{"r.example/shop:1", "r.example", "me at r.example"},
		{"r.example/shop:1", "evil.example", ""},
		{"shop:1", "r.example", ""},
	} {
		repository, err := (&Engine{logins: logins}).repository(tt.image)
		if err != nil {
			t.Fatal(err)
		}
		got, err := repository.Client.(*auth.Client).Credential(t.Context(), tt.host)
		if err != nil || got.Username != tt.want {
			t.Errorf("%s at %s: %q, %v", tt.image, tt.host, got.Username, err)
		}
	}
}
