package site

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
)

// MetricsClosed asks for metrics as a stranger, who must get none.
func (v *Visitor) MetricsClosed(ctx context.Context) (string, error) {
	for _, path := range []string{"/metrics", "/metrics/platform", "/Metrics/convex"} {
		got, err := v.Ask(ctx, Request{URL: path})
		if err != nil {
			return "", err
		}
		if err := got.Want(http.StatusUnauthorized); err != nil {
			return "", err
		}
		if challenge := got.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") {
			return "", fmt.Errorf("the challenge of %s is %q instead of Bearer", path, challenge)
		}
	}
	return "401", nil
}

// MetricsOpen asks for metrics with the token that opens them. An app need not have any: then
// it answers with a page, or that there is none.
func (v *Visitor) MetricsOpen(ctx context.Context, token string) (string, error) {
	got, err := v.Ask(ctx, Request{URL: "/metrics/platform", Header: map[string]string{"Authorization": "Bearer " + token}})
	if err != nil {
		return "", err
	}
	if got.StatusCode == http.StatusNotFound || strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
		return "they are let through, and the web server has none", nil
	}
	if err := got.Want(http.StatusOK); err != nil {
		return "", err
	}
	if !bytes.Contains(got.Body, []byte("process_cpu_seconds_total")) {
		return "", fmt.Errorf("these are not the metrics of the web server: %.200q", got.Body)
	}
	return fmt.Sprintf("%d lines", bytes.Count(got.Body, []byte("\n"))), nil
}
