package limits

import (
	"math"
	"testing"
)

func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		files, memory uint64
		want          int
	}{
		{math.MaxUint64, math.MaxUint64, math.MaxInt32},
		{512, math.MaxUint64, 224},
		{1 << 20, 64 << 20, 640},
		{512, 64 << 20, 224},
		{1 << 20, 128 << 20 * 7 / 10, 1049}, // an office of 500 sockets is less than half
		{10, math.MaxUint64, leastRoom},
		{1 << 20, 1 << 20, leastRoom},
	} {
		if got := roomFor(tt.files, tt.memory); got != tt.want {
			t.Errorf("%d files and %d bytes: room for %d, want %d", tt.files, tt.memory, got, tt.want)
		}
	}
	if files() == 0 || memory() == 0 {
		t.Error("this process has no limits that it could live with")
	}
}
