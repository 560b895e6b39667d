package volume

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// The same content has the same sum however it is cut into chunks and wherever zeros are
// holes, and no other content has it.
func TestContentIsWhatAFileSays(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		file := make([]byte, random.IntN(20*page))
		for at := 0; at < len(file); at += page {
			if random.IntN(2) == 0 {
				file[min(at+random.IntN(page), len(file)-1)] = byte(1 + random.IntN(3))
			}
		}
		whole := newContent()
		whole.add(0, file)
		parts := newContent()
		for at := 0; at < len(file); {
			end := min(at+page*(1+random.IntN(4)), len(file))
			if !bytes.Equal(file[at:end], make([]byte, end-at)) || random.IntN(2) == 0 {
				parts.add(int64(at), file[at:end])
			}
			at = end
		}
		if whole.sum() != parts.sum() {
			t.Fatalf("%d bytes have two sums", len(file))
		}
		if len(file) == 0 {
			continue
		}
		other := bytes.Clone(file)
		switch at := random.IntN(len(file)); random.IntN(2) {
		case 0:
			other[at]++
		default: // moved by a page
			other = append(make([]byte, page), file...)
			if bytes.Equal(file, make([]byte, len(file))) {
				continue
			}
		}
		changed := newContent()
		changed.add(0, other)
		if changed.sum() == whole.sum() {
			t.Fatalf("two files of %d and %d bytes have one sum", len(file), len(other))
		}
	}
}

func TestGaugeKnowsWhatIsLeft(t *testing.T) {
	g := &gauge{}
	g.enter(Copying, 1000<<20, 1000)
	g.samples = []sample{{at: time.Now().Add(-10 * time.Second)}}
	g.half.Store(2 * 250 << 20)
	g.files.Store(250)
	p := g.now()
	if p.Done != 250<<20 || p.Files != 250 || p.AllFiles != 1000 || p.Rate < 24<<20 || p.Rate > 25<<20 || p.Left < 29*time.Second || p.Left > 31*time.Second {
		t.Errorf("%+v", p)
	}
	g.enter(Checking, 0, 1000)
	if p := g.now(); p.Done != 0 || p.Files != 0 || p.Left != 0 || p.Rate != 0 {
		t.Errorf("%+v", p)
	}
}
