package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"
)

// Watch is a subscription to one query of the app, over the app's socket.
type Watch struct {
	connection *websocket.Conn
	limit      time.Duration
	value      json.RawMessage // the newest result of the query
	mutations  int
}

// Watch subscribes to a query; Close ends that.
func (v *Visitor) Watch(ctx context.Context, query string, args any) (*Watch, error) {
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	connection, err := v.dial(ctx)
	if err != nil {
		return nil, err
	}
	connection.SetReadLimit(mostBody)
	for _, message := range []map[string]any{
		{"type": "Connect", "sessionId": uuid.NewString(), "connectionCount": 0, "lastCloseReason": "InitialConnect", "clientTs": time.Now().UnixMilli()},
		{"type": "ModifyQuerySet", "baseVersion": syncBase, "newVersion": 1, "modifications": []map[string]any{{"type": "Add", "queryId": 0, "udfPath": query, "args": []any{args}}}},
	} {
		if err := wsjson.Write(ctx, connection, message); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot write to the socket: %w", err), connection.CloseNow())
		}
	}
	return &Watch{connection: connection, limit: v.limit}, nil
}

// Close ends the subscription.
func (w *Watch) Close() { _ = w.connection.CloseNow() }

// syncMessage is what a watch understands of a message.
type syncMessage struct {
	transition
	RequestID *int            `json:"requestId"`
	Success   bool            `json:"success"`
	Result    json.RawMessage `json:"result"`
}

// next reads one message and keeps the query's result.
func (w *Watch) next(ctx context.Context) (message syncMessage, err error) {
	if err := wsjson.Read(ctx, w.connection, &message); err != nil {
		if ctx.Err() != nil {
			return message, fmt.Errorf("nothing came within %s", w.limit)
		}
		return message, fmt.Errorf("cannot read the answer from the socket: %w", err)
	}
	if message.Type == "FatalError" || message.Type == "AuthError" {
		return message, fmt.Errorf("the backend said %s: %s", message.Type, message.Error)
	}
	for _, change := range message.Modifications {
		if change.Type == "QueryFailed" {
			return message, fmt.Errorf("the query failed: %s", change.ErrorMessage)
		}
		w.value = change.Value
	}
	return message, nil
}

// Until waits until the query has a result that is accepted.
func (w *Watch) Until(ctx context.Context, accepted func(result json.RawMessage) bool) error {
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	for w.value == nil || !accepted(w.value) {
		if _, err := w.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Mutate runs a mutation of the app and waits for its answer.
func (w *Watch) Mutate(ctx context.Context, mutation string, args any) error {
	ctx, cancel := context.WithTimeout(ctx, w.limit)
	defer cancel()
	id := w.mutations
	w.mutations++
	if err := wsjson.Write(ctx, w.connection, map[string]any{"type": "Mutation", "requestId": id, "udfPath": mutation, "args": []any{args}}); err != nil {
		return fmt.Errorf("cannot write to the socket: %w", err)
	}
	for {
		message, err := w.next(ctx)
		switch {
		case err != nil:
			return err
		case message.Type != "MutationResponse" || message.RequestID == nil || *message.RequestID != id:
			continue
		case !message.Success:
			return fmt.Errorf("the mutation %s failed: %.300s", mutation, message.Result)
		}
		return nil
	}
}
