package stopsignal

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

func TestWhatCameMeanwhileIsSentAgain(t *testing.T) {
	received := hold(1).received
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(received) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the signal was not held back")
		}
	}
	listener := make(chan os.Signal, 1)
	signal.Notify(listener, syscall.SIGTERM)
	defer signal.Stop(listener)
	release(received)
	select {
	case sig := <-listener:
		if sig != syscall.SIGTERM {
			t.Errorf("got %v", sig)
		}
	case <-time.After(10 * time.Second):
		t.Error("the signal got lost")
	}
}

func TestOtherProcessesAreLeftAlone(t *testing.T) {
	received := hold(2).received
	listener := make(chan os.Signal, 1)
	signal.Notify(listener, syscall.SIGTERM)
	defer signal.Stop(listener)
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-listener
	if len(received) != 0 {
		t.Error("the signal was held back")
	}
}

// Whoever takes over gets each signal once, whether it came before or after.
func TestWhoTakesOverGetsEachSignalOnce(t *testing.T) {
	h := hold(1)
	send := func() {
		before := len(h.received)
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); len(h.received) == before; {
			if time.Now().After(deadline) {
				t.Fatal("the signal got lost")
			}
		}
	}
	send()
	received := h.receive()
	defer signal.Stop(received)
	signal.Notify(received, syscall.SIGTERM, syscall.SIGHUP)
	send()
	if len(received) != 2 {
		t.Errorf("%d signals arrived, want 2", len(received))
	}
	if again := h.receive(); again == received || len(again) != 0 {
		t.Error("two have taken over")
	}
}
