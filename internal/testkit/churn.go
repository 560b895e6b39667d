package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Churn makes and removes folders and files below a folder, several at once, until stop has
// been called.
func Churn(t testing.TB, folder string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for n := range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				below := filepath.Join(folder, fmt.Sprint(n), "below")
				if err := errors.Join(os.MkdirAll(below, 0o700), os.WriteFile(filepath.Join(below, "f"), nil, 0o600), os.RemoveAll(filepath.Dir(below))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return func() {
		cancel()
		writers.Wait()
	}
}
