// Package pushtest makes push requests for tests and benchmarks of package push and
// its parts: small ones in every detail, and large ones.
package pushtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// Size is how large a generated app is.
type Size struct {
	Modules    int // of the app's functions
	Bytes      int // of all text, about
	Components int // each of ten modules
	Indexes    int // of the app's schema, four to a table
	// Changed is how many of the modules have other text than those of the same app
	// with another number here.
	Changed int
}

// RealApp returns what is as large as a real application.
func RealApp() Size { return Size{Modules: 1677, Bytes: 35 << 20, Components: 7, Indexes: 279} }

const componentModules = 10

type module struct {
	Path        string `json:"path"`
	Source      string `json:"source"`
	Environment string `json:"environment"`
}

type largeComponent struct {
	DefinitionPath   string   `json:"definitionPath"`
	Definition       module   `json:"definition"`
	Dependencies     []string `json:"dependencies"`
	Schema           *module  `json:"schema"`
	Functions        []module `json:"functions"`
	UDFServerVersion string   `json:"udfServerVersion"`
}

// WriteLargeRequest writes the request of an app, as convex 1.35.1 writes it. The
// text is the same each time and compresses to about a third, a little worse than
// bundled code.
func WriteLargeRequest(path string, size Size) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := largeWriter{Writer: bufio.NewWriter(file), size: size, words: vocabulary(rand.New(rand.NewPCG(1, 1)))}
	w.app()
	w.components()
	return errors.Join(w.err, w.Flush()) // reports an error of any write before
}

type largeWriter struct {
	*bufio.Writer
	size  Size
	words []string
	err   error
}

func (w *largeWriter) text(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func (w *largeWriter) value(v any) {
	text, err := json.Marshal(v)
	w.err = errors.Join(w.err, err)
	_, _ = w.Write(text)
}

func (w *largeWriter) app() {
	used := make([]string, w.size.Components)
	for i := range used {
		used[i] = componentPath(i)
	}
	w.text(`{"adminKey":"nobody|00","dryRun":false,"functions":"convex/","appDefinition":{"definition":`)
	w.value(w.definition(used))
	w.text(`,"dependencies":`)
	w.value(used)
	w.text(`,"schema":`)
	w.value(w.schema())
	w.text(`,"changedModules":[`)
	for i := range w.size.Modules {
		if i > 0 {
			w.text(",")
		}
		version := 0
		if i < w.size.Changed {
			version = w.size.Changed
		}
		w.value(w.module(fmt.Sprintf("folder%d/module%d.js", i%40, i), i, version))
	}
	w.text(`],"unchangedModuleHashes":[],"udfServerVersion":"1.35.1"},"componentDefinitions":[`)
}

func componentPath(i int) string { return fmt.Sprintf("../node_modules/part%d/dist/component", i) }

func (w *largeWriter) definition(used []string) *module {
	if len(used) == 0 {
		return nil
	}
	var source strings.Builder
	source.WriteString("import { defineApp } from \"convex/server\";\n")
	for i, path := range used {
		fmt.Fprintf(&source, "import part%d from \"./_componentDeps/%s\";\n", i, path)
	}
	source.WriteString("const app = defineApp();\n")
	for i := range used {
		fmt.Fprintf(&source, "app.use(part%d);\n", i)
	}
	source.WriteString("export { app as default };\n")
	return &module{"convex.config.js", source.String(), "isolate"}
}

func (w *largeWriter) schema() *module {
	if w.size.Indexes == 0 {
		return nil
	}
	var source strings.Builder
	source.WriteString("import { defineSchema, defineTable } from \"convex/server\";\nexport default defineSchema({\n")
	for i := range w.size.Indexes {
		if i%4 == 0 {
			fmt.Fprintf(&source, "  collectionOfThings%d: defineTable({})", i/4)
		}
		fmt.Fprintf(&source, `.index("by_organization_and_field%d", ["organizationId", "field%d"])`, i, i)
		if i%4 == 3 || i == w.size.Indexes-1 {
			source.WriteString(",\n")
		}
	}
	source.WriteString("});\n")
	return &module{"schema.js", source.String(), "isolate"}
}

func (w *largeWriter) components() {
	for i := range w.size.Components {
		if i > 0 {
			w.text(",")
		}
		c := largeComponent{
			DefinitionPath: componentPath(i), Dependencies: []string{}, UDFServerVersion: "1.35.1",
			Definition: module{"convex.config.js", fmt.Sprintf(`import { defineComponent } from "convex/server"; export default defineComponent("part%d");`, i), "isolate"},
		}
		for m := range componentModules {
			c.Functions = append(c.Functions, w.module(fmt.Sprintf("part/module%d.js", m), i, -1-m))
		}
		w.value(c)
	}
	w.text(`],"nodeDependencies":[]}`)
}

// module returns one of average length.
func (w *largeWriter) module(path string, seed, version int) module {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(version)))
	return module{path, w.prose(random, w.size.Bytes/(w.size.Modules+componentModules*w.size.Components)*9/10), "isolate"}
}

func vocabulary(random *rand.Rand) []string {
	words := []string{"export const ", "function", "=> ", "return ", "\n  ", "\"", "{", "}", "(", ")", ";\n", "await ctx.db.query(", "const "}
	for range 600 {
		words = append(words, strconv.FormatUint(random.Uint64()>>random.IntN(40), 36)+" ")
	}
	return words
}

func (w *largeWriter) prose(random *rand.Rand, size int) string {
	var text strings.Builder
	text.WriteString("export const list = query({});\n//")
	n := len(w.words)
	for text.Len() < size {
		text.WriteString(w.words[min(random.IntN(n), random.IntN(n), random.IntN(n))])
	}
	return text.String()
}
