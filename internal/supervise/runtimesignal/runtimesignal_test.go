package runtimesignal_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/supervise/runtimesignal"
)

func spin(stop *atomic.Bool) (n int) {
	for !stop.Load() {
		n++
	}
	return n
}

// processorTime returns what this process has used so far.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano())
}

// While the runtime makes heavy use of both signals, exactly those that were
// sent arrive, and the runtime still gets its own.
func TestOnlyWhatWasSentArrives(t *testing.T) {
	received, err := runtimesignal.Received()
	if err != nil {
		t.Fatal(err)
	}
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		t.Fatal(err)
	}
	var spinners sync.WaitGroup
	var stop atomic.Bool
	for range 3 { // more than processors: they preempt each other
		spinners.Go(func() { spin(&stop) })
	}
	began := processorTime(t)
	const each = 10
	for range each {
		for _, sig := range runtimesignal.Signals {
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-received:
				if got != sig {
					t.Errorf("got %v, want %v", got, sig)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%v did not arrive", sig)
			}
		}
	}
	for processorTime(t)-began < 300*time.Millisecond { // some 30 samples
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	spinners.Wait()
	pprof.StopCPUProfile()
	if len(received) > 0 {
		t.Errorf("%d signals arrived that nobody sent", len(received))
	}
	if !bytes.Contains(unzip(t, profile.Bytes()), []byte("runtimesignal_test.spin")) {
		t.Error("the profiler got nothing")
	}
}
func unzip(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
