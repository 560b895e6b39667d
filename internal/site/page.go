package site

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// scriptOfPage finds the built script that a page starts.
var scriptOfPage = regexp.MustCompile(`src="([^"]+\.js)"`)

// Page loads the page and the script it names.
func (v *Visitor) Page(ctx context.Context) (string, error) {
	page, err := v.Ask(ctx, Request{URL: "/", Header: map[string]string{"Accept": "text/html"}})
	if err != nil {
		return "", err
	}
	if err := page.Want(http.StatusOK); err != nil {
		return "", err
	}
	found := scriptOfPage.FindSubmatch(page.Body)
	if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || found == nil {
		return "", fmt.Errorf("the page is not the app's: %.200q", page.Body)
	}
	address, err := page.Request.URL.Parse(string(found[1]))
	if err != nil {
		return "", fmt.Errorf("the page names the script %q: %w", found[1], err)
	}
	script, err := v.Ask(ctx, Request{URL: address.String()})
	if err != nil {
		return "", err
	}
	if err := script.Want(http.StatusOK); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, page %d bytes, script %d bytes", page.Proto, len(page.Body), len(script.Body)), nil
}

// Redirect asks the plain port, http://host:port, which sends every visitor to https.
func (v *Visitor) Redirect(ctx context.Context, plain string) (string, error) {
	const target = "/some/page?q=1"
	got, err := v.Ask(ctx, Request{URL: plain + target})
	if err != nil {
		return "", err
	}
	location := got.Header.Get("Location")
	if got.StatusCode < 300 || got.StatusCode > 399 || location != v.url+target {
		return "", fmt.Errorf("answered %d to %q instead of a redirect to %s", got.StatusCode, location, v.url)
	}
	return got.Status, nil
}
