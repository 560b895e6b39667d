package site

import (
	"context"
	"encoding/json"
	"fmt"
)

// Health is what the proxy says of itself and of what is behind it.
type Health struct {
	Available   bool
	Unavailable []string // upstreams without a healthy address
	Visitor     string   // this visitor's address, "" if the proxy cannot read it
	Forwarded   bool     // a proxy in front that ours trusts has told it
}

// NotOursError is an answer to the health route that our proxy does not give.
type NotOursError struct {
	URL    string
	Status int
}

func (e *NotOursError) Error() string {
	return fmt.Sprintf("%s answered %d, and not as our proxy does", e.URL, e.Status)
}

// Health asks what only our proxy can answer; another server's answer is a
// *NotOursError.
func (v *Visitor) Health(ctx context.Context) (Health, error) {
	got, err := v.Ask(ctx, Request{URL: "/health?deep"})
	if err != nil {
		return Health{}, err
	}
	var answer struct {
		Available *bool
		Upstreams []struct {
			Upstream  string
			Available bool
		}
		Visitor   string
		Forwarded bool
	}
	if json.Unmarshal(got.Body, &answer) != nil || answer.Available == nil {
		return Health{}, &NotOursError{URL: v.url + "/health", Status: got.StatusCode}
	}
	found := Health{Available: *answer.Available, Visitor: answer.Visitor, Forwarded: answer.Forwarded}
	for _, upstream := range answer.Upstreams {
		if !upstream.Available {
			found.Unavailable = append(found.Unavailable, upstream.Upstream)
		}
	}
	return found, nil
}
