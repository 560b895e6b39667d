package push

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
)

// modulePart is where a module's source and source map are: inside the quotes.
type modulePart struct{ source, sourceMap span }

// requestScan collects an index in one pass over the file.
type requestScan struct {
	s     *jsonScanner
	index RequestIndex
	parts []modulePart // of index.Modules, in the same order
	seen  map[string]bool
}

// scanRequest makes the index of a request file: one pass for the structure and
// the file's own hash, one for the hashes of the modules. Sources are never held.
func scanRequest(file *os.File) (*RequestIndex, error) {
	digest := sha256.New()
	scan := requestScan{s: newJSONScanner(io.TeeReader(file, digest)), seen: map[string]bool{}}
	if err := scan.document(); err != nil {
		return nil, err
	}
	scan.index.Format = indexFormat
	scan.index.Size = scan.s.offset()
	scan.index.SHA256 = hex.EncodeToString(digest.Sum(nil))
	if err := scan.complete(); err != nil {
		return nil, err
	}
	return &scan.index, hashModules(file, scan.index.Modules, scan.parts)
}

func (r *requestScan) document() error {
	err := r.s.object(func(key string) error {
		r.seen[key] = true
		switch key {
		case "adminKey":
			return r.adminKey()
		case "dryRun":
			word, err := r.s.scalar()
			r.index.DryRun = word == "true"
			return err
		case "nodeVersion":
			version, err := r.s.textOrNull()
			r.index.NodeVersion = version
			return err
		case "appDefinition":
			return r.app()
		case "componentDefinitions":
			return r.s.array(r.component)
		}
		_, err := r.s.skip()
		return err
	})
	if err != nil {
		return err
	}
	return r.s.end()
}

func (r *requestScan) adminKey() error {
	key, at, err := r.s.text()
	r.index.Key, r.index.KeyIsReal = at, looksReal(key)
	return err
}

// looksReal tells a key that a backend issued from a placeholder: behind the
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
	return r.s.object(func(key string) error {
		r.seen["appDefinition."+key] = true
		switch key {
		case "definition":
			return r.moduleOrNull(RoleDefinition)
		case "schema":
			return r.moduleOrNull(RoleSchema)
		case "changedModules", "functions": // the latter up to CLI 1.31.5
			start, err := r.array(RoleFunction)
			r.index.ChangedModules = span{start, r.s.offset()}
			return err
		case "unchangedModuleHashes":
			return r.unchanged()
		case "udfServerVersion":
			version, err := r.s.textOrNull()
			r.index.UDFServerVersion = version
			return err
		}
		_, err := r.s.skip()
		return err
	})
}

func (r *requestScan) unchanged() error {
	if _, err := r.s.peek(); err != nil {
		return err
	}
	r.index.UnchangedHashes.Start = r.s.offset()
	err := r.s.array(func() error {
		r.index.HashedModules++
		_, err := r.s.skip()
		return err
	})
	r.index.UnchangedHashes.End = r.s.offset()
	return err
}

// component reads one element of componentDefinitions. The fields may come in any
// order, so the modules get their component's path afterwards.
func (r *requestScan) component() error {
	first := len(r.index.Modules)
	path := ""
	err := r.s.object(func(key string) error {
		switch key {
		case "definitionPath":
			var err error
			path, _, err = r.s.text()
			return err
		case "definition":
			return r.moduleOrNull(RoleDefinition)
		case "schema":
			return r.moduleOrNull(RoleSchema)
		case "functions":
			_, err := r.array(RoleFunction)
			return err
		}
		_, err := r.s.skip()
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
func (r *requestScan) array(role ModuleRole) (int64, error) {
	if _, err := r.s.peek(); err != nil {
		return 0, err
	}
	start := r.s.offset()
	return start, r.s.array(func() error { return r.module(role) })
}

func (r *requestScan) moduleOrNull(role ModuleRole) error {
	c, err := r.s.peek()
	if err != nil {
		return err
	}
	if c == '{' {
		return r.module(role)
	}
	_, err = r.s.textOrNull() // null is all that is accepted
	return err
}

func (r *requestScan) module(role ModuleRole) error {
	if _, err := r.s.peek(); err != nil {
		return err
	}
	module := RequestModule{Role: role, At: span{Start: r.s.offset()}}
	var part modulePart
	err := r.s.object(func(key string) error {
		var err error
		switch key {
		case "path":
			module.Path, _, err = r.s.text()
		case "environment":
			module.Environment, err = r.s.textOrNull()
		case "source":
			part.source, err = r.quoted()
		case "sourceMap":
			part.sourceMap, err = r.quoted()
		default:
			_, err = r.s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if module.Path == "" || part.source.Start == 0 {
		return fmt.Errorf("the module at byte %d has no path or no source", module.At.Start)
	}
	module.At.End = r.s.offset()
	r.index.Modules = append(r.index.Modules, module)
	r.parts = append(r.parts, part)
	return nil
}

// quoted passes over a string or null and returns where the string's inside is.
func (r *requestScan) quoted() (span, error) {
	c, err := r.s.peek()
	if err != nil {
		return span{}, err
	}
	at, err := r.s.skip()
	switch {
	case err != nil:
		return span{}, err
	case c == '"':
		return span{at.Start + 1, at.End - 1}, nil
	case c == 'n':
		return span{}, nil
	}
	return span{}, fmt.Errorf("malformed push request at byte %d: a string must be there", at.Start)
}

// complete checks that everything that a push replaces or sends was there.
func (r *requestScan) complete() error {
	if !r.seen["appDefinition.changedModules"] && !r.seen["appDefinition.functions"] {
		return errors.New("it is not a push request of the convex CLI: appDefinition.changedModules is missing")
	}
	for _, key := range []string{"adminKey", "functions", "componentDefinitions", "nodeDependencies", "appDefinition.udfServerVersion"} {
		if !r.seen[key] {
			return fmt.Errorf("it is not a push request of the convex CLI: %s is missing", key)
		}
	}
	return nil
}

// hashModules fills in the hashes, on all processors.
func hashModules(file io.ReaderAt, modules []RequestModule, parts []modulePart) error {
	workers := max(1, runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for w := range workers {
		group.Go(func() error {
			decoder := newTextDecoder()
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

func hashModule(file io.ReaderAt, decoder *textDecoder, digest hash.Hash, part modulePart) error {
	digest.Reset()
	for _, text := range []span{part.source, part.sourceMap} {
		if err := decoder.decode(digest, io.NewSectionReader(file, text.Start, text.length())); err != nil {
			return err
		}
	}
	return nil
}
