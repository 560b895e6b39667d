package freeport_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
)

func TestFind(t *testing.T) {
	port, err := freeport.Find()
	if err != nil || port >= 32768 {
		t.Fatalf("port %d, %v", port, err)
	}
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
}
