package proxy

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// nodeReads prints what Node.js reads in each target, by the name of a decoder.
const nodeReads = `
const { parse } = require('node:url');
const attempt = f => { try { return f() } catch { return null } };
const targets = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(targets.map(t => ({
	'bun': attempt(() => new URL('http://site.test' + t).pathname),
	'node, new URL': attempt(() => new URL(t, 'http://site.test').pathname),
	'node, url.parse': attempt(() => parse(t).pathname),
}))));`

// What the decoders here make of a path is what Node.js makes of it; nothing else
// arrives at a server. One that Node.js throws at reaches no handler.
func TestDecodersReadAsNodeDoes(t *testing.T) {
	s := newSpeller(5)
	var targets []string
	for _, one := range s.closed(closedTargets("/tale"), 4000, false) {
		targets = append(targets, one.target)
	}
	input, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", testkit.NodePath(t))
	node := exec.CommandContext(t.Context(), "node", "-e", nodeReads)
	node.Stdin = strings.NewReader(string(input))
	output, err := node.Output()
	var read []map[string]*string
	if err != nil || json.Unmarshal(output, &read) != nil || len(read) != len(targets) {
		t.Fatalf("%v: %.200s", err, output)
	}
	compared := map[string]int{}
	for i, target := range targets {
		for name, want := range read[i] {
			if want == nil || *want == "" {
				continue
			}
			compared[name]++
			if got := decoders[name](target); percentDecoded(got) != percentDecoded(*want) {
				t.Errorf("%s: %q is %q, and to Node.js %q", name, target, got, *want)
			}
		}
	}
	if len(compared) != 3 || compared["bun"] < len(targets)/2 {
		t.Errorf("compared: %v", compared)
	}
}
