package site

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/uuid"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

const (
	// ClientVersion is the version of the convex package that the visitor speaks as.
	ClientVersion = "1.48.0"
	syncPath      = "/ws_api/api/" + ClientVersion + "/sync"
	// syncBase is the first version of a query set and of an identity.
	syncBase = 0
)

// transition is the message of the sync protocol that carries query results, as
// in the dialogue of `convex env list`.
type transition struct {
	Type          string `json:"type"`
	Modifications []struct {
		Type         string          `json:"type"`
		Value        json.RawMessage `json:"value"`
		ErrorMessage string          `json:"errorMessage"`
	} `json:"modifications"`
	Error string `json:"error"`
}

// Socket opens the app's sync socket and closes it again.
func (v *Visitor) Socket(ctx context.Context) (string, error) {
	connection, err := v.dial(ctx)
	if err != nil {
		return "", err
	}
	return "upgraded at " + syncPath, connection.CloseNow()
}

func (v *Visitor) dial(ctx context.Context) (*websocket.Conn, error) {
	connection, response, err := websocket.Dial(ctx, v.url+syncPath, &websocket.DialOptions{HTTPClient: v.sockets}) //nolint:bodyclose // the library closes it, or it is the connection
	switch {
	case err == nil:
		return connection, nil
	case response != nil:
		return nil, fmt.Errorf("%s%s answered %d instead of an upgrade", v.url, syncPath, response.StatusCode)
	default:
		return nil, fmt.Errorf("cannot open %s%s: %s", v.url, syncPath, netcause.Reason(errors.Unwrap(err)))
	}
}

// Sync asks through the app's socket, as an admin, for the variables of the
// deployment, and finds the site's address among them.
func (v *Visitor) Sync(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	connection, err := v.dial(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.CloseNow() }()
	connection.SetReadLimit(mostBody)
	for _, message := range v.syncMessages() {
		if err := wsjson.Write(ctx, connection, message); err != nil {
			return "", fmt.Errorf("cannot write to the socket: %w", err)
		}
	}
	variables, err := readQuery(ctx, connection)
	if err != nil {
		return "", err
	}
	if got := variables["SITE_URL"]; got != v.url {
		return "", fmt.Errorf("SITE_URL in the deployment is %q instead of %s", got, v.url)
	}
	if err := connection.Close(websocket.StatusNormalClosure, ""); err != nil {
		return "", fmt.Errorf("cannot close the socket: %w", err)
	}
	return fmt.Sprintf("%d variables over %s", len(variables), syncPath), nil
}

// syncMessages returns what a client says: hello, who it is, what it wants to know.
func (v *Visitor) syncMessages() []map[string]any {
	return []map[string]any{
		{"type": "Connect", "sessionId": uuid.NewString(), "connectionCount": 0, "lastCloseReason": "InitialConnect", "clientTs": time.Now().UnixMilli()},
		{"type": "Authenticate", "baseVersion": syncBase, "tokenType": "Admin", "value": v.adminKey},
		{"type": "ModifyQuerySet", "baseVersion": syncBase, "newVersion": 1, "modifications": []map[string]any{
			{"type": "Add", "queryId": 0, "udfPath": "_system/cli/queryEnvironmentVariables:default", "args": []map[string]any{{}}},
		}},
	}
}

// readQuery reads until the query's result comes.
func readQuery(ctx context.Context, connection *websocket.Conn) (map[string]string, error) {
	for {
		var message transition
		if err := wsjson.Read(ctx, connection, &message); err != nil {
			return nil, fmt.Errorf("cannot read the answer from the socket: %w", err)
		}
		if strings.HasSuffix(message.Type, "Error") {
			return nil, fmt.Errorf("the backend said %s: %s", message.Type, message.Error)
		}
		for _, change := range message.Modifications {
			if change.Type != "QueryUpdated" {
				return nil, fmt.Errorf("the query ended in %s: %s", change.Type, change.ErrorMessage)
			}
			return variablesOf(change.Value)
		}
	}
}

func variablesOf(value json.RawMessage) (map[string]string, error) {
	var rows []struct{ Name, Value string }
	if err := json.Unmarshal(value, &rows); err != nil {
		return nil, fmt.Errorf("cannot understand the query's result: %w", err)
	}
	variables := make(map[string]string, len(rows))
	for _, row := range rows {
		variables[row.Name] = row.Value
	}
	return variables, nil
}
