package nativedriver

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

// randomRequest returns an app of any size, with texts of all kinds.
func randomRequest(random *rand.Rand) pushtest.Request {
	request := pushtest.NewRequest()
	common := strings.Repeat(`import { query } from "./_generated/server";`+pushtest.Awkward, 40)
	module := func(name string) pushtest.Module {
		var source strings.Builder
		for range random.IntN(4) {
			source.WriteString(common[:random.IntN(len(common)-4)/4*4])
			fmt.Fprintf(&source, "\n%x %s", random.Uint64(), strings.Repeat("é", random.IntN(50)))
		}
		return pushtest.Module{Path: name, Source: strings.ToValidUTF8(source.String(), ""), Environment: []string{"isolate", "node"}[random.IntN(2)]}
	}
	for i := range random.IntN(30) {
		request.AppDefinition.ChangedModules = append(request.AppDefinition.ChangedModules, module(fmt.Sprintf("folder/m%d.js", i)))
	}
	for i := range random.IntN(10) {
		m := module(fmt.Sprintf("c%d.js", i))
		m.Environment = "isolate" // components have no others
		request.Components[0].Functions = append(request.Components[0].Functions, m)
	}
	request.AppDefinition.ChangedModules[0].Source += strings.Repeat("// long enough to be compressed\n", 3000)
	return request
}

// deployedPart returns a deployment that has some of the modules already.
func deployedPart(random *rand.Rand, r *requestfile.File) map[string]backend.ModuleHash {
	deployed, part := map[string]backend.ModuleHash{}, random.IntN(5)
	for _, m := range r.Index.Functions() {
		if random.IntN(4) < part {
			deployed[m.Path] = backend.ModuleHash{Path: m.Path, SHA256: m.SHA256, Environment: m.Environment}
		}
	}
	return deployed
}

// sentAndMeant returns a body as a backend decodes it, and as it would be sent
// without compression.
func sentAndMeant(t *testing.T, b *body) (sent, meant []byte, encoding string) {
	t.Helper()
	content, length, encoding := b.open(t.Context(), true)
	raw, err := io.ReadAll(content)
	if err != nil || length != 0 && length != int64(len(raw)) {
		t.Fatalf("%d bytes, announced %d, error %v", len(raw), length, err)
	}
	if sent = raw; encoding == "br" {
		if sent, err = io.ReadAll(brotli.NewReader(bytes.NewReader(raw))); err != nil {
			t.Fatal(err)
		}
	}
	if meant, err = io.ReadAll(b.reader()); err != nil {
		t.Fatal(err)
	}
	return sent, meant, encoding
}

