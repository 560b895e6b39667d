package site

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Discovery is what the site serves where the document is looked for by which
// functions verify the sessions that the app itself gives out.
type Discovery struct {
	Path, Issuer string // of the document; empty without one
	Seen         string // what each place answered
	Broken       bool   // whether one of them could not answer
}

// Discovery asks for the OpenID document at the usual paths. An app without a
// login of its own has no such route.
func (v *Visitor) Discovery(ctx context.Context) (found Discovery, err error) {
	var seen []string
	for _, path := range []string{"/.well-known/openid-configuration", "/api/auth/convex/.well-known/openid-configuration"} {
		got, err := v.Ask(ctx, Request{URL: path})
		if err != nil {
			return found, err
		}
		var document struct{ Issuer string }
		if got.StatusCode == http.StatusOK && json.Unmarshal(got.Body, &document) == nil && document.Issuer != "" {
			return Discovery{Path: path, Issuer: document.Issuer}, nil
		}
		found.Broken = found.Broken || got.StatusCode >= http.StatusInternalServerError
		if got.StatusCode == http.StatusOK {
			seen = append(seen, path+" is something else (200)")
		} else {
			seen = append(seen, fmt.Sprintf("%s answered %d", path, got.StatusCode))
		}
	}
	found.Seen = strings.Join(seen, ", ")
	return found, nil
}
