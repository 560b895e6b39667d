package freeport_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{"finder": finder}))
}

const (
	finders   = 4
	portsEach = 400
)

// finder returns the exit code of a program that finds ports and keeps them until its
// input ends.
func finder() int {
	var found []string
	for range portsEach {
		port, err := freeport.Find()
		if err != nil {
			return 1
		}
		found = append(found, strconv.Itoa(port))
	}
	fmt.Println("found " + strings.Join(found, " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// Of 1,600 ports out of 12,000, which are free again at once, some would be equal.
func TestNoTwoAreToldTheSamePort(t *testing.T) {
	var all []*testkit.Process
	for range finders {
		command := exec.CommandContext(t.Context(), os.Args[0])
		command.Env = append(os.Environ(), testkit.RoleVariable+"=finder")
		if _, err := command.StdinPipe(); err != nil { // open for as long as the test is
			t.Fatal(err)
		}
		all = append(all, testkit.Start(t, command))
	}
	told := map[string]bool{}
	for _, process := range all {
		for _, port := range strings.Fields(process.Expect("found ")) {
			if told[port] {
				t.Errorf("port %s was found twice", port)
			}
			told[port] = true
		}
	}
	if len(told) != finders*portsEach {
		t.Errorf("%d ports were found", len(told))
	}
}

func TestFind(t *testing.T) {
	port, err := freeport.Find("127.0.0.1", "127.0.0.2")
	if err != nil || port >= 32768 {
		t.Fatalf("port %d, %v", port, err)
	}
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
	}
}
