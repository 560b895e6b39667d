package livequery

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
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
)

const (
	// heartbeat is how often an idle connection gets a message
	// (crates/sync/src/worker.rs).
	heartbeat  = 15 * time.Second
	maxMessage = 64 << 20
)

// Functions is what a session asks the simulator for.
type Functions interface {
	// Authenticate returns who a client is that says it has an admin key or a token.
	Authenticate(tokenType, value string) (keybroker.Identity, error)
	// Changed returns channels that are closed when results may differ.
	Changed() (stored, documents <-chan struct{})
	// Queries runs queries on the same documents; ts is that of the latest commit.
	Queries(ctx context.Context, who keybroker.Identity, queries []runner.Call) (ts uint64, answers []runner.Answer)
	// Run runs a mutation or an action.
	Run(ctx context.Context, who keybroker.Identity, call runner.Call) runner.Answer
}

// Serve answers a client until the connection or ctx ends.
func Serve(ctx context.Context, connection *websocket.Conn, functions Functions) {
	connection.SetReadLimit(maxMessage)
	session := &session{
		functions: functions, connection: connection, queries: map[uint32]*watchedQuery{}, ran: make(chan protocol.FunctionRan),
	}
	session.run(ctx)
}

// session is one connection.
type session struct {
	functions  Functions
	connection *websocket.Conn
	id         string // of the client's session, which outlives connections
	who        keybroker.Identity
	version    protocol.StateVersion
	queries    map[uint32]*watchedQuery
	owed       bool // the client waits for a transition, whether results differ or not

	mutations []protocol.ClientMessage  // that wait for the one that runs
	ran       chan protocol.FunctionRan // what mutations and actions answered
}

type watchedQuery struct {
	call runner.Call
	sent string // the result last sent, as JSON
}

