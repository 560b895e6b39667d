package routes

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Write prints the table for people: one line per path and row, in the order in
// which they are tried.
func (t Table) Write(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ROW\tREQUEST\tGOES TO\tREWRITE\tNOTES")
	for _, row := range t.Rows() {
		for i, path := range row.requests() {
			goesTo, rewrite, notes := t.describeTarget(row.To), row.describeRewrite(), t.describeNotes(row)
			if i > 0 {
				goesTo, rewrite, notes = "〃", "", ""
			}
			_, _ = fmt.Fprintln(table, strings.Join([]string{strconv.Itoa(row.Row), path, goesTo, rewrite, notes}, "\t"))
		}
	}
	for _, site := range t.Sites {
		_, _ = fmt.Fprintf(table, "–\t%s/*\t%s (%s)\t\ta site of its own, probed at %s; %s is answered here\n", site.Host, site.Host, site.Address, site.Health, HealthPath)
	}
	if err := table.Flush(); err != nil { // reports what any of the writes above met
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// requests returns the row's paths with what else must be true of a request.
func (r Row) requests() []string {
	if len(r.Paths) == 0 {
		return []string{"everything else"}
	}
	suffix := ""
	switch {
	case r.Query != "":
		suffix = " with ?" + r.Query + "="
	case r.Authorization != "":
		suffix = " with Authorization: " + r.Authorization + "…"
	case r.AdminKey:
		suffix = " with an admin key"
	case r.Token:
		suffix = " with the metrics token"
	}
	requests := make([]string, len(r.Paths))
	for i, path := range r.Paths {
		requests[i] = path + suffix
	}
	return requests
}

func (t Table) describeTarget(to Target) string {
	switch {
	case to.Health:
		return "answer 200 OK"
	case to.Location != "":
		return "redirect to " + to.Location + "…"
	case to.Status != 0:
		return "answer " + strconv.Itoa(to.Status)
	}
	return fmt.Sprintf("%s (%s)", to.Upstream, t.Addresses[to.Upstream])
}

func (r Row) describeRewrite() string {
	switch {
	case r.Path != "":
		return "→ " + r.Path
	case r.Strip != "" && r.Prefix != "":
		return r.Strip + " → " + r.Prefix
	case r.Strip != "":
		return "− " + r.Strip
	case r.Prefix != "":
		return "+ " + r.Prefix
	}
	return ""
}

func (t Table) describeNotes(row Row) string {
	var notes []string
	if row.Note != "" {
		notes = append(notes, row.Note)
	}
	if row.Socket {
		notes = append(notes, "WebSocket")
	}
	if len(row.Only) > 0 {
		notes = append(notes, "only for "+strings.Join(row.Only, " "))
	}
	if t.Base != "" && row.Bare {
		notes = append(notes, "also without "+t.Base)
	}
	return strings.Join(notes, "; ")
}
