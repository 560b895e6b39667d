package site

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// scriptOfPage finds the scripts that a page starts.
var scriptOfPage = regexp.MustCompile(`<script[^>]*\ssrc="([^"]+\.js)"`)

// Page loads the page and the script it names.
func (v *Visitor) Page(ctx context.Context) (string, error) {
	page, script, err := v.page(ctx)
	if err == nil && script == nil {
		err = fmt.Errorf("the page is not the app's: it names no script: %.200q", page.Body)
	}
	return describePage(page, script), err
}

// AnyPage loads the page of an app that need not be built of scripts, and the script if it names one.
func (v *Visitor) AnyPage(ctx context.Context) (string, error) {
	page, script, err := v.page(ctx)
	return describePage(page, script), err
}

func describePage(page, script *Answer) string {
	switch {
	case page == nil:
		return ""
	case script == nil:
		return fmt.Sprintf("%s, page %d bytes", page.Proto, len(page.Body))
	}
	return fmt.Sprintf("%s, page %d bytes, script %d bytes", page.Proto, len(page.Body), len(script.Body))
}

// page returns the first script of the site's own, nil where the page names none.
func (v *Visitor) page(ctx context.Context) (page, script *Answer, err error) {
	page, err = v.Ask(ctx, Request{URL: "/", Header: map[string]string{"Accept": "text/html"}})
	if err != nil {
		return nil, nil, err
	}
	if err := page.Want(http.StatusOK); err != nil {
		return page, nil, err
	}
	if len(page.Body) == 0 {
		return page, nil, errors.New("the page is not the app's: it is empty")
	}
	if kind := page.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		return page, nil, fmt.Errorf("the page is not the app's: it is %q, not HTML: %.200q", kind, page.Body)
	}
	for _, found := range scriptOfPage.FindAllSubmatch(page.Body, -1) {
		address, err := page.Request.URL.Parse(string(found[1]))
		if err != nil {
			return page, nil, fmt.Errorf("the page names the script %q: %w", found[1], err)
		}
		if address.Host != page.Request.URL.Host { // it is not the site's
			continue
		}
		if script, err = v.Ask(ctx, Request{URL: address.String()}); err != nil {
			return page, nil, err
		}
		return page, script, script.Want(http.StatusOK)
	}
	return page, nil, nil
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
