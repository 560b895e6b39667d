package privilege

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func ownersOf(t *testing.T, uid int) (*owners, *testkit.Buffer) {
	t.Helper()
	log := &testkit.Buffer{}
	return newOwners(slog.New(slog.NewTextHandler(log, nil)), uid, os.Getgid()), log
}

func TestOwnersReportProgressOnABigVolume(t *testing.T) {
	o, log := ownersOf(t, os.Getuid())
	o.progress = time.Millisecond
	o.checked.Store(123)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		o.reportProgress(ctx)
	}()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(log.String(), "still checking the owners of data folders\" checked=123 changed=0") {
		if time.Now().After(deadline) {
			t.Fatal("no progress was reported")
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-over
}

func TestOwnersStopWhenAsked(t *testing.T) {
	requested := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(requested)
	o, _ := ownersOf(t, os.Getuid())
	if err := o.fix(ctx, []string{t.TempDir()}); !errors.Is(err, requested) {
		t.Errorf("got %v", err)
	}
}

func TestOwnersOfAMissingFolder(t *testing.T) {
	o, _ := ownersOf(t, os.Getuid())
	folder := filepath.Join(t.TempDir(), "new", "folder")
	if err := o.fix(context.Background(), []string{folder}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		t.Errorf("it was not made: %v", err)
	}
}

// A listing comes from the kernel in several parts.
func TestLongListingIsReadToItsEnd(t *testing.T) {
	const files = 3000
	dir := t.TempDir()
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("a-name-of-some-length-%d", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	o, _ := ownersOf(t, os.Getuid())
	if err := o.fix(context.Background(), []string{dir}); err != nil {
		t.Fatal(err)
	}
	if got := o.checked.Load(); got != files+1 {
		t.Errorf("looked at %d entries of %d", got, files+1)
	}
}

// Entries come and go while the walk looks at them.
func TestOwnersOfAVolumeThatChanges(t *testing.T) {
	dir := t.TempDir()
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					path := filepath.Join(dir, fmt.Sprintf("%d.%d", i, n%50))
					_ = os.MkdirAll(filepath.Join(path, "inner"), 0o755)
					_ = os.RemoveAll(path)
				}
			}
		})
	}
	for range 50 {
		o, _ := ownersOf(t, os.Getuid())
		if err := o.fix(context.Background(), []string{dir}); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	writers.Wait()
}

// BenchmarkOwners looks at entries that are right already, as every start but
// the first does. A million of them must take less than 3 s.
func BenchmarkOwners(b *testing.B) {
	const folders, files = 100, 1000
	dir := b.TempDir()
	for i := range folders {
		folder := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		for j := range files {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("module-%d.blob", j)), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		o := newOwners(slog.New(slog.DiscardHandler), os.Getuid(), os.Getgid())
		if err := o.fix(context.Background(), []string{dir}); err != nil {
			b.Fatal(err)
		}
		if o.checked.Load() != folders*(files+1)+1 {
			b.Fatalf("looked at %d entries", o.checked.Load())
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*1e6/(folders*(files+1)), "s/million")
}
