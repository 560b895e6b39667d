package demo

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
)

// scriptOfPage finds the built script that a page starts.
var scriptOfPage = regexp.MustCompile(`src="([^"]+\.js)"`)

// page loads the page and the script it names.
func (v *visitor) page(ctx context.Context) (string, error) {
	page, err := v.ask(ctx, request{url: "/"})
	if err != nil {
		return "", err
	}
	if err := page.want(http.StatusOK); err != nil {
		return "", err
	}
	found := scriptOfPage.FindSubmatch(page.body)
	if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || found == nil {
		return "", fmt.Errorf("the page is not the app's: %.200q", page.body)
	}
	script, err := v.ask(ctx, request{url: string(found[1])})
	if err != nil {
		return "", err
	}
	if err := script.want(http.StatusOK); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, page %d bytes, script %d bytes", page.Proto, len(page.body), len(script.body)), nil
}

// redirect asks the plain port, which sends everybody to https.
func (v *visitor) redirect(ctx context.Context, plain string) (string, error) {
	got, err := v.ask(ctx, request{url: plain + "/some/page?q=1"})
	if err != nil {
		return "", err
	}
	location := got.Header.Get("Location")
	if got.StatusCode < 300 || got.StatusCode > 399 || location != v.site+"/some/page?q=1" {
		return "", fmt.Errorf("answered %d to %q instead of a redirect to %s", got.StatusCode, location, v.site)
	}
	return got.Status, nil
}

func (v *visitor) health(ctx context.Context) (string, error) {
	got, err := v.ask(ctx, request{url: "/health"})
	if err != nil {
		return "", err
	}
	return string(bytes.TrimSpace(got.body)), got.want(http.StatusOK)
}

// metricsClosed asks for metrics as a stranger.
func (v *visitor) metricsClosed(ctx context.Context) (string, error) {
	for _, path := range []string{"/metrics", "/metrics/platform", "/Metrics/convex"} {
		got, err := v.ask(ctx, request{url: path})
		if err != nil {
			return "", err
		}
		if err := got.want(http.StatusUnauthorized); err != nil {
			return "", err
		}
		if challenge := got.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") {
			return "", fmt.Errorf("the challenge of %s is %q instead of Bearer", path, challenge)
		}
	}
	return "401", nil
}

// metricsOpen asks for metrics with the token that opens them.
func (v *visitor) metricsOpen(ctx context.Context, token string) (string, error) {
	got, err := v.ask(ctx, request{url: "/metrics/platform", headers: map[string]string{"Authorization": "Bearer " + token}})
	if err != nil {
		return "", err
	}
	if err := got.want(http.StatusOK); err != nil {
		return "", err
	}
	if !bytes.Contains(got.body, []byte("process_cpu_seconds_total")) {
		return "", fmt.Errorf("these are not the metrics of the web server: %.200q", got.body)
	}
	return fmt.Sprintf("%d lines", bytes.Count(got.body, []byte("\n"))), nil
}
