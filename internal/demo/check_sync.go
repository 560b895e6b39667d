package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

const (
	// clientVersion is the version of the convex package that the protocol is spoken as.
	clientVersion = "1.48.0"
	syncPath      = "/ws_api/api/" + clientVersion + "/sync"
	// syncBase is the first version of a query set and of an identity.
	syncBase = 0
)

// transition is the message of the sync protocol that carries query results
// (fact: the dialogue of `convex env list`).
type transition struct {
	Type          string `json:"type"`
	Modifications []struct {
		Type         string          `json:"type"`
		Value        json.RawMessage `json:"value"`
		ErrorMessage string          `json:"errorMessage"`
	} `json:"modifications"`
	Error string `json:"error"`
}

// sync opens the app's socket, asks as an admin for the variables of the
// deployment and finds the site's address among them.
func (v *visitor) sync(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, visitLimit)
	defer cancel()
	connection, response, err := websocket.Dial(ctx, v.site+syncPath, &websocket.DialOptions{HTTPClient: v.sockets})
	if err != nil {
		return "", fmt.Errorf("cannot open the socket %s: %w", syncPath, err)
	}
	if response.Body != nil {
		_ = response.Body.Close()
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
	if got := variables["SITE_URL"]; got != v.site {
		return "", fmt.Errorf("SITE_URL in the deployment is %q instead of %s", got, v.site)
	}
	if err := connection.Close(websocket.StatusNormalClosure, ""); err != nil {
		return "", fmt.Errorf("the socket was not closed in peace: %w", err)
	}
	return fmt.Sprintf("%d variables over %s", len(variables), syncPath), nil
}

// syncMessages are what a client says: hello, who it is, what it wants to know.
func (v *visitor) syncMessages() []map[string]any {
	return []map[string]any{
		{"type": "Connect", "sessionId": newSessionID(), "connectionCount": 0, "lastCloseReason": "InitialConnect", "clientTs": time.Now().UnixMilli()},
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

// newSessionID makes a random UUID.
func newSessionID() string {
	digits := randomHex()
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", digits[:8], digits[8:12], digits[13:16], digits[17:20], digits[20:32])
}
