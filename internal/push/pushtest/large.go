// Package pushtest makes push requests for tests and benchmarks of package push and
// its parts: small ones in every detail, and large ones.
package pushtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
)

// largeModules is how many function files the app has that large requests are
// modelled on.
const largeModules = 1141

type module struct {
	Path        string `json:"path"`
	Source      string `json:"source"`
	Environment string `json:"environment"`
}

// WriteLargeRequest writes a request of about the given size for an app of
// largeModules modules, as convex 1.35.1 writes it. The text is the same each time
// and compresses to about a third, a little worse than bundled code.
func WriteLargeRequest(path string, bytes int) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriter(file)
	_, _ = io.WriteString(out, `{"adminKey":"nobody|00","dryRun":false,"functions":"convex/","appDefinition":{"definition":null,"dependencies":[],"schema":null,"changedModules":[`)
	random := rand.New(rand.NewPCG(1, 1))
	words := vocabulary(random)
	for i := range largeModules {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		m := module{fmt.Sprintf("folder%d/module%d.js", i%40, i), prose(random, words, bytes/largeModules*9/10), "isolate"}
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		_, _ = out.Write(text)
	}
	_, _ = io.WriteString(out, `],"unchangedModuleHashes":[],"udfServerVersion":"1.35.1"},"componentDefinitions":[],"nodeDependencies":[]}`)
	return out.Flush() // reports an error of any write before
}

func vocabulary(random *rand.Rand) []string {
	words := []string{"export const ", "function", "=> ", "return ", "\n  ", "\"", "{", "}", "(", ")", ";\n", "await ctx.db.query(", "const "}
	for range 600 {
		words = append(words, strconv.FormatUint(random.Uint64()>>random.IntN(40), 36)+" ")
	}
	return words
}

func prose(random *rand.Rand, words []string, size int) string {
	var text strings.Builder
	text.WriteString("export const list = query({});\n//")
	for text.Len() < size {
		text.WriteString(words[min(random.IntN(len(words)), random.IntN(len(words)), random.IntN(len(words)))])
	}
	return text.String()
}
