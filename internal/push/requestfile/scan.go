package requestfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// modulePart is where a module's source and source map are: inside the quotes.
type modulePart struct{ source, sourceMap jsonscan.Span }

// requestScan collects an index in one pass over the file.
type requestScan struct {
	s     *jsonscan.Scanner
	index Index
	parts []modulePart // of index.Modules, in the same order
	seen  map[string]bool
}

// scanRequest makes the index of a request file: one pass for the structure and
// the file's own hash, one for the hashes of the modules. Sources are never held.
func scanRequest(file *os.File) (*Index, error) {
	digest := sha256.New()
	scan := requestScan{s: jsonscan.NewScanner(io.TeeReader(file, digest)), seen: map[string]bool{}}
	if err := scan.document(); err != nil {
		return nil, err
	}
	scan.index.Size = scan.s.Offset()
	scan.index.SHA256 = hex.EncodeToString(digest.Sum(nil))
	if err := scan.complete(); err != nil {
		return nil, err
	}
	return &scan.index, hashModules(file, scan.index.Modules, scan.parts)
}

func (r *requestScan) document() error {
	err := r.s.Object(func(key string) error {
		r.seen[key] = true
		switch key {
		case "adminKey":
			return r.adminKey()
		case "dryRun":
			word, err := r.s.Scalar()
			r.index.DryRun = word == "true"
			return err
		case "forCodegen":
			word, err := r.s.Scalar()
			r.index.ForCodegen = word == "true"
			return err
		case "nodeVersion":
			version, err := r.s.TextOrNull()
			r.index.NodeVersion = version
			return err
		case "appDefinition":
			return r.app()
		case "componentDefinitions":
			return r.s.Array(r.component)
		}
		_, err := r.s.Skip()
		return err
	})
	if err != nil {
		return err
	}
	return r.s.End()
}

func (r *requestScan) adminKey() error {
	key, at, err := r.s.Text()
	r.index.Key, r.index.KeyIsReal = at, looksReal(key)
	return err
}

// looksReal reports whether a backend issued the key: behind the
// instance name it has at least 74 hexadecimal digits.
func looksReal(key string) bool {
	_, blob, found := strings.Cut(key, "|")
	if !found || len(blob) < 74 {
		return false
	}
	_, err := hex.DecodeString(blob[:74])
	return err == nil
}

func (r *requestScan) app() error {
	return r.s.Object(func(key string) error {
		r.seen["appDefinition."+key] = true
		switch key {
		case "definition":
			return r.moduleOrNull(RoleDefinition)
		case "schema":
			return r.moduleOrNull(RoleSchema)
		case "changedModules", "functions": // the latter up to CLI 1.31.5
			start, err := r.array(RoleFunction)
			r.index.ChangedModules = jsonscan.Span{Start: start, End: r.s.Offset()}
			return err
		case "unchangedModuleHashes":
			return r.unchanged()
		case "udfServerVersion":
			version, err := r.s.TextOrNull()
			r.index.UDFServerVersion = version
			return err
		}
		_, err := r.s.Skip()
		return err
	})
}

func (r *requestScan) unchanged() error {
	if _, err := r.s.Peek(); err != nil {
		return err
	}
	r.index.UnchangedHashes.Start = r.s.Offset()
	err := r.s.Array(func() error {
		r.index.HashedModules++
		_, err := r.s.Skip()
		return err
	})
	r.index.UnchangedHashes.End = r.s.Offset()
	return err
}

// component reads one element of componentDefinitions. The fields may come in any
// order, so the modules get their component's path afterwards.
func (r *requestScan) component() error {
	first := len(r.index.Modules)
	path := ""
	err := r.s.Object(func(key string) error {
		switch key {
		case "definitionPath":
			var err error
			path, _, err = r.s.Text()
			return err
		case "definition":
			return r.moduleOrNull(RoleDefinition)
		case "schema":
			return r.moduleOrNull(RoleSchema)
		case "functions":
			_, err := r.array(RoleFunction)
			return err
		}
		_, err := r.s.Skip()
		return err
	})
	if err != nil {
		return err
	}
	if path == "" {
		return errors.New("a component definition has no definitionPath")
	}
	r.index.Components++
	for i := first; i < len(r.index.Modules); i++ {
		r.index.Modules[i].Component = path
	}
	return nil
}

