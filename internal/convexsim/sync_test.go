package convexsim_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// dial opens a sync connection and says what clients say first.
func dial(t *testing.T, s *convexsim.Server, messages ...object) *websocket.Conn {
	t.Helper()
	connection, response, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(s.URL(), "http")+"/api/1.48.0/sync",
		&websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	if extensions := response.Header.Get("Sec-Websocket-Extensions"); extensions != "" {
		t.Errorf("the backend does not compress, but agreed to %s", extensions)
	}
	t.Cleanup(func() { _ = connection.CloseNow() })
	connect := object{"type": "Connect", "sessionId": "30eb57c4-c311-43f1-aa36-4a222e76bb9c", "connectionCount": 0, "lastCloseReason": nil, "clientTs": 1}
	for _, message := range append([]object{connect}, messages...) {
		say(t, connection, message)
	}
	return connection
}

func say(t *testing.T, connection *websocket.Conn, message object) {
	t.Helper()
	if err := wsjson.Write(t.Context(), connection, message); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, connection *websocket.Conn) object {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var message object
	if err := wsjson.Read(ctx, connection, &message); err != nil {
		t.Fatal(err)
	}
	return message
}

func authenticate(key string) object {
	return object{"type": "Authenticate", "baseVersion": 0, "tokenType": "Admin", "value": key}
}

func watch(base, id int, path string) object {
	return object{"type": "ModifyQuerySet", "baseVersion": base, "newVersion": base + 1, "modifications": []object{
		{"type": "Add", "queryId": id, "udfPath": path, "args": []object{{}}},
	}}
}

func modification(t *testing.T, message object) object {
	t.Helper()
	if message["type"] != "Transition" || size(message, "modifications") != 1 {
		t.Fatalf("got %v, want one modification", message)
	}
	return objectAt(message, "modifications", 0)
}

func TestTheDialogueThatListsVariables(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	update(t, s, set("A", "1"))
	connection := dial(t, s, authenticate(s.AdminKey()), watch(0, 7, convexsim.EnvQuery))
	first, second := hear(t, connection), hear(t, connection)
	if end := objectAt(first, "endVersion"); end["identity"] != 1.0 || end["querySet"] != 0.0 {
		t.Errorf("the first transition is %v", first)
	}
	if start := second["startVersion"]; mustText(t, start) != mustText(t, first["endVersion"]) {
		t.Errorf("the second transition starts at %v", start)
	}
	encoded, _ := dig(second, "endVersion", "ts").(string)
	ts, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(ts) != 8 {
		t.Errorf("ts %q, %v", ts, err)
	}
	got := modification(t, second)
	if got["type"] != "QueryUpdated" || got["queryId"] != 7.0 || !strings.Contains(mustText(t, got["value"]), `"name":"A","value":"1"`) {
		t.Errorf("got %v", got)
	}
	update(t, s, set("A", "2"))
	if got := modification(t, hear(t, connection)); !strings.Contains(mustText(t, got["value"]), `"value":"2"`) {
		t.Errorf("a change of a variable gave %v", got)
	}
	say(t, connection, object{"type": "ModifyQuerySet", "baseVersion": 1, "newVersion": 2, "modifications": []object{{"type": "Remove", "queryId": 7}}})
	if got := modification(t, hear(t, connection)); got["type"] != "QueryRemoved" {
		t.Errorf("got %v", got)
	}
}

func TestABrowserGetsWellFormedAnswers(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	deploy(t, s, newPush(s))
	connection := dial(t, s, watch(0, 0, "notes:list"))
	got := modification(t, hear(t, connection))
	if got["type"] != "QueryFailed" || got["errorMessage"] != convexsim.NotRun || got["logLines"] == nil {
		t.Errorf("got %v", got)
	}
	for kind, answer := range map[string]string{"Mutation": "MutationResponse", "Action": "ActionResponse"} {
		say(t, connection, object{"type": kind, "requestId": 3, "udfPath": "notes:add", "args": []object{{}}})
		if got := hear(t, connection); got["type"] != answer || got["success"] != false || got["result"] != convexsim.NotRun || got["requestId"] != 3.0 {
			t.Errorf("%s got %v", kind, got)
		}
	}
	say(t, connection, object{"type": "Event", "eventType": "ClientConnect", "event": []any{}})
}

func TestBadAuthenticationIsAnAuthError(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for name, message := range map[string]object{
		"admin key": authenticate("nonsense"),
		"token":     {"type": "Authenticate", "baseVersion": 0, "tokenType": "User", "value": "a.b.c"},
	} {
		connection := dial(t, s, message)
		if got := hear(t, connection); got["type"] != "AuthError" || got["authUpdateAttempted"] != true || got["baseVersion"] != 0.0 {
			t.Errorf("%s: got %v", name, got)
		}
		if _, _, err := connection.Read(t.Context()); websocket.CloseStatus(err) == -1 {
			t.Errorf("%s: the connection is not closed: %v", name, err)
		}
	}
}

func TestWrongMessagesAreFatal(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for name, message := range map[string]object{
		"base version": watch(5, 0, convexsim.EnvQuery), "type": {"type": "Nonsense"}, "shape": {"type": 3},
	} {
		connection := dial(t, s, message)
		if got := hear(t, connection); got["type"] != "FatalError" || got["error"] == "" {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestASyncConnectionHoldsNoPermitAndEndsWithTheSimulator(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{RequestTimeout: 50 * time.Millisecond})
	connection := dial(t, s, authenticate(s.AdminKey()))
	hear(t, connection)
	if s.Running() != 0 {
		t.Errorf("%d permits are taken", s.Running())
	}
	if pause.For(t.Context(), 100*time.Millisecond); len(s.Requests()) != 0 {
		t.Error("the request timeout ended the connection")
	}
	simtest.Stop(t, s)
	if _, _, err := connection.Read(t.Context()); err == nil {
		t.Error("the connection outlived the simulator")
	}
}

func mustText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
