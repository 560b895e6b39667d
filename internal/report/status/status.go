// Package status shows what an entrypoint of ours is doing: the document behind
// the status port's /status, how to get it from outside the process, and how it
// looks to people. It is shared by the status commands of both entrypoints.
package status

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// Document is the boot report and the children as they are now.
type Document struct {
	report.Document
	Live
}

// Live is what only the running process knows.
type Live struct {
	Ready    bool    `json:"ready"`
	Reason   string  `json:"reason,omitempty"` // why it is not ready
	Gone     bool    `json:"gone,omitempty"`   // the process has ended; this is its last boot report
	Children []Child `json:"children,omitempty"`
	// Crash is the newest entry of the service's crash log, if it keeps one.
	Crash string `json:"crash,omitempty"`
	// Memory is what the service's container has, where the service tells.
	Memory *Memory `json:"memory,omitempty"`
	// Shared are settings that other services have to have alike, where the service tells.
	Shared map[string]string `json:"shared,omitempty"`
}

// MarshalJSON writes both parts as one object.
func (d Document) MarshalJSON() ([]byte, error) { return report.Join(d.Document, d.Live) }

// UnmarshalJSON reads both parts from one object.
func (d *Document) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &d.Document); err != nil {
		return err
	}
	d.Without(Live{})
	return json.Unmarshal(data, &d.Live)
}

// Child is one process that the entrypoint keeps running.
type Child struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`              // of the state
	Pid      int       `json:"pid,omitempty"`      // 0: no process
	Started  time.Time `json:"started,omitzero"`   // of the process
	Restarts int       `json:"restarts"`           // so far
	LastExit string    `json:"lastExit,omitempty"` // how its last process ended
	RSS      int64     `json:"rssBytes,omitempty"` // resident memory of the process
}

// Memory is a container's limit beside what its settings ask for, in bytes.
type Memory struct {
	Limit    uint64 `json:"limit_bytes,omitempty"` // absent without one
	Function uint64 `json:"function_bytes"`        // the heap that one function may fill
	Kills    int    `json:"oom_kills"`             // by the kernel, for want of memory
}

// Source is where the document of a running entrypoint can be had.
type Source struct {
	// Addr is STATUS_ADDR; empty when the port is off.
	Addr string
	// ReportPath is the boot report's file, the second choice; empty for none.
	ReportPath string
}

const (
	fetchLimit = 3 * time.Second
	// mostStatus is a thousand times a usual document.
	mostStatus = 16 << 20
)

// Fetch asks the status port. Where nothing answers it reads the boot report,
// which outlives its process, and says so in the reason.
func (s Source) Fetch(ctx context.Context) (Document, error) {
	document, err := s.ask(ctx)
	if err == nil {
		return document, nil
	}
	data, readErr := os.ReadFile(s.ReportPath)
	if s.ReportPath == "" || readErr != nil {
		return Document{}, fmt.Errorf("cannot read the status: %w", err)
	}
	document = Document{Live: Live{Gone: true, Reason: "nothing answers on the status port; this is the last boot report"}}
	if err := json.Unmarshal(data, &document.Document); err != nil {
		return Document{}, fmt.Errorf("cannot read the boot report %s: %w", s.ReportPath, err)
	}
	return document, nil
}

func (s Source) ask(ctx context.Context) (document Document, err error) {
	if s.Addr == "" {
		return document, fmt.Errorf("the status port is off (STATUS_ADDR is empty)")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+httpclient.LocalAddr(s.Addr)+"/status", nil)
	if err != nil {
		return document, err
	}
	response, err := httpclient.New(&http.Transport{DisableKeepAlives: true}).Do(request)
	if err != nil {
		return document, fmt.Errorf("the status port %s: %s", s.Addr, netcause.Reason(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := httpclient.ReadAll(response, mostStatus)
	if err != nil {
		return document, err
	}
	return document, json.Unmarshal(body, &document)
}
