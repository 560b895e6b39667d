package publish_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate/publish"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func programs(t *testing.T) string {
	dir := t.TempDir()
	for _, platform := range selfupdate.Platforms() {
		testkit.WriteTree(t, dir, map[string]string{platform.Name(): "program for " + platform.Name()})
	}
	return dir
}

func TestPack(t *testing.T) {
	public, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, stranger, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	image := "registry.example/tale-db@sha256:" + strings.Repeat("0", 64)
	r := publish.Release{Version: "1.2.3", Commit: "c0ffee", Images: map[string]string{"db": image}, Secret: secret, Keys: []minisign.PublicKey{other, public}}
	dir := programs(t)
	if err := r.Pack(dir); err != nil {
		t.Fatal(err)
	}
	var manifest selfupdate.Manifest
	if err := json.Unmarshal([]byte(testkit.ReadFile(t, filepath.Join(dir, "release.json"))), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Version != "1.2.3" || manifest.DataReadableFrom == "" || manifest.Commit != "c0ffee" || manifest.Images["db"] != image || len(manifest.Files) != 6 {
		t.Errorf("%+v", manifest)
	}
	var sums strings.Builder
	for _, f := range manifest.Files {
		text := testkit.ReadFile(t, filepath.Join(dir, f.Name))
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256([]byte(text)), f.Name)
		if text != "program for tale_"+f.OS+"_"+f.Arch || f.Size != int64(len(text)) {
			t.Errorf("%+v: %q", f, text)
		}
	}
	if got := testkit.ReadFile(t, filepath.Join(dir, "SHA256SUMS")); got != sums.String() {
		t.Errorf("%s; want %s", got, &sums)
	}
	for _, name := range manifest.Names() {
		text := testkit.ReadFile(t, filepath.Join(dir, name))
		signature := testkit.ReadFile(t, filepath.Join(dir, strings.TrimSuffix(name, ".minisig")+".minisig"))
		if strings.HasSuffix(name, ".minisig") {
			continue
		}
		if _, err := selfupdate.Verify([]minisign.PublicKey{public}, "1.2.3", name, bytes.NewReader([]byte(text)), []byte(signature)); err != nil {
			t.Error(err)
		}
	}
	for wrong, r := range map[string]publish.Release{
		"give a version as 1.2.3":       {Version: "v1.2.3", Secret: secret, Keys: r.Keys},
		"belongs to none of the keys":   {Version: "1.2.3", Secret: stranger, Keys: []minisign.PublicKey{public}},
		"without a digest":              {Version: "1.2.3", Secret: secret, Keys: r.Keys, Images: map[string]string{"db": "x:1"}},
		"without the program for linux": {Version: "1.2.3", Secret: secret, Keys: r.Keys},
	} {
		dir := programs(t)
		if strings.Contains(wrong, "program") {
			if err := os.Remove(filepath.Join(dir, "tale_linux_arm64")); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Pack(dir); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%v; want %s", err, wrong)
		}
		if _, err := os.Stat(filepath.Join(dir, "release.json")); err == nil {
			t.Errorf("%s: there is a manifest", wrong)
		}
	}
}

// A build without keys makes no release, and no secret is said aloud.
func TestCommand(t *testing.T) {
	_, secret, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := secret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		environ config.Environ
		args    []string
		code    int
		says    string
	}{
		"no secret":   {nil, []string{"pack", "--version", "1.2.3", programs(t)}, exit.Config, "MINISIGN_SECRET_KEY"},
		"no folder":   {nil, []string{"pack"}, exit.Usage, "is called as"},
		"help":        {nil, []string{"pack", "--help"}, 0, "docs/releasing.md"},
		"elsewhere":   {config.Environ{"MINISIGN_SECRET_KEY": string(text), "GITHUB_REPOSITORY": "a/fork"}, []string{"pack", "--version", "1.2.3", programs(t)}, exit.Config, "cannot make a release in a/fork"},
		"other build": {config.Environ{"MINISIGN_SECRET_KEY": string(text)}, []string{"pack", "--version", "1.2.3", programs(t)}, exit.Config, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			root := publish.Command(tt.environ)
			var out bytes.Buffer
			root.SetOut(&out)
			root.SetErr(&out)
			root.SetArgs(tt.args)
			if code := cli.Main(root); code != tt.code || !strings.Contains(out.String(), tt.says) || strings.Contains(out.String(), string(text[60:])) {
				t.Errorf("exit %d: %s", code, out.String())
			}
		})
	}
}
