// Package builtapp makes an application as a bundler leaves it, for measuring and
// for tests: a page that names sixty scripts with hashes in their names, six
// megabytes in all. It is the same each time it is made with the same seed, and
// another version with another one.
//
// The text is no program. It has what compression lives on: the words, idioms and
// short names of minified scripts, as unevenly spread as they are there, and enough
// that is not foreseeable: gzip makes a little over a third of it, as of the scripts
// of a small React application, and brotli at its best four fifths of what gzip does.
package builtapp

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

const (
	// Parts is how many scripts there are.
	Parts = 60
	// Bytes is about how long they are together.
	Bytes = 6_000_000
)

// App is a page and its parts.
type App struct {
	Page  string
	Names []string          // paths of the scripts
	Lazy  string            // that of one which the page does not name: the last script loads it
	Files map[string]string // their texts
}

// New makes the version of a seed.
func New(seed uint64) App { return Sized(seed, Parts, Bytes) }

// Sized makes one with another number of parts, which have about so many bytes.
func Sized(seed uint64, parts, bytes int) App {
	chance := rand.New(rand.NewPCG(seed, 60))
	app := App{Files: map[string]string{}}
	var page strings.Builder
	page.WriteString("<!doctype html><html><head><title>app</title>\n")
	for i, size := range sizes(parts, bytes) {
		text := script(chance, size)
		if i == parts-1 {
			text += "import(\"." + strings.TrimPrefix(app.Lazy, "/assets") + "\");"
		}
		sum := sha256.Sum256([]byte(text))
		name := fmt.Sprintf("/assets/part%d-%s.js", i, base64.RawURLEncoding.EncodeToString(sum[:6]))
		app.Names, app.Files[name] = append(app.Names, name), text
		if i == 0 {
			app.Lazy = name
			continue
		}
		fmt.Fprintf(&page, "<script type=\"module\" crossorigin src=\"%s\"></script>\n", name)
	}
	page.WriteString("</head><body><div id=\"root\"></div></body></html>\n")
	app.Page = page.String()
	return app
}

// sizes returns uneven ones, as in reality: a few large chunks and many small ones.
func sizes(parts, bytes int) []int {
	weights, sum := make([]float64, parts), 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -0.9)
		sum += weights[i]
	}
	all := make([]int, parts)
	for i, w := range weights {
		all[i] = int(w / sum * float64(bytes))
	}
	return all
}

// writer writes a script.
type writer struct {
	strings.Builder
	chance *rand.Rand
	own    []string // words that this part uses more than others do
	said   []string // statements, some of which come again: idioms, and helpers that bundlers copy
}

func script(chance *rand.Rand, size int) string {
	w := &writer{chance: chance}
	for range 40 + size/3000 {
		w.own = append(w.own, w.coined())
	}
	for w.Len() < size {
		if len(w.said) > 20 && w.chance.IntN(12) == 0 {
			w.WriteString(w.said[w.chance.IntN(len(w.said))])
			continue
		}
		begin := w.Len()
		w.statement(0)
		w.said = append(w.said, w.String()[begin:])
	}
	return w.String()
}

// often picks an index, the lower ones more often (Zipf).
func (w *writer) often(n int) int {
	return min(int(math.Exp(w.chance.Float64()*math.Log(float64(n+1)))-1), n-1)
}

// coined returns a name as programmers make them.
func (w *writer) coined() string {
	var name strings.Builder
	name.WriteString(words[w.chance.IntN(len(words))])
	for range 1 + w.chance.IntN(2) {
		next := words[w.chance.IntN(len(words))]
		name.WriteString(strings.ToUpper(next[:1]) + next[1:])
	}
	return name.String()
}

func (w *writer) local() string {
	const letters = "etnriaosclfudhpmgbvywxkTEqNSAjIzCORLMDP"
	name := letters[w.often(len(letters)):][:1]
	if w.chance.IntN(5) == 0 {
		name += letters[w.chance.IntN(len(letters)):][:1]
	}
	return name
}

func (w *writer) property() string {
	if w.chance.IntN(3) == 0 {
		return w.own[w.often(len(w.own))]
	}
	return words[w.often(len(words))]
}

