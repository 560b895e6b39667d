package selfupdate_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/selfupdate"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func expect(t *testing.T, err error, code int, text string) {
	t.Helper()
	if exit.Code(err) != code || code != 0 && !strings.Contains(err.Error(), text) {
		t.Errorf("exit %d, %v; want %d, %s", exit.Code(err), err, code, text)
	}
}

func TestUpgradeAndBack(t *testing.T) {
	s := newServer(t, "1.0.0", "1.2.0", "1.10.0")
	o := s.options("1.0.0")
	if err := os.Chmod(o.Program, 0o711); err != nil {
		t.Fatal(err)
	}
	plan, err := upgrade(t, o)
	expect(t, err, 0, "")
	if got := s.versionOf(o, "1.0.0", "1.10.0"); got != "1.10.0" || plan.To != got || !plan.Changes {
		t.Errorf("%s, %+v", got, plan)
	}
	if info, err := os.Stat(o.Program); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if kept := testkit.ReadFile(t, o.Program+".old"); kept != string(s.program("1.0.0")) {
		t.Errorf("kept: %.60q", kept)
	}
	if ran := testkit.ReadFile(t, s.canary); ran != "1.10.0\n" {
		t.Errorf("ran: %q", ran)
	}
	o.Version = "1.10.0"
	plan, err = upgrade(t, o)
	if expect(t, err, 0, ""); plan.Changes {
		t.Errorf("%+v", plan)
	}
	o.Want = "v1.2.0"
	_, err = upgrade(t, o)
	expect(t, err, 0, "")
	if got := s.versionOf(o, "1.2.0", "1.10.0"); got != "1.2.0" {
		t.Error(got)
	}
}

// Back is only gone on request, whatever the server lists, and also from a file.
func TestNotBackWithoutBeingAsked(t *testing.T) {
	s := newServer(t, "1.0.0")
	for _, file := range []string{"", download(t, s, "1.0.0", "tale_linux_amd64")} {
		o := s.options("1.2.0")
		o.File = file
		plan, err := upgrade(t, o)
		expect(t, err, 0, "")
		if got := s.versionOf(o, "1.0.0", "1.2.0"); got != "1.2.0" || plan.Changes || !strings.Contains(fmt.Sprint(plan.Notes), "--version 1.0.0") {
			t.Errorf("%s, %+v", got, plan)
		}
		o.Want = "1.0.0"
		_, err = upgrade(t, o)
		expect(t, err, 0, "")
		s.versionOf(o, "1.0.0")
	}
}

// TestWhatCannotReadTheDataIsSaid: it is changed to on request, all the same.
func TestWhatCannotReadTheDataIsSaid(t *testing.T) {
	s := newServer(t, "0.2.33", "0.2.34")
	for version, want := range map[string]bool{"0.2.33": true, "0.2.34": false} {
		o := s.options("1.2.0")
		o.Want = version
		plan, err := upgrade(t, o)
		expect(t, err, 0, "")
		s.versionOf(o, version)
		notes := fmt.Sprint(plan.Notes)
		if says := strings.Contains(notes, version+" cannot read the data that 1.2.0 has written; the oldest release that can is 0.2.34"); says != want || !strings.Contains(notes, "data and schemas do not go back") {
			t.Errorf("%s: %s", version, notes)
		}
	}
}

// download puts a file of a release and its signature into a folder.
func download(t *testing.T, s *server, version, name string) string {
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{
		name: string(s.files[path(version, name)]), name + ".minisig": string(s.files[path(version, name+".minisig")]),
	})
	return filepath.Join(dir, name)
}

func TestFile(t *testing.T) {
	s := newServer(t, "1.0.0", "1.2.0")
	for name, tt := range map[string]struct {
		file, as, want string
		code           int
		text           string
	}{
		"right":             {"tale_linux_amd64", "", "", 0, ""},
		"under its alias":   {"tale_linux", "", "", 0, ""},
		"under any name":    {"tale_linux_amd64", "x", "1.2.0", 0, ""},
		"other machine":     {"tale_darwin_arm64", "", "", exit.DeployRefused, "this machine needs tale_linux_amd64"},
		"other machine, as": {"tale_linux_arm64", "tale_linux_amd64", "", exit.DeployRefused, "this machine needs"},
		"other version":     {"tale_linux_amd64", "", "1.0.0", exit.DeployRefused, "is version 1.2.0, and not 1.0.0"},
		"no program":        {"release.json", "", "", exit.DeployRefused, "this machine needs"},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options("1.0.0")
			o.File, o.Want = download(t, s, "1.2.0", tt.file), tt.want
			if tt.as != "" {
				as := filepath.Join(filepath.Dir(o.File), tt.as)
				if err := errors.Join(os.Rename(o.File, as), os.Rename(o.File+".minisig", as+".minisig")); err != nil {
					t.Fatal(err)
				}
				o.File = as
			}
			_, err := upgrade(t, o)
			expect(t, err, tt.code, tt.text)
			want := map[bool]string{true: "1.2.0", false: "1.0.0"}[tt.code == 0]
			if text := testkit.ReadFile(t, o.Program); !strings.HasPrefix(text, string(s.program(want))) {
				t.Errorf("it is %.60q", text)
			}
		})
	}
	o := s.options("1.0.0")
	o.File = filepath.Join(t.TempDir(), "tale")
	_, err := upgrade(t, o)
	expect(t, err, exit.Usage, "its signature has to lie beside it")
}