func TestBodyOfPiecesIsTheBody(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	compressed := 0
	for range 6 {
		path := randomRequest(random).Write(t)
		if _, err := requestfile.WriteIndex(path); err != nil {
			t.Fatal(err)
		}
		r, err := requestfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b, _, err := startBody(r, "key|"+strings.Repeat("0f", random.IntN(2000)), deployedPart(random, r))
			if err != nil {
				t.Fatal(err)
			}
			if b.pieces, err = r.Pieces(); err != nil {
				t.Fatal(err)
			}
			sent, meant, encoding := sentAndMeant(t, b)
			if !bytes.Equal(sent, meant) {
				t.Fatalf("%d bytes, want %d", len(sent), len(meant))
			}
			if encoding == "br" {
				compressed++
				if assembled, _ := b.compressed(); assembled == nil {
					t.Error("a body was compressed anew")
				}
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if compressed < 6 {
		t.Errorf("only %d bodies were compressed", compressed)
	}
}

// Modules that follow each other in the file go as one part of it.
func TestRunsOfModulesAreOnePart(t *testing.T) {
	request := pushtest.NewRequest()
	r := openRequest(t, request)
	last := r.Index.Functions()[2]
	b, changed, err := startBody(r, "k", map[string]backend.ModuleHash{last.Path: {SHA256: last.SHA256, Environment: last.Environment}})
	if err != nil {
		t.Fatal(err)
	}
	run := jsonscan.Span{Start: r.Index.Functions()[0].At.Start, End: r.Index.Functions()[1].At.End}
	if changed != 2 || !slices.ContainsFunc(b.parts, func(p bodyPart) bool { return p.at == run }) {
		t.Errorf("%d changed, parts %+v", changed, b.parts)
	}
}

// Whatever happens to the files, what is sent is the request that is there.
func TestTornPiecesAreNeverSent(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	path := randomRequest(random).Write(t)
	if _, err := requestfile.WriteIndex(path); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	whole := openCopy(t, path)
	names := []string{path, requestfile.IndexPath(path), requestfile.PiecesPath(path)}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = content
	}
	assembled, anew := 0, 0
	for i := range 60 {
		torn := names[i%3]
		pushtest.WriteFile(t, torn, string(tear(random, files[torn])))
		r, err := requestfile.Open(path)
		if err == nil {
			_, err = r.Check()
		}
		if err != nil {
			if torn != path {
				t.Fatalf("%s is torn, the request is whole: %v", torn, err)
			}
		} else {
			deployed := deployedPart(random, whole)
			b, _, err := startBody(r, "k", deployed)
			if err != nil {
				t.Fatal(err)
			}
			if b.pieces, err = r.Pieces(); err != nil {
				anew++
			} else {
				assembled++
			}
			sent, meant, _ := sentAndMeant(t, b)
			if torn != path {
				right, _, err := startBody(whole, "k", deployed)
				if err != nil {
					t.Fatal(err)
				}
				_, meant, _ = sentAndMeant(t, right)
			}
			if !bytes.Equal(sent, meant) {
				t.Fatalf("%s is torn: another request is sent", torn)
			}
		}
		pushtest.WriteFile(t, torn, string(files[torn]))
	}
	if anew < 30 || assembled > 15 {
		t.Errorf("%d bodies of pieces, %d compressed anew", assembled, anew)
	}
}

// openCopy opens a copy of a request that has nothing beside it.
func openCopy(t *testing.T, path string) *requestfile.File {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.json")
	pushtest.WriteFile(t, copied, string(content))
	r, err := requestfile.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// tear cuts a file, fills the rest of it with NUL, or changes, exchanges or adds a byte.
func tear(random *rand.Rand, content []byte) []byte {
	at := random.IntN(len(content))
	torn := bytes.Clone(content)
	switch random.IntN(5) {
	case 0:
		return torn[:at]
	case 1:
		clear(torn[at:])
	case 2:
		torn[at] ^= 1 << random.IntN(8)
	case 3:
		other := random.IntN(len(content))
		torn[at], torn[other] = torn[other], torn[at]
	default:
		torn = append(torn[:at], append([]byte("7"), torn[at:]...)...)
	}
	return torn
}

// The simulator decodes as a backend does: it has the modules that were sent.
func TestDriverPushesPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	request := randomRequest(random)
	d := newTestDriver(t, request)
	all := len(request.AppDefinition.ChangedModules)
	indexed := func() testDriver {
		next := d.again(t, request)
		if _, err := requestfile.WriteIndex(next.File.Path); err != nil {
			t.Fatal(err)
		}
		file, err := requestfile.Open(next.File.Path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		if _, err := file.Pieces(); err != nil {
			t.Fatal(err)
		}
		next.File = file
		return next
	}
	if got, want := indexed().push(t), fmt.Sprintf("%d of %d modules sent", all, all); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for i := range 3 {
		request.AppDefinition.ChangedModules[i*2%all].Source += "// another version"
	}
	if got, want := indexed().push(t), fmt.Sprintf("3 of %d modules sent", all); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := indexed().push(t), fmt.Sprintf("0 of %d modules sent", all); got != want {
		t.Errorf("%s, want %s: the backend has others", got, want)
	}
	pushes := slices.DeleteFunc(d.sim.Requests(), func(r convexsim.Request) bool { return r.Stage != fault.StageStartPush })
	if len(pushes) != 3 || pushes[0].Encoding != "br" {
		t.Errorf("pushes %+v", pushes)
	}
}