// array reads a list of modules and returns where it starts.
func (r *requestScan) array(role Role) (int64, error) {
	if _, err := r.s.Peek(); err != nil {
		return 0, err
	}
	start := r.s.Offset()
	return start, r.s.Array(func() error { return r.module(role) })
}

func (r *requestScan) moduleOrNull(role Role) error {
	c, err := r.s.Peek()
	if err != nil {
		return err
	}
	if c == '{' {
		return r.module(role)
	}
	_, err = r.s.TextOrNull() // null is all that is accepted
	return err
}

func (r *requestScan) module(role Role) error {
	if _, err := r.s.Peek(); err != nil {
		return err
	}
	module := Module{Role: role, At: jsonscan.Span{Start: r.s.Offset()}}
	var part modulePart
	err := r.s.Object(func(key string) error {
		var err error
		switch key {
		case "path":
			module.Path, _, err = r.s.Text()
		case "environment":
			module.Environment, err = r.s.TextOrNull()
		case "source":
			part.source, err = r.quoted()
		case "sourceMap":
			part.sourceMap, err = r.quoted()
		default:
			_, err = r.s.Skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if module.Path == "" || part.source.Start == 0 {
		return fmt.Errorf("the module at byte %d has no path or no source", module.At.Start)
	}
	module.At.End = r.s.Offset()
	r.index.Modules = append(r.index.Modules, module)
	r.parts = append(r.parts, part)
	return nil
}

// quoted passes over a string or null and returns where the string's inside is.
func (r *requestScan) quoted() (jsonscan.Span, error) {
	c, err := r.s.Peek()
	if err != nil {
		return jsonscan.Span{}, err
	}
	at, err := r.s.Skip()
	switch {
	case err != nil:
		return jsonscan.Span{}, err
	case c == '"':
		return jsonscan.Span{Start: at.Start + 1, End: at.End - 1}, nil
	case c == 'n':
		return jsonscan.Span{}, nil
	}
	return jsonscan.Span{}, fmt.Errorf("malformed push request at byte %d: a string must be there", at.Start)
}

// complete checks that everything that a push replaces or sends was there.
func (r *requestScan) complete() error {
	if !r.seen["appDefinition.changedModules"] && !r.seen["appDefinition.functions"] {
		return errors.New("it is not a push request of the convex CLI: appDefinition.changedModules is missing")
	}
	if r.seen["appDefinition.changedModules"] && r.seen["appDefinition.functions"] {
		return errors.New("it is not a push request of the convex CLI: appDefinition has both changedModules and functions")
	}
	for _, key := range []string{"adminKey", "functions", "componentDefinitions", "nodeDependencies", "appDefinition.udfServerVersion"} {
		if !r.seen[key] {
			return fmt.Errorf("it is not a push request of the convex CLI: %s is missing", key)
		}
	}
	return nil
}

// hashModules fills in the hashes, on all processors.
func hashModules(file io.ReaderAt, modules []Module, parts []modulePart) error {
	workers := max(1, runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for w := range workers {
		group.Go(func() error {
			decoder := jsonscan.NewTextDecoder()
			digest := sha256.New()
			for i := w; i < len(modules); i += workers {
				if err := hashModule(file, decoder, digest, parts[i]); err != nil {
					return fmt.Errorf("module %s: %w", modules[i].Path, err)
				}
				modules[i].SHA256 = hex.EncodeToString(digest.Sum(nil))
			}
			return nil
		})
	}
	return group.Wait()
}

func hashModule(file io.ReaderAt, decoder *jsonscan.TextDecoder, digest hash.Hash, part modulePart) error {
	digest.Reset()
	for _, text := range []jsonscan.Span{part.source, part.sourceMap} {
		if err := decoder.Decode(digest, io.NewSectionReader(file, text.Start, text.Length())); err != nil {
			return err
		}
	}
	return nil
}
