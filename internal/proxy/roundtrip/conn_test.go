package roundtrip

import (
	"errors"
	"net"
	"testing"
	"time"
)

// failing is a connection that can be neither read nor written.
type failing struct{ net.Conn }

var errFailing = errors.New("broken")

func (failing) Read([]byte) (int, error)  { return 0, errFailing }
func (failing) Write([]byte) (int, error) { return 0, errFailing }
func (failing) Close() error              { return nil }

func TestAWriteFailsWhenThereIsNothingLeftToRead(t *testing.T) {
	for name, end := range map[string]func(net.Conn){
		"end":   func(c net.Conn) { _, _ = c.Read(nil) },
		"close": func(c net.Conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(failing{})
			wrote := make(chan error, 1)
			go func() {
				_, err := c.Write([]byte("x"))
				wrote <- err
			}()
			select {
			case err := <-wrote:
				t.Fatalf("it did not wait: %v", err)
			case <-time.After(10 * time.Millisecond):
			}
			end(c)
			if err := <-wrote; !errors.Is(err, errFailing) {
				t.Errorf("got %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, errFailing) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}