// The newest release that is whole is taken, and what is newer is named.
func TestNewestCompleteRelease(t *testing.T) {
	s := newServer(t, "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0", "1.8.0", "1.9.0")
	for _, listed := range s.list {
		lack := func(name string) {
			for i, asset := range listed.Assets {
				if asset["name"] == name {
					listed.Assets = append(listed.Assets[:i], listed.Assets[i+1:]...)
					return
				}
			}
			t.Errorf("no %s", name)
		}
		switch listed.Tag {
		case "v1.9.0":
			listed.Draft = true
		case "v1.8.0":
			listed.Prerelease = true
		case "v1.7.0":
			lack("release.json")
		case "v1.6.0":
			lack("tale_darwin_arm64.minisig")
		case "v1.5.0":
			listed.Tag = "nightly"
		case "v1.4.0":
			listed.Assets[4]["size"] = 7
		case "v1.3.0":
			listed.Assets[4]["state"] = "starter"
		}
	}
	o := s.options("1.0.0")
	plan, err := upgrade(t, o)
	expect(t, err, 0, "")
	s.versionOf(o, "1.2.0")
	want := []string{"1.8.0 is a prerelease", "1.7.0 has no release.json", "1.6.0 has no tale_darwin_arm64.minisig", "1.4.0 has 7 of", "1.3.0 has no "}
	if len(plan.Skipped) != len(want) {
		t.Fatalf("%q", plan.Skipped)
	}
	for i := range want {
		if !strings.HasPrefix(plan.Skipped[i], want[i]) {
			t.Errorf("%q; want %q", plan.Skipped[i], want[i])
		}
	}
	s.list = s.list[7:]
	_, err = upgrade(t, s.options("1.0.0"))
	expect(t, err, exit.Unavailable, "none of the newest releases")
}

func TestWhatTheServerAnswers(t *testing.T) {
	s := newServer(t, "1.2.0")
	status := func(code int, header ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	page := func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write([]byte("<!DOCTYPE html><html>Log in</html>"))
		return true
	}
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
		code   int
		text   string
	}{
		"limit":         {status(403, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1764367200"), "", exit.Unavailable, "too many requests of this address until "},
		"forbidden":     {status(403, "X-RateLimit-Remaining", "59", "X-RateLimit-Reset", "1764367200"), "", exit.Unavailable, "perhaps by a proxy"},
		"limit, soon":   {status(403, "Retry-After", "7"), "", exit.Unavailable, "too many requests of this address until "},
		"limit, only":   {status(429), "", exit.Unavailable, "too many requests of this address; set GITHUB_TOKEN"},
		"limit, other":  {status(429, "Retry-After", "60"), "", exit.Unavailable, "set GITHUB_TOKEN, or name the release with --version"},
		"token":         {status(401), "", exit.Unavailable, "GITHUB_TOKEN or GH_TOKEN is refused"},
		"broken":        {status(500), "", exit.Unavailable, "500 Internal Server Error"},
		"page":          {page, "", exit.Unavailable, "it is a web page"},
		"page, named":   {page, "1.2.0", exit.DeployRefused, "it is a web page"},
		"unknown":       {nil, "7.7.7", exit.Unavailable, "there is no release 7.7.7"},
		"no version":    {nil, "latest", exit.Usage, "give a release, as 1.2.3"},
		"path for name": {nil, "1.2.0/../1.2.0", exit.Usage, "give a release"},
		"unencrypted":   {status(302, "Location", "ftp://127.0.0.1/x"), "", exit.Unavailable, "ftp"},
		"for ever": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, "", exit.Unavailable, "more than 5 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			s.respond(tt.answer)
			o := s.options("1.0.0")
			o.Want = tt.want
			_, err := upgrade(t, o)
			expect(t, err, tt.code, tt.text)
			s.versionOf(o, "1.0.0")
		})
	}
}

