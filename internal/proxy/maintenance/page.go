package maintenance

import (
	"cmp"
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
	//go:embed mark.svg
	pageMark string
)

// page is the page for browsers.
type page struct {
	htmls  []string // with placeholders, by wording
	policy string   // its content security policy
}

// look is what the operator makes of the page; all of it may be empty.
type look struct{ name, logo, link string }

func newPage(l look) page {
	p := page{policy: strings.Join([]string{
		"default-src 'none'",
		"style-src '" + sourceHash(pageCSS) + "'",
		"script-src '" + sourceHash(pageJS) + "'",
		"connect-src 'self'",
		"img-src data:",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'self'",
	}, "; ")}
	for _, w := range wordings {
		p.htmls = append(p.htmls, strings.NewReplacer(
			"{{style}}", pageCSS,
			"{{script}}", pageJS,
			"{{language}}", w.language,
			"{{name}}", html.EscapeString(cmp.Or(l.name, w.site)),
			"{{mark}}", l.mark(),
			"{{link}}", l.anchor(w),
			"{{error}}", w.failure,
			"{{reloads}}", w.reloads, "{{checking}}", w.checking, "{{one}}", w.one, "{{many}}", w.many,
			"{{back}}", w.back, "{{loading}}", w.loading,
		).Replace(pageHTML))
	}
	return p
}

// mark returns the logo, or a drawing of ours in its place.
func (l look) mark() string {
	if l.logo == "" {
		return pageMark
	}
	return `<img class="logo" alt="" src="` + html.EscapeString(l.logo) + `">`
}

// anchor returns the link; an address of e-mail speaks for itself.
func (l look) anchor(w wording) string {
	if l.link == "" {
		return ""
	}
	text := w.link
	if address, ok := strings.CutPrefix(l.link, "mailto:"); ok {
		text, _, _ = strings.Cut(address, "?")
	}
	return `<a class="more" href="` + html.EscapeString(l.link) + `">` + html.EscapeString(text) + `</a>`
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
	language  int    // of the wordings
	failed    bool   // the last update did not go through
	name      string // of the site, "" for none
}

func (p page) render(v visit) string {
	w := wordings[v.language]
	title, lead, state := w.title, w.lead, ""
	if v.failed {
		title, lead, state = w.failedTitle, w.failedLead, updateFailed
	}
	method, note, againURL, againText, refresh := http.MethodGet, "", v.url, w.again,
		`<noscript><meta http-equiv="refresh" content="10"></noscript>`+"\n"
	if v.method != http.MethodGet && v.method != http.MethodHead {
		method, refresh, note = http.MethodPost, "", w.note
		againURL, againText = v.home, w.home
	}
	reference := ""
	if v.reference != "" {
		reference = "<span>" + w.reference + " <code>" + html.EscapeString(v.reference) + "</code></span>"
	}
	return strings.NewReplacer(
		"{{method}}", method,
		"{{state}}", state,
		"{{title}}", title,
		"{{lead}}", strings.Replace(lead, "NAME", html.EscapeString(cmp.Or(v.name, w.site)), 1),
		"{{refresh}}", refresh,
		"{{note}}", note,
		"{{again}}", html.EscapeString(againURL),
		"{{againText}}", againText,
		"{{status}}", strconv.Itoa(v.status),
		"{{reference}}", reference,
	).Replace(p.htmls[v.language])
}
