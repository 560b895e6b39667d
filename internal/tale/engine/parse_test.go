package engine

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
)

// TestContainerWithoutFields decodes what engines leave out: 29 has no top-level address
// and omits what is empty, Podman has no health and odd dates.
func TestContainerWithoutFields(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            `{}`,
		"empty":              `{"Id":"1","Config":{},"State":{},"NetworkSettings":{},"HostConfig":{},"Mounts":[]}`,
		"nulls":              `{"Config":null,"State":null,"NetworkSettings":null,"Mounts":null}`,
		"null in the middle": `{"Config":{"Labels":null,"Env":null},"State":{"Health":null},"NetworkSettings":{"Networks":{"n":null},"Ports":{"80/tcp":null}}}`,
		"1.41":               `{"State":{"Health":{"Status":"none","Log":null}},"NetworkSettings":{"IPAddress":"172.17.0.2","Networks":{"n":{"IPAddress":"","Aliases":null}}}}`,
		"health log":         `{"State":{"Health":{"Status":"healthy","Log":[null]}}}`,
		"dates":              `{"Created":"x","State":{"StartedAt":"","FinishedAt":"0001-01-01T00:00:00Z"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var from container.InspectResponse
			if err := json.Unmarshal([]byte(text), &from); err != nil {
				t.Fatal(err)
			}
			if c := containerOf(from); c.State.Health == "none" || len(c.Addresses) != 0 || !c.State.Finished.IsZero() {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestPortsAreThePublishedOnes(t *testing.T) {
	var running, stopped container.InspectResponse
	for text, into := range map[string]*container.InspectResponse{
		`{"NetworkSettings":{"Ports":{"443/udp":[{"HostIp":"0.0.0.0","HostPort":"443"}],"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"},{"HostIp":"::","HostPort":"80"}],"9180/tcp":null}}}`: &running,
		`{"NetworkSettings":{"Ports":{}},"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"80"}]}}}`:                                                                             &stopped,
	} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := containerOf(running).Ports, []Port{{"", 80, 80, "tcp"}, {"127.0.0.1", 8080, 80, "tcp"}, {"", 443, 443, "udp"}}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if got, want := containerOf(stopped).Ports, []Port{{"", 80, 80, "tcp"}}; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestWhoseContainerItIs(t *testing.T) {
	tests := []struct {
		labels                   map[string]string
		image                    string
		service, colour, version string
	}{
		{map[string]string{LabelService: "platform", LabelColour: "green", LabelVersion: "2", LabelImageVersion: "1"}, "x:3", "platform", "green", "2"},
		{map[string]string{LabelComposeService: "rag-blue", LabelImageVersion: "1"}, "x:3", "rag", "blue", "1"},
		{map[string]string{LabelComposeService: "db"}, "r.example:5000/x:3@sha256:" + strings.Repeat("a", 64), "db", "", "3"},
		{map[string]string{LabelComposeService: "web-blue"}, "r.example:5000/x", "", "blue", ""},
		{nil, "sha256:" + strings.Repeat("a", 64), "", "", ""},
	}
	for _, tt := range tests {
		c := Container{Image: tt.image}
		c.identify(tt.labels)
		if c.Service != tt.service || c.Colour != tt.colour || c.Version != tt.version {
			t.Errorf("%v of %s: %q %q %q", tt.labels, tt.image, c.Service, c.Colour, c.Version)
		}
	}
}

func TestOlder(t *testing.T) {
	versions := []string{"1.2", "1.9", "1.41", "1.41.1", "2.0", "2.20.0", "2.20.1", "2.40.3", "v3", "10.0"}
	versions[8] = "3"
	for i, a := range versions {
		for j, b := range versions {
			if got := older(a, b); got != (i < j) {
				t.Errorf("older(%s, %s) is %v", a, b, got)
			}
		}
	}
	if older("", "1") {
		t.Error("no version is not old")
	}
}

func frameOf(kind byte, text string) []byte {
	header := [8]byte{kind}
	binary.BigEndian.PutUint32(header[4:], uint32(len(text)))
	return append(header[:], text...)
}

// TestLogIsReadAsItWasWritten makes logs as engines store them, lines in parts of 16 KiB
// with a date each, and reads them through readers that split them anywhere.
func TestLogIsReadAsItWasWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		terminal := round%3 == 0
		var stream bytes.Buffer
		var want []Line
		at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
		for range random.IntN(20) {
			at = at.Add(time.Millisecond)
			longest := []int{20, 200, 60 << 10}[random.IntN(3)]
			if terminal {
				longest = min(longest, 10<<10) // their parts cannot be told apart
			}
			line := Line{at, !terminal && random.IntN(2) == 0, strings.Repeat("z é", random.IntN(longest)/4)}
			if random.IntN(5) == 0 {
				line.Text = "2026-01-02T03:04:05Z its own date " + line.Text
			}
			want = append(want, line)
			kind := byte(1)
			if line.Stderr {
				kind = 2
			}
			ending := "\n"
			if terminal {
				ending = "\r\n"
			}
			for rest := line.Text + ending; rest != ""; {
				part := rest[:min(len(rest), 16<<10)]
				rest = rest[len(part):]
				message := at.Format(time.RFC3339Nano) + " " + part
				if !terminal {
					at = at.Add(time.Microsecond) // each part has its own
				}
				if terminal {
					stream.WriteString(message)
				} else {
					stream.Write(frameOf(kind, message))
				}
			}
		}
		var got []Line
		if err := splitLog(&chopper{random, &stream}, terminal, func(line Line) bool {
			got = append(got, line)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: %d lines instead of %d", round, len(got), len(want))
		}
	}
}

