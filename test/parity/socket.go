package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// frame is a message that a client of the sync protocol sends, and the types of
// those that it waits for then, in any order. "close" is the end of the socket.
type frame struct {
	send string
	want []string
}

// converse holds a dialogue on a sync socket. What does not come in time is
// missing in the answer, as is what came of an earlier message.
func (t *target) converse(ctx context.Context, r request) (answer, error) {
	connection, response, err := websocket.Dial(ctx, t.api+t.expand(r.path), nil) //nolint:bodyclose // the library closes it
	if response != nil && err != nil {
		return answer{Status: response.StatusCode, Header: response.Header}, nil
	}
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = connection.CloseNow() }()
	connection.SetReadLimit(mostBody)
	got := answer{Status: response.StatusCode, Frames: [][]json.RawMessage{}}
	for _, f := range r.frames {
		if err := connection.Write(ctx, websocket.MessageText, []byte(t.expand(f.send))); err != nil {
			return got, errors.New("the socket was closed before all was said")
		}
		got.Frames = append(got.Frames, listen(ctx, connection, f.want))
	}
	return got, nil
}

// listen reads until all the wanted types have come, with whatever comes between.
func listen(ctx context.Context, connection *websocket.Conn, want []string) []json.RawMessage {
	ctx, cancel := context.WithTimeout(ctx, socketPatience)
	defer cancel()
	came := []json.RawMessage{}
	missing := map[string]int{}
	for _, kind := range want {
		missing[kind]++
	}
	for len(missing) > 0 {
		_, data, err := connection.Read(ctx)
		if err != nil {
			return append(came, json.RawMessage(asJSON(map[string]string{"type": ending(ctx, err)})))
		}
		kind := member(data, "type")
		if kind == "Ping" {
			continue
		}
		came = append(came, data)
		if missing[kind]--; missing[kind] <= 0 {
			delete(missing, kind)
		}
	}
	return came
}

// ending names what came instead of a message.
func ending(ctx context.Context, err error) string {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return strings.TrimSpace(fmt.Sprintf("close %d %s", closed.Code, closed.Reason))
	case ctx.Err() != nil:
		return "nothing more"
	default:
		return "the connection broke"
	}
}

const (
	socketPatience = 3 * time.Second
	requestLimit   = 90 * time.Second
	mostBody       = 32 << 20
)
