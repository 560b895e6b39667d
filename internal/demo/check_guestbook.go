package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/site"
)

// isGuestbook reports whether the app is the example, whose functions the checks
// know.
func isGuestbook(app string) bool {
	for _, name := range []string{"entries.ts", "http.ts"} {
		if _, err := os.Stat(filepath.Join(app, "convex", name)); err != nil {
			return false
		}
	}
	return true
}

// guestbook is what the checks of the app's functions share: an entry of their own.
type guestbook struct {
	stack   *stack
	visitor *site.Visitor
	word    string // of no other entry
	signed  bool   // an entry has it
}

var errNotSigned = errors.New("there is no entry to look for")

func (s *stack) guestbookChecks(v *site.Visitor) []check {
	g := &guestbook{stack: s, visitor: v, word: "w" + randomHex()[:12]}
	return []check{
		{"functions: signed and seen live", g.live},
		{"functions: search finds it", g.search},
		{"functions: ran after the deploy", s.afterDeploy},
		{"functions: a restart keeps entries", g.restart},
	}
}

// entry is what a result of the app's queries has of each entry.
type entry struct {
	ID      string `json:"_id"`
	Message string
	Cheers  int
}

// find returns the entry with the word.
func (g *guestbook) find(result json.RawMessage) (found entry, ok bool) {
	var entries []entry
	if json.Unmarshal(result, &entries) != nil {
		return found, false
	}
	for _, e := range entries {
		if strings.Contains(e.Message, g.word) {
			return e, true
		}
	}
	return found, false
}

func (g *guestbook) has(result json.RawMessage) bool {
	_, ok := g.find(result)
	return ok
}

// live signs through one socket and sees the entry, and then a cheer for it, come
// through another one.
func (g *guestbook) live(ctx context.Context) (string, error) {
	writer, err := g.visitor.Watch(ctx, "entries:list", struct{}{})
	if err != nil {
		return "", err
	}
	defer writer.Close()
	reader, err := g.visitor.Watch(ctx, "entries:list", struct{}{})
	if err != nil {
		return "", err
	}
	defer reader.Close()
	if err := reader.Until(ctx, func(json.RawMessage) bool { return true }); err != nil {
		return "", err
	}
	began := time.Now()
	signed := map[string]any{"author": "demo", "message": "signed by the check " + g.word, "mood": "curious", "visitor": g.word}
	if err := writer.Mutate(ctx, "entries:sign", signed); err != nil {
		return "", err
	}
	var seen entry
	if err := reader.Until(ctx, func(result json.RawMessage) (ok bool) { seen, ok = g.find(result); return ok }); err != nil {
		return "", fmt.Errorf("the other subscription did not see the entry: %w", err)
	}
	took := time.Since(began)
	g.signed = true
	if err := writer.Mutate(ctx, "entries:toggleCheer", map[string]any{"entryId": seen.ID, "visitor": g.word}); err != nil {
		return "", err
	}
	counted := func(result json.RawMessage) bool {
		e, ok := g.find(result)
		return ok && e.Cheers == 1
	}
	if err := reader.Until(ctx, counted); err != nil {
		return "", fmt.Errorf("the other subscription did not see the cheer: %w", err)
	}
	return fmt.Sprintf("on another socket after %d ms; its cheer was counted", took.Milliseconds()), nil
}

func (g *guestbook) search(ctx context.Context) (string, error) {
	if !g.signed {
		return "", errNotSigned
	}
	for words, want := range map[string]bool{g.word: true, "x" + g.word: false} {
		watch, err := g.visitor.Watch(ctx, "entries:search", map[string]string{"words": words})
		if err != nil {
			return "", err
		}
		err = watch.Until(ctx, func(result json.RawMessage) bool { return g.has(result) == want })
		watch.Close()
		if err != nil {
			return "", fmt.Errorf("a search for %q: found should be %v: %w", words, want, err)
		}
	}
	return "by a word of its message, and not by another one", nil
}

// restart stops convex, starts it again and looks for the entry.
func (g *guestbook) restart(ctx context.Context) (string, error) {
	if !g.signed {
		return "", errNotSigned
	}
	began := time.Now()
	if err := g.stack.restartConvex(ctx); err != nil {
		return "", err
	}
	watch, err := g.visitor.Watch(ctx, "entries:list", struct{}{})
	if err != nil {
		return "", err
	}
	defer watch.Close()
	if err := watch.Until(ctx, g.has); err != nil {
		return "", fmt.Errorf("the entry is gone: %w", err)
	}
	return fmt.Sprintf("the entry is there, %.1f s after the stop", time.Since(began).Seconds()), nil
}

// afterDeploy finds the function that ran after the push in the platform's report.
func (s *stack) afterDeploy(ctx context.Context) (string, error) {
	document, err := status.Source{Addr: loopback(s.environment.id.Ports.PlatformStatus)}.Fetch(ctx)
	if err != nil {
		return "", err
	}
	return ranAfterDeploy(document.Document)
}

func ranAfterDeploy(document report.Document) (string, error) {
	_, deploy, err := pushOf(document)
	switch {
	case err != nil:
		return "", err
	case deploy == nil:
		return "", errors.New("the boot report says nothing about the push")
	case deploy.Skipped != "":
		return "not due: nothing was pushed", nil
	case deploy.After == nil:
		return "", errors.New("none did")
	case deploy.After.Error != "":
		return "", fmt.Errorf("%s failed: %s", deploy.After.Function, deploy.After.Error)
	}
	return fmt.Sprintf("%s, %d ms", deploy.After.Function, deploy.After.DurationMS), nil
}
