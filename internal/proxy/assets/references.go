package assets

import (
	"net/url"
	"path"
	"strings"
)

// references finds the names of immutable files in a text that passes in pieces: a
// page, a script, a style sheet. It takes every run of characters of a path for a
// name, wherever it stands, because tools write them into attributes, import
// calls, lists and escaped JSON alike.
type references struct {
	base  string // the path under which visitors see the site
	from  string // the path of the text
	found func(path string)
	open  []byte // a run that the last piece ended in
}

// longestRun is the longest run that is looked at; code without blanks is longer.
const longestRun = maxPath

// Write looks through a piece. It never fails.
func (s *references) Write(piece []byte) (int, error) {
	start := 0
	for i, c := range piece {
		if inPath[c] {
			continue
		}
		if i > start || len(s.open) > 0 {
			s.run(piece[start:i])
		}
		start = i + 1
	}
	s.open = append(s.open, piece[start:min(len(piece), start+longestRun+1)]...)
	if len(s.open) > longestRun+1 {
		s.open = s.open[:longestRun+1] // too long to be a name, however it goes on
	}
	return len(piece), nil
}

// Close looks at a run that the text ends in.
func (s *references) Close() { s.run(nil) }

// run looks at the run that ends with tail.
func (s *references) run(tail []byte) {
	if len(s.open) > 0 {
		s.open = append(s.open, tail[:min(len(tail), longestRun)]...)
		tail = s.open
		defer func() { s.open = s.open[:0] }()
	}
	dot := -1
	for i := len(tail) - 1; i >= 0 && i > len(tail)-longestExtension; i-- {
		if tail[i] == '.' {
			dot = i
			break
		}
	}
	if dot < viteHash || len(tail) > longestRun {
		return // as nearly everything is
	}
	name, err := url.PathUnescape(string(tail))
	if err != nil || strings.HasSuffix(name, ".map") {
		return
	}
	for _, p := range s.resolve(name) {
		if kindOf(p) == named {
			s.found(p)
		}
	}
}

// longestExtension is that of woff2, with its dot and one more.
const longestExtension = 7

// resolve returns the paths that a name may stand for. A name without a slash at its
// beginning is relative to the text, as imports are; to the root, as those in Vite's
// list of preloads; or to Next's folder, as those in its manifests.
func (s *references) resolve(name string) []string {
	switch {
	case strings.HasPrefix(name, "//") || strings.Contains(name, "//"):
		return nil // another site
	case strings.HasPrefix(name, "/"):
		if inside, ok := strings.CutPrefix(name, s.base+"/"); ok {
			return []string{"/" + inside}
		}
		return []string{name}
	case strings.HasPrefix(name, "."):
		return []string{path.Join(path.Dir(s.from), name)}
	case !strings.Contains(name, "/"):
		return []string{path.Join(path.Dir(s.from), name)}
	case strings.HasPrefix(name, "static/"):
		return []string{"/_next/" + name}
	default:
		return []string{"/" + name}
	}
}

var inPath = pathBytes()

func pathBytes() (set [256]bool) {
	for c := range 256 {
		set[c] = alphanumeric(byte(c)) || strings.IndexByte("/-._~@+%", byte(c)) >= 0
	}
	return set
}