// Wherever it fails, no password of the address is shown.
func TestAddressIsShownWithoutItsPassword(t *testing.T) {
	s := newServer(t, "1.2.0")
	broken := func(file string, code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, file) {
				w.WriteHeader(code)
			}
			return strings.HasSuffix(r.URL.Path, file)
		}
	}
	secret := strings.Replace(s.URL, "//", "//ann:hunter2@", 1)
	for name, tt := range map[string]struct {
		url    string
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
	}{
		"list":     {secret, broken("releases.json", 500), ""},
		"no list":  {secret, broken("releases.json", 200), ""},
		"manifest": {secret, broken("release.json", 404), "1.2.0"},
		"program":  {secret, broken(program, 404), ""},
		"nobody":   {"http://ann:hunter2@" + testkit.FreeAddress(t), nil, ""},
		"no URL":   {"http://ann:hunter2@%zz", nil, ""},
		"scheme":   {"ftp://ann:hunter2@x", nil, ""},
		"query":    {secret + "?x", nil, ""},
	} {
		s.respond(tt.answer)
		o := s.options("1.0.0")
		o.Environ["TALE_RELEASES_URL"], o.Want = tt.url, tt.want
		if _, err := upgrade(t, o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.respond(func(_ http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "hunter2" {
			t.Errorf("%s without the password", r.URL.Path)
		}
		return false
	})
	o := s.options("1.0.0")
	o.Environ["TALE_RELEASES_URL"] = secret
	_, err := upgrade(t, o)
	expect(t, err, 0, "")
}

// What was signed for one file, one version or by another key is nothing for this one.
func TestAnotherSignatureIsRefused(t *testing.T) {
	s, stranger := newServer(t, "1.0.0", "1.2.0"), newServer(t, "1.2.0")
	genuine := s.files
	swap := func(from map[string][]byte, fromVersion string, names ...string) {
		files := maps.Clone(genuine)
		for i := 0; i+1 < len(names); i += 2 {
			files[path("1.2.0", names[i])] = from[path(fromVersion, names[i+1])]
		}
		s.replace(files)
	}
	const p, sig, m = "tale_linux_amd64", ".minisig", "release.json"
	for name, tt := range map[string]func(){
		"older program":             func() { swap(genuine, "1.0.0", p, p, p+sig, p+sig) },
		"older manifest":            func() { swap(genuine, "1.0.0", m, m, m+sig, m+sig) },
		"older release":             func() { swap(genuine, "1.0.0", p, p, p+sig, p+sig, m, m, m+sig, m+sig) },
		"program for another":       func() { swap(genuine, "1.2.0", p, "tale_linux_arm64", p+sig, "tale_linux_arm64"+sig) },
		"manifest as signature":     func() { swap(genuine, "1.2.0", p+sig, m+sig) },
		"stranger's program":        func() { swap(stranger.files, "1.2.0", p, p, p+sig, p+sig) },
		"stranger's release":        func() { swap(stranger.files, "1.2.0", p, p, p+sig, p+sig, m, m, m+sig, m+sig) },
		"checksums as the manifest": func() { swap(genuine, "1.2.0", m, "SHA256SUMS", m+sig, "SHA256SUMS"+sig) },
	} {
		t.Run(name, func(t *testing.T) {
			tt()
			for _, want := range []string{"", "1.2.0"} {
				o := s.options("1.0.0")
				o.Want = want
				_, err := upgrade(t, o)
				expect(t, err, exit.DeployRefused, "refused: ")
				s.versionOf(o, "1.0.0")
			}
		})
	}
	if _, err := os.Stat(s.canary); err == nil {
		t.Error("a program was run")
	}
	s.replace(genuine)
	o := s.options("1.0.0")
	o.Keys = o.Keys[1:] // the other key is as good
	_, err := upgrade(t, o)
	expect(t, err, 0, "")
}

func TestKeys(t *testing.T) {
	if keys, err := selfupdate.Keys(); len(keys) == 0 {
		expect(t, err, exit.Config, "0 of the 2 keys of a release are built in")
	}
	public, _, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, wrong := range map[string]string{
		"# none\n\n":    "",
		"RWQnonsense\n": "is no public key",
		public.String() + "\n" + public.String() + "\n": "is there twice",
	} {
		if _, err := selfupdate.ParseKeys(text); (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Every bit of a signature counts, those too that say what is not signed.
func TestEachBitOfASignatureCounts(t *testing.T) {
	s := newServer(t, "1.2.0")
	text, signature := s.files[path("1.2.0", program)], s.files[path("1.2.0", program+".minisig")]
	for bit := range 8 * len(signature) {
		changed := bytes.Clone(signature)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := selfupdate.Verify(s.keys, "1.2.0", program, bytes.NewReader(text), changed); err == nil {
			t.Errorf("byte %d, bit %d: %q is taken for %q", bit/8, bit%8, changed, signature)
		}
	}
}

// A signature is for one file of one version, and for all of its bytes; of two programs
// that were signed alike the one that release.json names is taken.
func TestWhatASignatureIsFor(t *testing.T) {
	s := newServer(t, "1.0.0", "1.2.0")
	text, signature := s.files[path("1.2.0", program)], s.files[path("1.2.0", program+".minisig")]
	for name, tt := range map[string]struct {
		version, name string
		keys          []minisign.PublicKey
		wrong         string
	}{
		"right":         {"1.2.0", program, s.keys, ""},
		"older version": {"1.0.0", program, s.keys, `is of "tale 1.2.0 tale_linux_amd64", and not of "tale 1.0.0 tale_linux_amd64"`},
		"other file":    {"1.2.0", "release.json", s.keys, "and not of"},
		"other key":     {"1.2.0", program, s.keys[:1], "is none of this build's"},
	} {
		_, err := selfupdate.Verify(tt.keys, tt.version, tt.name, bytes.NewReader(text), signature)
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := append(bytes.Clone(text), "built again"...)[len("built again"):]
	copy(again, "#!/bin/sh\n")
	signed, err := selfupdate.Sign(s.secret, "1.2.0", program, bytes.NewReader(again))
	if err != nil {
		t.Fatal(err)
	}
	files := maps.Clone(s.files)
	files[path("1.2.0", program)], files[path("1.2.0", program+".minisig")] = again, signed
	s.replace(files)
	o := s.options("1.0.0")
	_, err = upgrade(t, o)
	expect(t, err, exit.DeployRefused, "as release.json says")
	s.versionOf(o, "1.0.0")
	manifest := bytes.Replace(files[path("1.2.0", "release.json")], []byte(`"1.2.0"`), []byte(`"1.2.1"`), 1)
	if signed, err = selfupdate.Sign(s.secret, "1.2.0", "release.json", bytes.NewReader(manifest)); err != nil {
		t.Fatal(err)
	}
	files = maps.Clone(files)
	files[path("1.2.0", "release.json")], files[path("1.2.0", "release.json.minisig")] = manifest, signed
	s.replace(files)
	_, err = upgrade(t, o)
	expect(t, err, exit.DeployRefused, `release.json of 1.2.0 is of "1.2.1"`)
}

// TestASignedManifestThatIsOdd: the signature says who made it, and not that it makes sense.
func TestASignedManifestThatIsOdd(t *testing.T) {
	s := newServer(t, "1.2.0")
	genuine := string(s.files[path("1.2.0", "release.json")])
	for name, tt := range map[string]struct{ old, fresh, says string }{
		"a name that leads out":  {`"name": "tale_linux_amd64"`, `"name": "../tale_linux_amd64"`, "has a file without name, size or digest"},
		"a name with a query":    {`"name": "tale_linux_amd64"`, `"name": "tale_linux_amd64?x"`, "has a file without name, size or digest"},
		"no digest":              {`"sha256": "`, `"sha256": "x`, "has a file without name, size or digest"},
		"no size":                {`"size": `, `"size": -`, "has a file without name, size or digest"},
		"a huge one":             {`"size": `, `"size": 9999999`, "has a file without name, size or digest"},
		"another version":        {`"version": "1.2.0"`, `"version": "1.2.1"`, `is of "1.2.1"`},
		"a format of the future": {`"format": 1`, `"format": 2`, "has format 2, and this tale knows 1"},
	} {
		text := strings.Replace(genuine, tt.old, tt.fresh, 1)
		if text == genuine {
			t.Fatalf("%s: there is no %s in %s", name, tt.old, genuine)
		}
		signature, err := selfupdate.Sign(s.secret, "1.2.0", "release.json", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		s.files[path("1.2.0", "release.json")], s.files[path("1.2.0", "release.json.minisig")] = []byte(text), signature
		o := s.options("1.0.0")
		o.Want = "1.2.0"
		_, err = upgrade(t, o)
		expect(t, err, exit.DeployRefused, tt.says)
		if got := s.versionOf(o, "1.0.0"); got != "1.0.0" {
			t.Errorf("%s: it is %s", name, got)
		}
	}
}
