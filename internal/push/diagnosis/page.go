package diagnosis

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

const docIntro = `# Diagnostics: what a failed push means

<!-- Generated from internal/push/diagnosis/rows_*.go by "make docs". Do not edit. -->

When a push fails, the log of the platform container ends with the stage, the code and the words of the
backend, a cause and a fix. They come from this catalogue. The stage and the code are taken from the
requests on the wire, never guessed from printed text.

A passing failure is retried, up to ` + "`CONVEX_DEPLOY_ATTEMPTS`" + ` times in all, and judged anew each time:

| retried | means |
|---|---|
| no | The same input fails in the same way. The container ends, and the functions that were there keep running. |
| same | The same request may succeed later. |
| redo | Only a new push, which reads the modules and the variables again, can succeed. |

The waits grow from attempt to attempt, with jitter: ` + "%s" + `.

Exit codes: %d refused for good · %d still failing after all attempts · %d key or permission refused · %d and %d the
convex CLI cannot be executed or was not found. All commands below are for the host, in the folder of the compose file.

A full disk and a lost database lease have no code of their own: they look like ` + "`InternalServerError`" + ` or like a
connection that breaks or is refused. Those entries say how to tell.
`

// WritePage writes the catalogue as docs/diagnostics.md.
func WritePage(w io.Writer) error {
	var doc strings.Builder
	fmt.Fprintf(&doc, docIntro, paceText(), exit.DeployRefused, exit.Temporary, exit.NoPermission, exit.NotExecutable, exit.NotFound)
	for _, section := range (advisor{place.Compose()}).catalogue() {
		fmt.Fprintf(&doc, "\n## %s\n", section.title)
		if section.intro != "" {
			fmt.Fprintf(&doc, "\n%s\n", section.intro)
		}
		for _, row := range section.rows {
			row.writeDoc(&doc)
		}
	}
	fmt.Fprint(&doc, docUnknown)
	_, err := io.WriteString(w, doc.String())
	return err
}

const docUnknown = `
## Everything else

A code that is not in this list is shown with its stage, its status and the words of the backend. It is judged by
its status alone: 408, 429 and 5xx are retried, 409 starts the push anew, 401 and 403 end with the exit code for
permissions, and every other one is final. ` + "`RUST_LOG=debug`" + ` for the convex container makes the backend say more.
`

func paceText() string {
	var parts []string
	for _, pace := range []Pace{PaceBrief, PaceLoad, PaceRestart} {
		first, longest := pace.Bounds()
		parts = append(parts, fmt.Sprintf("%s (%v to %v)", pace, first, longest))
	}
	return strings.Join(parts, ", ")
}

func (r row) writeDoc(doc *strings.Builder) {
	fmt.Fprintf(doc, "\n### %s\n\n", r.subject())
	facts := []string{"stage: " + r.stageText()}
	if r.contains != "" {
		facts = append(facts, fmt.Sprintf("the words contain %q", r.contains))
	}
	facts = append(facts, "retried: "+r.retryText(), fmt.Sprintf("exit code %d", r.exit))
	fmt.Fprintf(doc, "%s\n\n%s\n\n", strings.Join(facts, " · "), blanks(r.cause))
	for _, fix := range r.fix {
		fmt.Fprintf(doc, "* %s\n", fixText(fix))
	}
}

// subject returns the heading: codes, conditions, kinds or statuses.
func (r row) subject() string {
	var names []string
	for _, code := range r.codes {
		names = append(names, "`"+code+"`")
	}
	if r.family != "" {
		names = append(names, "`"+r.family+"`")
	}
	for _, condition := range r.conditions {
		names = append(names, "`"+string(condition)+"`")
	}
	for _, kind := range r.transport {
		names = append(names, "connection: "+string(kind))
	}
	var statuses []string
	for _, status := range r.statuses {
		statuses = append(statuses, strconv.Itoa(status))
	}
	if len(statuses) > 0 {
		names = append(names, "HTTP "+strings.Join(statuses, ", "))
	}
	return strings.Join(names, ", ")
}

func (r row) stageText() string {
	stages := r.stages
	if stages == nil {
		stages = r.seen
	}
	if stages == nil {
		return "any"
	}
	var names []string
	for _, stage := range stages {
		names = append(names, "`"+string(stage)+"`")
	}
	return strings.Join(names, ", ")
}

func (r row) retryText() string {
	if r.retry == RetryNo {
		return "no"
	}
	return fmt.Sprintf("%s, pace %s", r.retry, r.pace)
}

var (
	placeholderInDoc = regexp.MustCompile(`\{([a-z]+)\}`)
	commandInFix     = regexp.MustCompile(`^(docker .*?|[A-Z_]+=\S+|npx .*?)( \([^$]*\)| in the .*| in \.env.*)?$`)
)

// blanks shows the placeholders of a text as what they stand for.
func blanks(text string) string {
	text = strings.ReplaceAll(text, "{old}", oldFunctionsRun)
	return strings.ReplaceAll(placeholderInDoc.ReplaceAllString(text, "‹$1›"), "‹component›", "")
}

// fixText sets a command in code type and leaves the remark behind it.
func fixText(fix string) string {
	fix = blanks(fix)
	found := commandInFix.FindStringSubmatch(fix)
	if found == nil {
		return fix
	}
	return "`" + found[1] + "`" + found[2]
}
