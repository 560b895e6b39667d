package selfupdate_test

import (
	"bytes"
	"flag"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
)

var flips = flag.Int("flips", 200, "changed downloads to try")

// spoil returns a changed copy of a file: bits flipped, bytes cut off, taken out, added,
// or moved.
func spoil(random *rand.Rand, text []byte) []byte {
	changed := bytes.Clone(text)
	at := random.IntN(len(changed))
	switch random.IntN(6) {
	case 0, 1:
		changed[at] ^= 1 << random.IntN(8)
	case 2:
		changed = changed[:at]
	case 3:
		changed = slices.Delete(changed, at, at+1)
	case 4:
		changed = slices.Insert(changed, at, byte(random.IntN(256)))
	default:
		other := random.IntN(len(changed))
		changed[at], changed[other] = changed[other], changed[at]
	}
	if bytes.Equal(changed, text) {
		return changed[:at]
	}
	return changed
}

// Of changed downloads none is executed, or put in place. What is not needed to verify a
// program (the list and the checksums for people) may be changed without harm.
func TestNoChangedDownloadIsExecuted(t *testing.T) {
	s := newServer(t, "1.2.0")
	genuine := maps.Clone(s.files)
	genuine["/releases.json"] = s.listing()
	names := slices.Sorted(maps.Keys(genuine))
	essential := []string{
		path("1.2.0", program), path("1.2.0", program+".minisig"),
		path("1.2.0", "release.json"), path("1.2.0", "release.json.minisig"),
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	executed, refused := 0, map[int]int{}
	for i := range *flips {
		_ = os.Remove(s.canary)
		files := maps.Clone(genuine)
		var changed []string
		for range 1 + random.IntN(3) {
			name := essential[random.IntN(len(essential))]
			if random.IntN(4) == 0 {
				name = names[random.IntN(len(names))]
			}
			files[name] = spoil(random, genuine[name])
			changed = append(changed, name)
		}
		s.replace(files)
		o := s.options("1.0.0").Impatient(0)
		if random.IntN(2) == 0 {
			o.Want = "1.2.0"
		}
		if random.IntN(4) == 0 {
			o.File = download(t, s, "1.2.0", program)
		}
		counts := func(name string) bool {
			// A program that was downloaded by hand has no manifest.
			return slices.Contains(essential[:2], name) || o.File == "" && slices.Contains(essential, name)
		}
		_, err := upgrade(t, o)
		refused[exit.Code(err)]++
		now := s.versionOf(o, "1.0.0", "1.2.0")
		_, ran := os.Stat(s.canary)
		if slices.ContainsFunc(changed, counts) && (err == nil || now != "1.0.0" || ran == nil) {
			executed++
			t.Errorf("seed %d, %d: with %v changed: %v, it is %s, ran: %v", seed, i, changed, err, now, ran == nil)
		}
	}
	t.Logf("%d changed downloads, %d executed; by exit code: %v", *flips, executed, refused)
}
