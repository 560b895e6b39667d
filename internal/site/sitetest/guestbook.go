package sitetest

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// guestbook is the app's data, and who watches it.
type guestbook struct {
	entries  []map[string]any
	watchers map[*websocket.Conn]string // the words that they search for
}

// clientMessage is what a client of the sync protocol says.
type clientMessage struct {
	Type, UDFPath string
	RequestID     int
	Args          []map[string]any
	Modifications []struct {
		UDFPath string
		Args    []map[string]any
	}
}

func (m clientMessage) query() string {
	if len(m.Modifications) == 0 {
		return ""
	}
	return m.Modifications[0].UDFPath
}

// watch shows a client the entries from now on, and returns what ends that.
func (f *Site) watch(ctx context.Context, client *websocket.Conn, m clientMessage) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.book.watchers == nil {
		f.book.watchers = map[*websocket.Conn]string{}
	}
	words, _ := m.Modifications[0].Args[0]["words"].(string)
	f.book.watchers[client] = words
	f.show(ctx, client)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.book.watchers, client)
	}
}

// show sends the entries that a client wants; the lock is held.
func (f *Site) show(ctx context.Context, client *websocket.Conn) {
	entries := []map[string]any{}
	for _, e := range f.book.entries {
		if message, _ := e["message"].(string); f.Fault != "entries are lost" && slices.Contains(append(strings.Fields(message), ""), f.book.watchers[client]) {
			entries = append(entries, e)
		}
	}
	change := map[string]any{"type": "QueryUpdated", "queryId": 0, "value": entries}
	if f.Fault == "no functions" {
		change = map[string]any{"type": "QueryFailed", "queryId": 0, "errorMessage": "functions are not run"}
	}
	_ = wsjson.Write(ctx, client, map[string]any{"type": "Transition", "modifications": []any{change}})
}

// sign adds an entry, or cheers for the newest, and shows it to all who watch.
func (f *Site) sign(ctx context.Context, client *websocket.Conn, m clientMessage) {
	f.mu.Lock()
	defer f.mu.Unlock()
	signed := f.Fault != "sign refused"
	_ = wsjson.Write(ctx, client, map[string]any{"type": "MutationResponse", "requestId": m.RequestID, "success": signed, "result": "no"})
	if !signed {
		return
	}
	if m.UDFPath == "entries:sign" {
		f.book.entries = append(f.book.entries, map[string]any{"_id": strconv.Itoa(len(f.book.entries)), "message": m.Args[0]["message"], "cheers": 0})
	} else if f.Fault != "no cheers" {
		f.book.entries[len(f.book.entries)-1]["cheers"] = 1
	}
	for watcher := range f.book.watchers {
		if f.Fault != "not live" || watcher == client {
			f.show(ctx, watcher)
		}
	}
}