func (w *writer) literal() string {
	switch w.chance.IntN(6) {
	case 0:
		return strconv.Itoa(w.chance.IntN(1000))
	case 1:
		return `"` + w.property() + `"`
	case 2:
		sentence := make([]string, 2+w.chance.IntN(7))
		for i := range sentence {
			sentence[i] = words[w.chance.IntN(len(words))]
		}
		return `"` + strings.Join(sentence, " ") + `"`
	case 3:
		return "`" + w.property() + "-${" + w.local() + "}`"
	case 4:
		return fmt.Sprintf(`"M%d.%d %dl%d-%d"`, w.chance.IntN(24), w.chance.IntN(100), w.chance.IntN(24), w.chance.IntN(10), w.chance.IntN(10))
	default:
		return []string{"null", "void 0", "!0", "!1", "[]", "{}", "0", "1"}[w.often(8)]
	}
}

func (w *writer) expression(depth int) string {
	if depth > 3 {
		return w.local()
	}
	part := func() string { return w.expression(depth + 1) }
	switch w.often(11) {
	case 0:
		return w.local() + "." + w.property()
	case 1:
		return w.local()
	case 2:
		return w.local() + "." + w.property() + "(" + part() + ")"
	case 3:
		return w.literal()
	case 4:
		return "(0," + w.local() + ".jsx)(" + w.literal() + ",{className:" + w.literal() + ",children:" + part() + "})"
	case 5:
		return part() + []string{"===", "!==", "&&", "||", "+", ">", "??"}[w.often(7)] + part()
	case 6:
		return "{" + w.property() + ":" + part() + "," + w.property() + ":" + part() + "}"
	case 7:
		return w.local() + "=>" + part()
	case 8:
		return part() + "?" + part() + ":" + part()
	case 9:
		return "[" + part() + "," + part() + "]"
	default:
		return "new " + w.coined() + "(" + part() + ")"
	}
}

func (w *writer) statement(depth int) {
	switch kind := w.often(8); {
	case kind == 0:
		w.printf("let %s=%s;", w.local(), w.expression(0))
	case kind == 1:
		w.printf("%s.%s=%s;", w.local(), w.property(), w.expression(0))
	case kind == 2 || depth > 2:
		w.printf("%s(%s);", w.local(), w.expression(0))
	case kind == 3:
		w.printf("if(%s)return %s;", w.expression(0), w.expression(1))
	case kind == 4:
		w.printf("function %s(%s,%s){", w.local(), w.local(), w.local())
		w.block(depth)
	case kind == 5:
		w.printf("for(let %s of %s){", w.local(), w.expression(1))
		w.block(depth)
	case kind == 6:
		w.printf("try{%s}catch(%s){", w.expression(0), w.local())
		w.block(depth)
	default:
		w.printf("export const %s=(%s)=>{", w.coined(), w.local())
		w.block(depth)
	}
}

func (w *writer) printf(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

func (w *writer) block(depth int) {
	for range 1 + w.chance.IntN(5) {
		w.statement(depth + 1)
	}
	w.WriteString("}")
}

// words are those of scripts, the frequent ones first.
var words = strings.Fields(`length props value type current children state name key id data push call apply prototype style node
	element target index return className create update render effect parent context error message event options map get set find filter
	callback handler default object string number function array document window location query params result request response status
	format date time color width height position offset scroll click focus change input button label text icon list item row column table
	header footer body content title open close show hide active disabled selected checked visible loading pending success failure retry
	timeout interval promise resolve reject async await fetch client server socket connection message channel stream buffer chunk parse
	stringify encode decode hash token user session account email password profile settings theme dark light locale language translate
	currency amount price total count limit page size sort order direction start end begin finish next previous first last left right top
	bottom center middle inner outer container wrapper layout grid flex box border margin padding shadow radius background foreground
	image source video audio canvas path line circle rect transform rotate scale translate animate transition duration delay easing
	validate required optional pattern minimum maximum compare equal merge clone copy assign freeze define extend inherit implement
	register subscribe unsubscribe publish dispatch action reducer store selector provider consumer memo ref forward portal suspense lazy
	boundary fallback route router link navigate history push replace match segment root leaf branch tree graph edge vertex weight queue
	stack heap cache entry record field schema model view controller service factory adapter bridge proxy observer visitor command memento
	template strategy iterator composite decorator facade flyweight chain mediator interpreter builder singleton module export import require
	bundle compile runtime polyfill browser vendor platform device network storage cookie header method patch delete upload download file
	folder drive cloud sync backup restore archive version commit branch merge conflict review approve reject comment reply mention notify
	alert warning info debug trace log level metric counter gauge histogram sample percentile average median variance random seed`)
