package assets

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// kind is why a path may be kept.
type kind int

const (
	never    kind = iota
	declared      // if the answer says that it is immutable
	named         // because its name changes with its content
)

const (
	maxPath = 512
	// viteHash is how many characters of base64url Vite and Rollup put behind a
	// hyphen, and esbuild of base32. They can be hyphens themselves.
	viteHash = 8
)

var (
	// workerName: browsers ask for a service worker by one name for ever.
	workerName = regexp.MustCompile(`(?i)(^|[-._])(sw|service[-_.]?worker)([-._][^/]*)?\.m?js(\.map)?$`)
	// immutableFolders are those that Next, SvelteKit, Nuxt and Astro put nothing
	// but immutable files into.
	immutableFolders = []string{"/_next/static/", "/_app/immutable/", "/_nuxt/", "/_astro/"}
	// toolFolders are where tools put images and media with hashed names. Elsewhere
	// such a name may be that of something a visitor has uploaded.
	toolFolders = []string{"/assets/", "/static/", "/build/", "/dist/", "/chunks/", "/media/"}
	code        = []string{".js", ".mjs", ".css", ".wasm", ".map", ".woff", ".woff2", ".ttf", ".otf", ".eot"}
	media       = []string{".svg", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".json", ".txt", ".webm", ".mp4", ".mp3"}
	scripts     = []string{".js", ".mjs", ".map"}
	pages       = []string{".html", ".htm", ".xhtml"}
)

// kindOf returns what the name of a file says.
func kindOf(p string) kind {
	name, extension := path.Base(p), strings.ToLower(path.Ext(p))
	within := func(folder string) bool { return strings.Contains(p, folder) }
	switch {
	case !plain(p) || slices.Contains(pages, extension) || slices.Contains(scripts, extension) && workerName.MatchString(name):
		return never
	case slices.ContainsFunc(immutableFolders, within):
		return named
	case slices.Contains(code, extension) && hashed(name),
		slices.Contains(media, extension) && slices.ContainsFunc(toolFolders, within) && hashed(name):
		return named
	}
	return declared
}

// isOwn reports whether the host of a request is the site's, which has no port that its scheme
// implies; some clients write that.
func (h *Handler) isOwn(host string) bool {
	port := ":443"
	if h.Scheme == "http" {
		port = ":80"
	}
	return strings.EqualFold(strings.TrimSuffix(host, port), h.Host)
}