type chopper struct {
	random *rand.Rand
	from   io.Reader
}

func (c *chopper) Read(into []byte) (int, error) {
	return c.from.Read(into[:1+c.random.IntN(len(into))])
}

func TestLogLineWithoutEnd(t *testing.T) {
	long := strings.Repeat("x", 150<<10)
	var stream bytes.Buffer
	for rest := long; rest != ""; {
		part := rest[:min(len(rest), 16<<10)]
		rest = rest[len(part):]
		stream.Write(frameOf(2, "2026-01-02T03:04:05.1Z "+part))
	}
	var got []string
	if err := splitLog(&stream, false, func(line Line) bool {
		got = append(got, line.Text)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || strings.Join(got, "") != long || len(got[0]) != longestLine {
		t.Errorf("%d pieces", len(got))
	}
}

func TestLogThatBreaksOffIsAnError(t *testing.T) {
	whole := frameOf(1, "2026-01-02T03:04:05Z a line\n")
	for cut := 1; cut < len(whole); cut++ {
		if err := splitLog(bytes.NewReader(whole[:cut]), false, func(Line) bool { return true }); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v", cut, err)
		}
	}
	for _, nonsense := range [][]byte{frameOf(7, "x"), []byte("HTTP/1.1 200 OK\r\n"), {1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}} {
		if err := splitLog(bytes.NewReader(nonsense), false, func(Line) bool { return true }); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%q: %v", nonsense, err)
		}
	}
	if err := splitLog(bytes.NewReader(frameOf(3, "driver failed\n")), false, nil); fmt.Sprint(err) != "driver failed" {
		t.Errorf("the engine's own error: %v", err)
	}
}

func FuzzSplitLog(f *testing.F) {
	f.Add(frameOf(1, "2026-01-02T03:04:05Z a line\n"), false)
	f.Add([]byte("2026-01-02T03:04:05Z a\r\nline"), true)
	f.Fuzz(func(t *testing.T, data []byte, terminal bool) {
		_ = splitLog(bytes.NewReader(data), terminal, func(line Line) bool {
			if len(line.Text) > longestLine || strings.Contains(line.Text, "\n") {
				t.Errorf("%d bytes: %.40q", len(line.Text), line.Text)
			}
			return true
		})
	})
}

func TestLastWords(t *testing.T) {
	said := " Network shop_internal  Creating \n Container a  Created\n Container a  Starting\n Container a  Error response from daemon: driver failed: port is already allocated\nError response from daemon: driver failed: port is already allocated\n\n Container b Error\n"
	words := lastWords(strings.NewReader(said))
	if want := "Error response from daemon: driver failed: port is already allocated\n Container b Error"; words != want {
		t.Errorf("%q", words)
	}
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, "line %d.\n", i)
	}
	if words := lastWords(strings.NewReader(many.String())); strings.Count(words, "\n") != mostWords-1 {
		t.Errorf("%q", words)
	}
}

func TestListenEndsWithSilence(t *testing.T) {
	silent, _ := io.Pipe()
	if err := listen(silent, 10*time.Millisecond); err == nil || !strings.Contains(err.Error(), "said nothing") {
		t.Errorf("%v", err)
	}
	ending, end := io.Pipe()
	go func() {
		for range 20 {
			_, _ = end.Write([]byte{'\n'})
		}
		_ = end.Close()
	}()
	if err := listen(ending, time.Minute); err != nil {
		t.Errorf("%v", err)
	}
}

func TestHelperArchiveIsWhole(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		binary := bytes.Repeat([]byte("x"), size)
		archive, err := helperArchive(bytes.NewReader(binary), int64(size))
		if err != nil {
			t.Fatal(err)
		}
		whole, _ := io.ReadAll(archive)
		reader := tar.NewReader(bytes.NewReader(whole))
		header, err := reader.Next()
		if err != nil || header.Name != "tale" || header.Mode != 0o755 {
			t.Fatalf("%+v %v", header, err)
		}
		content, err := io.ReadAll(reader)
		if _, end := reader.Next(); !bytes.Equal(content, binary) || err != nil || !errors.Is(end, io.EOF) || len(whole)%512 != 0 {
			t.Errorf("%d bytes: %d, %v, %v", size, len(content), err, end)
		}
	}
}

// TestHealthOfAnEarlierStart says nothing of this one: engines keep it.
func TestHealthOfAnEarlierStart(t *testing.T) {
	var from container.InspectResponse
	const text = `{"State":{"StartedAt":"2026-01-01T00:01:00Z","Health":{"Status":"starting","Log":[{"Start":"2026-01-01T00:00:59Z","ExitCode":78,"Output":"old"}]}}}`
	if err := json.Unmarshal([]byte(text), &from); err != nil {
		t.Fatal(err)
	}
	if s := containerOf(from).State; s.HealthCode != 0 || len(s.HealthLog) > 0 {
		t.Errorf("%+v", s)
	}
	from.State.StartedAt = "2026-01-01T00:00:30Z"
	if s := containerOf(from).State; s.HealthCode != 78 || len(s.HealthLog) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestLinesComeInPieces: what is written at once is none, or several.
func TestLinesComeInPieces(t *testing.T) {
	var got []string
	to := Lines(func(line string) { got = append(got, line) })
	for _, some := range []string{"a\nb", "c", "\n\nd\n", "cut"} {
		if n, err := io.WriteString(to, some); n != len(some) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if want := []string{"a", "bc", "", "d"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