// run answers messages until the connection or the simulator ends.
func (c *session) run(life context.Context) {
	ctx, cancel := context.WithCancel(life)
	defer cancel() // it also drops the connection, and so must come last
	messages := make(chan protocol.ClientMessage)
	ended := make(chan error, 1)
	go func() { ended <- c.read(ctx, messages) }()
	idle := time.NewTicker(heartbeat)
	defer idle.Stop()
	stored, documents := c.functions.Changed()
	for {
		var err error
		select {
		case message := <-messages:
			err = c.handle(ctx, message)
		case answer := <-c.ran:
			err = c.answer(ctx, answer)
		case <-stored:
			stored, documents = c.functions.Changed() // before the results are read again
			err = c.update(ctx)
		case <-documents:
			stored, documents = c.functions.Changed()
			err = c.update(ctx)
		case <-idle.C:
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

func (c *session) read(ctx context.Context, messages chan<- protocol.ClientMessage) error {
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

func (c *session) handle(ctx context.Context, message protocol.ClientMessage) error {
	switch message.Type {
	case "Connect":
		c.id = message.SessionID
		return nil
	case "Event":
		return nil
	case "Authenticate":
		return c.authenticate(ctx, message)
	case "ModifyQuerySet":
		return c.modifyQueries(ctx, message)
	case "Mutation":
		c.mutations = append(c.mutations, message)
		if len(c.mutations) == 1 {
			c.start(ctx, message)
		}
		return nil
	case "Action":
		c.start(ctx, message)
		return nil
	}
	return protocol.BadRequest("WSMessageInvalidJson", "Received Invalid JSON on websocket: unknown type %q", message.Type)
}

// start runs a mutation or an action beside the session. Mutations of one session
// run one after the other, in their order.
func (c *session) start(ctx context.Context, message protocol.ClientMessage) {
	call := runner.Call{Kind: runner.Mutation, Component: message.ComponentPath, Path: message.UDFPath, Args: message.Args}
	switch {
	case message.Type == "Action":
		call.Kind = runner.Action
	case c.id != "":
		call.Session = fmt.Sprintf("%s/%d", c.id, message.RequestID)
	}
	who := c.who
	go func() {
		answer := c.functions.Run(ctx, who, call)
		ran := protocol.FunctionRan{
			Type: message.Type + "Response", RequestID: message.RequestID, Success: answer.Error == nil,
			Result: answer.Value, LogLines: bundle.NotNil(answer.Lines),
		}
		switch {
		case answer.Error != nil:
			ran.Result, ran.ErrorData = answer.Error.Text(), answer.Error.Data
		case call.Kind == runner.Mutation:
			ts := protocol.Timestamp(answer.TS)
			ran.TS = &ts
		}
		select {
		case c.ran <- ran:
		case <-ctx.Done():
		}
	}()
}

// answer sends what a mutation or an action answered, and what has come of it.
func (c *session) answer(ctx context.Context, ran protocol.FunctionRan) error {
	if err := c.send(ctx, ran); err != nil {
		return err
	}
	if ran.Type != "MutationResponse" {
		return nil
	}
	// The client takes a mutation for done with the first transition that comes after
	// the answer and is not earlier.
	c.owed = ran.Success
	if err := c.transition(ctx, c.version, nil); err != nil {
		return err
	}
	if c.mutations = c.mutations[1:]; len(c.mutations) > 0 {
		c.start(ctx, c.mutations[0])
	}
	return nil
}

// update sends what has changed, but not while a mutation runs: the client would see
// what it does beside what the client expects it to do.
func (c *session) update(ctx context.Context) error {
	if len(c.mutations) > 0 {
		return nil // there is a transition when it has run
	}
	return c.transition(ctx, c.version, nil)
}

func (c *session) authenticate(ctx context.Context, message protocol.ClientMessage) error {
	if message.BaseVersion != c.version.Identity {
		return fmt.Errorf("authenticated for version %d instead of %d", message.BaseVersion, c.version.Identity)
	}
	who, err := c.functions.Authenticate(message.TokenType, message.Value)
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

func (c *session) modifyQueries(ctx context.Context, message protocol.ClientMessage) error {
	if message.BaseVersion != c.version.QuerySet {
		return protocol.BadRequest("BaseVersionMismatch", "Base version %d passed up doesn't match the current version %d",
			message.BaseVersion, c.version.QuerySet)
	}
	var removed []any
	for _, change := range message.Modifications {
		switch change.Type {
		case "Add":
			c.queries[change.QueryID] = &watchedQuery{call: runner.Call{
				Kind: runner.Query, Component: change.ComponentPath, Path: change.UDFPath, Args: change.Args, Journal: change.Journal,
			}}
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
// not yet. Its timestamp is not later than any of them.
func (c *session) transition(ctx context.Context, next protocol.StateVersion, modifications []any) error {
	ids := make([]uint32, 0, len(c.queries))
	calls := make([]runner.Call, 0, len(c.queries))
	for id, query := range c.queries {
		ids, calls = append(ids, id), append(calls, query.call)
	}
	ts, answers := c.functions.Queries(ctx, c.who, calls)
	for i, answer := range answers {
		query := c.queries[ids[i]]
		text, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		if answer.Journal != nil {
			query.call.Journal = answer.Journal
		}
		if query.sent != string(text) {
			query.sent = string(text)
			modifications = append(modifications, modification(ids[i], answer))
		}
	}
	next.TS = max(protocol.Timestamp(ts), c.version.TS)
	if next.QuerySet == c.version.QuerySet && next.Identity == c.version.Identity && len(modifications) == 0 && !c.owed {
		return nil // a change that no query shows
	}
	c.owed = false
	message := protocol.Transition{Type: "Transition", StartVersion: c.version, EndVersion: next, Modifications: bundle.NotNil(modifications)}
	c.version = next
	return c.send(ctx, message)
}

func modification(id uint32, answer runner.Answer) any {
	if answer.Error != nil {
		return protocol.QueryFailed{
			Type: "QueryFailed", QueryID: id, ErrorMessage: answer.Error.Text(), ErrorData: answer.Error.Data,
			LogLines: bundle.NotNil(answer.Lines), Journal: answer.Journal,
		}
	}
	return protocol.QueryUpdated{
		Type: "QueryUpdated", QueryID: id, Value: answer.Value, LogLines: bundle.NotNil(answer.Lines), Journal: answer.Journal,
	}
}

func (c *session) send(ctx context.Context, message any) error {
	return wsjson.Write(ctx, c.connection, message)
}

// close ends the connection as the error asks: a client's own fault is told, and
// not to be tried again.
func (c *session) close(ctx context.Context, err error) {
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