// plain reports whether a path can be read in one way only.
func plain(p string) bool {
	if len(p) < 2 || len(p) > maxPath || p[0] != '/' || path.Clean(p) != p {
		return false
	}
	for i := range len(p) {
		if c := p[i]; !alphanumeric(c) && strings.IndexByte("/-._~@+,=!()[]$&", c) < 0 {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool { return digit(c) || capital(c) || c >= 'a' && c <= 'z' }
func digit(c byte) bool        { return c >= '0' && c <= '9' }
func capital(c byte) bool      { return c >= 'A' && c <= 'Z' }

// hashed reports whether a file name has a content hash in it: `index-BxYz12_a.js`,
// `main.3f2a9c81.chunk.js`, `4bd1b696-100b9d70ed4e49c1.js`, `d4f5e6a7b8c9d0e1.css`.
func hashed(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	if i := len(stem) - viteHash; i > 1 && stem[i-1] == '-' && mixed(stem[i:]) {
		return true
	}
	parts := strings.FieldsFunc(strings.TrimSuffix(name, path.Ext(name)), func(r rune) bool { return r == '.' || r == '-' })
	for i, part := range parts {
		if len(part) >= 2*viteHash && hexadecimal(part) || i > 0 && len(part) >= viteHash && (hexadecimal(part) || mixed(part)) {
			return true
		}
	}
	return false
}

// hexadecimal reports whether a text is a hash in lower-case hexadecimal: not a
// word, and not a date or a number.
func hexadecimal(text string) bool {
	return strings.Trim(text, "0123456789abcdef") == "" && strings.ContainsAny(text, "0123456789") && strings.ContainsAny(text, "abcdef")
}

// mixed reports whether a text is a hash in base64url, base36 or base32: it has
// digits or capitals, and is not made of words (`UserCard`, `material3`), of a size
// (`1024x1024`) or a time.
func mixed(text string) bool {
	evidence := false
	for i := range len(text) {
		c := text[i]
		if !alphanumeric(c) && c != '-' && c != '_' {
			return false
		}
		evidence = evidence || digit(c) || capital(c)
	}
	if !evidence || strings.Trim(text, "0123456789xTZ-_") == "" {
		return false
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '-' || r == '_' }) {
		if !words.MatchString(word) {
			return true
		}
	}
	return false
}

// words are one or more of at least three letters, perhaps with a number behind them.
var words = regexp.MustCompile(`^[A-Za-z][a-z]{2,}([A-Z][a-z]{2,})*[0-9]*$|^v[0-9]+$`)

// keepable reports whether an answer to a GET without credentials may be kept.
func keepable(k kind, status int, header http.Header) bool {
	if k == never || status != http.StatusOK || header["Set-Cookie"] != nil || header["Content-Range"] != nil || header["Service-Worker-Allowed"] != nil {
		return false
	}
	control := directives(header["Cache-Control"])
	for _, forbidden := range []string{"private", "no-store", "no-cache"} {
		if slices.Contains(control, forbidden) {
			return false
		}
	}
	if k == declared && !slices.Contains(control, "immutable") || slices.Contains(directives(header["Pragma"]), "no-cache") {
		return false
	}
	for _, name := range directives(header["Vary"]) {
		if name != "accept-encoding" {
			return false
		}
	}
	encodings := directives(header["Content-Encoding"])
	return (len(encodings) == 0 || slices.Equal(encodings, []string{"identity"})) && !isPage(header) && mediaType(header) != ""
}

// directives returns the names in the values of a header that is a list, in lower case,
// without what is behind `=` or `;`.
func directives(values []string) []string {
	var names []string
	for _, value := range values {
		for one := range strings.SplitSeq(value, ",") {
			if end := strings.IndexAny(one, "=;"); end >= 0 {
				one = one[:end]
			}
			if one = strings.ToLower(strings.TrimSpace(one)); one != "" {
				names = append(names, one)
			}
		}
	}
	return names
}

// mediaType returns the type of an answer without its parameters, which every answer
// is asked for: reading those as well costs as much as all else here.
func mediaType(header http.Header) string {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// isPage reports whether an answer is a page. Applications answer with one where
// they do not have a file, and a page is never immutable.
func isPage(header http.Header) bool {
	switch mediaType(header) {
	case "text/html", "application/xhtml+xml", "text/event-stream":
		return true
	}
	return false
}

// credentialed reports whether a request is somebody's: such a request gets
// nothing from here. Cookies do not count: browsers send those of the session with
// every file, so leaving them out would leave everybody out; what is kept was
// answered to a request that had none, and says that it varies by none.
func credentialed(r *http.Request) bool {
	return r.Header["Authorization"] != nil || r.Header["Proxy-Authorization"] != nil
}

// open reports whether a kept file is for the site that a request comes from. Many
// applications name that site in their answer, and say only then that they do; the
// answer that is kept was not for another site. Browsers name a page's own site as well,
// for its modules.
func (f *file) open(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 || f.Header.Get("Access-Control-Allow-Origin") == "*" {
		return true
	}
	_, host, _ := strings.Cut(origins[0], "://")
	return len(origins) == 1 && strings.EqualFold(host, r.Host)
}

// eligible reports whether a request can be for a file.
func eligible(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.ContentLength == 0 &&
		r.Header["Service-Worker"] == nil && r.Header["Upgrade"] == nil
}

// pathOf returns the path of a file that a request is for, with what its name says.
func pathOf(r *http.Request) (string, kind) {
	if !spelledOneWay(r.URL) || r.URL.RawQuery != "" || r.URL.ForceQuery || r.URL.Opaque != "" {
		return "", never
	}
	return r.URL.Path, kindOf(r.URL.Path)
}

// spelledOneWay reports whether a path came without escapes, or with those that it
// is asked of the application with.
func spelledOneWay(u *url.URL) bool {
	return u.RawPath == "" || u.RawPath == u.Path || u.RawPath == (&url.URL{Path: u.Path}).EscapedPath()
}
