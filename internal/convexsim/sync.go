package convexsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

const (
	// syncHeartbeat is how often an idle sync connection gets a message
	// (crates/sync/src/worker.rs).
	syncHeartbeat  = 15 * time.Second
	maxSyncMessage = 64 << 20
)

// handleSync serves the WebSocket over which clients watch queries. System queries
// have answers, others fail with a message that says why.
func (s *Server) handleSync(w http.ResponseWriter, r *http.Request) error {
	connection, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil //nolint:nilerr // Accept has answered
	}
	connection.SetReadLimit(maxSyncMessage)
	// The request's own context ends with the timeout for its answer.
	session := &syncSession{server: s, connection: connection, queries: map[uint32]*watchedQuery{}}
	session.run(s.life)
	return nil
}

// syncSession is one sync connection.
type syncSession struct {
	server     *Server
	connection *websocket.Conn
	who        keybroker.Identity
	version    protocol.StateVersion
	queries    map[uint32]*watchedQuery
}

type watchedQuery struct {
	path string
	args json.RawMessage
	sent string // the modification last sent, as JSON
}

func (q *watchedQuery) arguments() map[string]any {
	return functionRequest{Args: q.args}.arguments()
}

// run answers messages until the connection or the simulator ends.
func (c *syncSession) run(life context.Context) {
	ctx, cancel := context.WithCancel(life)
	defer cancel() // it also drops the connection, and so must come last
	messages := make(chan protocol.ClientMessage)
	ended := make(chan error, 1)
	go func() { ended <- c.read(ctx, messages) }()
	heartbeat := time.NewTicker(syncHeartbeat)
	defer heartbeat.Stop()
	_, changed := c.server.store.Watch()
	for {
		var err error
		select {
		case message := <-messages:
			err = c.handle(ctx, message)
		case <-changed:
			_, changed = c.server.store.Watch() // before the state is read again
			err = c.transition(ctx, c.version, nil)
		case <-heartbeat.C:
			err = c.send(ctx, protocol.Ping{Type: "Ping"})
		case err = <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			c.close(ctx, err)
			return
		}
	}
}

func (c *syncSession) read(ctx context.Context, messages chan<- protocol.ClientMessage) error {
	for {
		kind, data, err := c.connection.Read(ctx)
		if err != nil {
			return err
		}
		var message protocol.ClientMessage
		if kind != websocket.MessageText {
			return protocol.BadRequest("WSMessageInvalidJson", "Received a binary message on websocket")
		}
		if err := json.Unmarshal(data, &message); err != nil {
			return protocol.BadRequest("WSMessageInvalidJson", "Received Invalid JSON on websocket: %v", err)
		}
		select {
		case messages <- message:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *syncSession) handle(ctx context.Context, message protocol.ClientMessage) error {
	switch message.Type {
	case "Connect", "Event":
		return nil
	case "Authenticate":
		return c.authenticate(ctx, message)
	case "ModifyQuerySet":
		return c.modifyQueries(ctx, message)
	case "Mutation":
		return c.send(ctx, functionNotRun("MutationResponse", message.RequestID))
	case "Action":
		return c.send(ctx, functionNotRun("ActionResponse", message.RequestID))
	}
	return protocol.BadRequest("WSMessageInvalidJson", "Received Invalid JSON on websocket: unknown type %q", message.Type)
}

func functionNotRun(kind string, request uint32) protocol.FunctionFailed {
	return protocol.FunctionFailed{Type: kind, RequestID: request, Result: notRun, LogLines: []string{}}
}

func (c *syncSession) authenticate(ctx context.Context, message protocol.ClientMessage) error {
	if message.BaseVersion != c.version.Identity {
		return fmt.Errorf("authenticated for version %d instead of %d", message.BaseVersion, c.version.Identity)
	}
	who, err := keybroker.Anonymous, error(nil)
	switch message.TokenType {
	case "Admin":
		who, err = c.server.broker.OfKey(message.Value)
	case "User":
		err = keybroker.BearerFailure("Bearer " + message.Value)
	}
	if err != nil {
		return errors.Join(c.send(ctx, protocol.AuthError{Type: "AuthError", Error: err.Error(), BaseVersion: message.BaseVersion, AuthUpdateAttempted: true}), err)
	}
	c.who = who
	for _, query := range c.queries {
		query.sent = ""
	}
	next := c.version
	next.Identity++
	return c.transition(ctx, next, nil)
}

func (c *syncSession) modifyQueries(ctx context.Context, message protocol.ClientMessage) error {
	if message.BaseVersion != c.version.QuerySet {
		return protocol.BadRequest("BaseVersionMismatch", "Base version %d passed up doesn't match the current version %d",
			message.BaseVersion, c.version.QuerySet)
	}
	var removed []any
	for _, change := range message.Modifications {
		switch change.Type {
		case "Add":
			c.queries[change.QueryID] = &watchedQuery{path: change.UDFPath, args: change.Args}
		case "Remove":
			delete(c.queries, change.QueryID)
			removed = append(removed, protocol.QueryRemoved{Type: "QueryRemoved", QueryID: change.QueryID})
		}
	}
	next := c.version
	next.QuerySet = message.NewVersion
	return c.transition(ctx, next, removed)
}

// transition brings the client to the next version, with all results that it has
// not yet.
func (c *syncSession) transition(ctx context.Context, next protocol.StateVersion, modifications []any) error {
	next.TS = max(protocol.Timestamp(time.Now().UnixNano()), c.version.TS+1)
	for id, query := range c.queries {
		modification := c.result(id, query)
		text, err := json.Marshal(modification)
		if err != nil {
			return err
		}
		if query.sent != string(text) {
			query.sent = string(text)
			modifications = append(modifications, modification)
		}
	}
	message := protocol.Transition{Type: "Transition", StartVersion: c.version, EndVersion: next, Modifications: bundle.NotNil(modifications)}
	if next.QuerySet == c.version.QuerySet && next.Identity == c.version.Identity && len(modifications) == 0 {
		return nil // a change of state that no query shows
	}
	c.version = next
	return c.send(ctx, message)
}

func (c *syncSession) result(id uint32, query *watchedQuery) any {
	value, err := c.server.runQuery(c.who, functionName(query.path), query.arguments())
	if err != nil {
		return protocol.QueryFailed{Type: "QueryFailed", QueryID: id, ErrorMessage: err.Error(), LogLines: []string{}}
	}
	return protocol.QueryUpdated{Type: "QueryUpdated", QueryID: id, Value: value, LogLines: []string{}}
}

func (c *syncSession) send(ctx context.Context, message any) error {
	return wsjson.Write(ctx, c.connection, message)
}

// close ends the connection as the error asks: a client's own fault is told, and
// not to be tried again.
func (c *syncSession) close(ctx context.Context, err error) {
	var failed *protocol.Failure
	if errors.As(err, &failed) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if failed.Status != http.StatusUnauthorized {
			_ = c.send(ctx, protocol.FatalError{Type: "FatalError", Error: failed.Message})
		}
		_ = c.connection.Close(websocket.StatusPolicyViolation, failed.Code)
		return
	}
	_ = c.connection.CloseNow()
}
