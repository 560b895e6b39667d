package envsync

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/logging"
)

// sets is how many random sets of variables TestVariablesArriveByteForByte tries:
// go test -run ByteForByte ./internal/push/envsync -args -sets 10000
var sets = flag.Int("sets", 25, "random sets of variables to sync")

// hard are the pieces that shells, dotenv files, JSON and HTTP have trouble with.
var hard = []string{
	"=", "==", "\n", "\r\n", "\"", "'", "`", "\\", "\\n", "$", "${HOME}", "#", " ", "\t", "-", "--", "&", "<", ">", "%", "%00", "+",
	"\x00", "\x01", "\x7f", "\u0085", "\u2028", "\u2029", "\ufeff", "\ufffd", "\U0010ffff", "é", "e\u0301", "日本", "🎉", "null", "true", "{}", "[]",
	"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n",
}

func TestVariablesArriveByteForByte(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	sync.Log = logging.Discard()
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for set := range *sets {
		goal := randomGoal(random)
		result, err := sync.Run(t.Context(), goal)
		if err != nil {
			t.Fatalf("seed %d, set %d: %v", seed, set, err)
		}
		want := maps.Clone(goal.Values)
		maps.DeleteFunc(want, func(_, value string) bool { return value == "" })
		if got := server.State().Environment; !maps.Equal(got, want) {
			t.Fatalf("seed %d, set %d: %d variables differ", seed, set, len(goal.differences(got)))
		}
		if result.Present != len(want) {
			t.Fatalf("seed %d, set %d: %d present of %d", seed, set, result.Present, len(want))
		}
	}
}

// randomGoal gives the same 24 names new values, some of them none.
func randomGoal(random *rand.Rand) Goal {
	goal := Goal{Values: map[string]string{}}
	for i := range 24 {
		name := fmt.Sprintf("V%d_%s", i, strings.Repeat("N", i))
		goal.Values[name] = randomValue(random)
	}
	return goal
}

func randomValue(random *rand.Rand) string {
	limit := []int{0, 1, 10, 100, 1000, knownValueLimit}[random.IntN(6)]
	var value strings.Builder
	for value.Len() < limit {
		piece := hard[random.IntN(len(hard))]
		if random.IntN(2) == 0 {
			piece = string(rune(random.IntN(0xd800))) // any rune before the surrogates
		}
		if value.Len()+len(piece) > limit {
			piece = "x"
		}
		value.WriteString(piece)
	}
	return value.String()
}

// FuzzVariableArrives syncs one value of the fuzzer's choice.
func FuzzVariableArrives(f *testing.F) {
	for _, piece := range hard {
		f.Add(piece)
	}
	server := simtest.Start(f, convexsim.Options{})
	client := simtest.Client(f, server)
	f.Fuzz(func(t *testing.T, value string) {
		goal := Goal{Values: map[string]string{"FUZZED": value}}
		if len(value) > knownValueLimit || checkSendable(goal) != nil {
			return
		}
		sync := Sync{Client: client, Log: logging.Discard()}
		if _, err := sync.Run(t.Context(), goal); err != nil {
			t.Fatal(err)
		}
		if got := server.State().Environment["FUZZED"]; got != value {
			t.Errorf("%q arrived as %q", value, got)
		}
	})
}
