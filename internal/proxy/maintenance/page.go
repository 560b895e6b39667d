package maintenance

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// The page's parts. They are put together once, and only the placeholders that
// are left differ between two answers, so that the digests in the content
// security policy always fit.
var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// page is the page for browsers.
type page struct {
	html   string // with placeholders
	policy string // its content security policy
}

func newPage(name string) page {
	return page{
		html: strings.NewReplacer(
			"{{style}}", pageCSS,
			"{{script}}", pageJS,
			"{{name}}", html.EscapeString(name),
		).Replace(pageHTML),
		policy: strings.Join([]string{
			"default-src 'none'",
			"style-src '" + sourceHash(pageCSS) + "'",
			"script-src '" + sourceHash(pageJS) + "'",
			"connect-src 'self'",
			"img-src data:",
			"base-uri 'none'",
			"form-action 'none'",
			"frame-ancestors 'self'",
		}, "; "),
	}
}

// sourceHash names inline content in a content security policy (CSP level 3,
// section 2.3.1).
func sourceHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// visit is what differs between two answers with the page.
type visit struct {
	method    string
	url       string // asked for, path and query
	home      string // of the site, below its base path
	status    int
	reference string // the request's id, if it has one
}

func (p page) render(v visit) string {
	method, note, againURL, againText, refresh := http.MethodGet, "", v.url, "Try now",
		`<noscript><meta http-equiv="refresh" content="10"></noscript>`+"\n"
	if v.method != http.MethodGet && v.method != http.MethodHead {
		method, refresh = http.MethodPost, ""
		note = "What you sent may not have arrived: go back and send it again when the site is back."
		againURL, againText = v.home, "Start page"
	}
	reference := ""
	if v.reference != "" {
		reference = "<span>Reference <code>" + html.EscapeString(v.reference) + "</code></span>"
	}
	return strings.NewReplacer(
		"{{method}}", method,
		"{{refresh}}", refresh,
		"{{note}}", note,
		"{{again}}", html.EscapeString(againURL),
		"{{againText}}", againText,
		"{{status}}", strconv.Itoa(v.status),
		"{{reference}}", reference,
	).Replace(p.html)
}
