package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestEndlessServers logs in to servers that never come to an end. What a login
// takes is bounded, and it ends long before its time is over.
func TestEndlessServers(t *testing.T) {
	encode := func(messages ...pgproto3.BackendMessage) []byte {
		var all []byte
		for _, message := range messages {
			var err error
			if all, err = message.Encode(all); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	welcome := encode(&pgproto3.AuthenticationOk{}, &pgproto3.ReadyForQuery{TxStatus: 'I'},
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("x")}}})
	announced := binary.BigEndian.AppendUint32([]byte{'E'}, 1<<30-2)
	for name, tt := range map[string]struct{ first, ever []byte }{
		"one error":    {announced, bytes.Repeat([]byte("Sx"), 1<<10)},
		"notices":      {nil, encode(&pgproto3.NoticeResponse{Message: strings.Repeat("x", 1000)})},
		"parameters":   {encode(&pgproto3.AuthenticationOk{}), encode(&pgproto3.ParameterStatus{Name: strings.Repeat("n", 500), Value: strings.Repeat("v", 500)})},
		"rows":         {welcome, encode(&pgproto3.DataRow{Values: [][]byte{bytes.Repeat([]byte("r"), 1000)}})},
		"empty rows":   {welcome, encode(&pgproto3.DataRow{})},
		"one row":      {append(bytes.Clone(welcome), 'D', 0x3f, 0, 0, 0, 0, 1, 0x3e, 0, 0, 0), bytes.Repeat([]byte("r"), 1<<10)},
		"certificates": {[]byte("S"), []byte{22, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff}},
	} {
		t.Run(name, func(t *testing.T) {
			address := testkit.Listen(t, func(conn net.Conn) {
				go func() { _, _ = io.Copy(io.Discard, conn) }()
				_, err := conn.Write(tt.first)
				for many := bytes.Repeat(tt.ever, 1+(64<<10)/len(tt.ever)); err == nil; {
					_, err = conn.Write(many)
				}
			})
			mode := stack.SSLDisable
			if name == "certificates" {
				mode = stack.SSLRequire
			}
			login := Login{Server: stack.Postgres{URL: &url.URL{Scheme: "postgresql", User: url.User("tale"), Host: address}, Mode: mode}, Database: "d"}
			before := allocated()
			_, err := login.Try(t.Context())
			if grown := allocated() - before; grown > 64<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
			if failed := new(loginError); !errors.As(err, &failed) || strings.Contains(failed.Problem, "no answer") {
				t.Errorf("%v", err)
			}
		})
	}
}

// allocated returns all bytes that were ever allocated: what is kept is less.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}
