// Command benchcopy compares the copy of a volume, which is on the disk and proven when
// it ends, with what one would type instead: cp -a, a sync, and a SHA-256 of every file.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/tale/volume"
)

func main() {
	files := flag.Int("files", 200_000, "how many files")
	size := flag.Int64("bytes", 2<<30, "of how many bytes in all")
	runs := flag.Int("runs", 3, "how often each copies, in turn")
	under := flag.String("dir", "", "a folder on the disk to measure, with room for twice as much")
	wanted := flag.Float64("at-least", 0, "fail if the speed is less than this part of the other's")
	flag.Parse()
	ratio, err := compare(*under, *files, *size, *runs)
	if err == nil && ratio < *wanted {
		err = fmt.Errorf("%.0f %% of the speed, and %.0f %% are wanted", 100*ratio, 100**wanted)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchcopy:", err)
		os.Exit(1)
	}
}

func compare(under string, files int, size int64, runs int) (ratio float64, err error) {
	dir, err := os.MkdirTemp(under, "benchcopy")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	began := time.Now()
	if size, err = generate(filepath.Join(dir, "from"), files, size); err != nil {
		return 0, err
	}
	fmt.Printf("%d files, %d MB, made in %s\n", files, size>>20, time.Since(began).Round(time.Second))
	contenders := []struct {
		name string
		copy func(dir string) error
		took []time.Duration
	}{{name: "cp -a; sync; sha256sum", copy: classic}, {name: "tale, all read back", copy: ours}}
	for run := range runs {
		for i := range contenders {
			c := &contenders[(run+i)%2]
			took, err := measure(dir, c.copy)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", c.name, err)
			}
			c.took = append(c.took, took)
			fmt.Printf("%-24s %6.1f s\n", c.name, took.Seconds())
		}
	}
	for i := range contenders {
		slices.Sort(contenders[i].took)
	}
	a, b := contenders[0].took[runs/2], contenders[1].took[runs/2]
	ratio = a.Seconds() / b.Seconds()
	fmt.Printf("medians: %.1f s and %.1f s, ours at %.0f %% of the speed of the other\n", a.Seconds(), b.Seconds(), 100*ratio)
	return ratio, nil
}

// measure copies from a cold cache: what the one has read must not help the other.
func measure(dir string, do func(dir string) error) (time.Duration, error) {
	to := filepath.Join(dir, "to")
	if err := os.RemoveAll(to); err != nil {
		return 0, err
	}
	if err := os.Mkdir(to, 0o755); err != nil { //nolint:gosec // as the engine makes volumes
		return 0, err
	}
	unix.Sync()
	if err := forget(filepath.Join(dir, "from")); err != nil {
		return 0, err
	}
	began := time.Now()
	err := do(dir)
	return time.Since(began), err
}

// forget drops the content of files from the kernel's cache.
func forget(folder string) error {
	return filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		return unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

func classic(dir string) error {
	script := exec.Command("sh", "-ec", "cp -a from/. to/; sync -f to; find to -type f -print0 | xargs -0 sha256sum > sums") //nolint:noctx // it ends with the terminal
	script.Dir, script.Stderr = dir, os.Stderr
	return script.Run()
}

func ours(dir string) error {
	input, alive := io.Pipe() // a helper's says now and then that its tale lives
	beat := time.NewTicker(time.Second)
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case <-beat.C:
				_, _ = alive.Write([]byte{'\n'})
			case <-ended:
				return
			}
		}
	}()
	var out bytes.Buffer
	if err := volume.Helper(context.Background(), dir, []string{"copy", "old", "new", "keep"}, input, &out); err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	var last struct{ Report volume.Report }
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Report.Files == 0 {
		return fmt.Errorf("it says %s: %w", lines[len(lines)-1], err)
	}
	return nil
}

// generate makes a tree as a backend with uploads has it: many small files, some large.
func generate(root string, files int, size int64) (made int64, err error) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(random.Uint32())
	}
	mean := float64(size) / float64(files)
	for n := range files {
		folder := filepath.Join(root, fmt.Sprintf("%02x", n%100), fmt.Sprintf("%02x", n/100%40))
		if n < 4000 {
			if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // a service's own
				return made, err
			}
		}
		length := min(int64(random.ExpFloat64()*mean*0.8), int64(len(content))-1)
		if n%1000 == 0 {
			length = int64(mean * 200)
		}
		from := random.Int64N(int64(len(content)) - length)
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file-%d", n)), content[from:from+length], 0o644); err != nil { //nolint:gosec // a service's own
			return made, err
		}
		made += length
	}
	return made, nil
}
