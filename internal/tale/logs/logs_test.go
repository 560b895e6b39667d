package logs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/logs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const id = "shop-0a1b2c"

// page is what was printed.
type page struct {
	mu    sync.Mutex
	lines []string
}

func (p *page) print(line logs.Line) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, strings.TrimPrefix(line.Container, id+"-")+" "+line.Stream+" "+line.Text)
	return nil
}

func (p *page) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

func add(server *enginetest.Server, service, colour string) string {
	name, project := stack.Coloured(service, colour), stack.Coloured(id, colour)
	server.AddContainer(enginetest.Container{Name: id + "-" + name, Image: "x/" + service, Project: project, Service: name, Running: true})
	return id + "-" + name
}

func options() logs.Options {
	return logs.Options{Projects: []string{id, id + "-blue", id + "-green"}, Last: -1}
}

func TestPastIsMergedByTime(t *testing.T) {
	server := enginetest.New(t)
	docker := server.Connect(t, engine.Options{})
	blue, proxy := add(server, stack.Platform, stack.Blue), add(server, stack.Proxy, "")
	green := add(server, stack.Platform, stack.Green)
	server.AddContainer(enginetest.Container{Name: "other", Image: "x", Project: "other", Service: "db", Running: true, Life: enginetest.Life{Log: []string{"foreign"}}})
	var want []string
	for i, name := range []string{blue, proxy, green, proxy, blue, green, blue, proxy} {
		text, stream := fmt.Sprint("line ", i), "stdout"
		if i%3 == 0 {
			stream = "stderr"
			server.Log(name, "!"+text)
		} else {
			server.Log(name, text)
		}
		want = append(want, strings.TrimPrefix(name, id+"-")+" "+stream+" "+text)
	}
	server.Die(blue, 0, false) // the log of what has stopped is read as well
	for name, tt := range map[string]struct {
		change func(*logs.Options)
		want   []string
	}{
		"all":        {func(*logs.Options) {}, want},
		"the last":   {func(o *logs.Options) { o.Last = 3 }, want[5:]},
		"none":       {func(o *logs.Options) { o.Last = 0 }, nil},
		"a service":  {func(o *logs.Options) { o.Services = []string{stack.Proxy} }, []string{want[1], want[3], want[7]}},
		"one colour": {func(o *logs.Options) { o.Colour = stack.Green }, []string{want[2], want[5]}},
	} {
		o, got := options(), page{}
		tt.change(&o)
		if err := logs.Read(t.Context(), docker, o, got.print); err != nil || !slices.Equal(got.all(), tt.want) {
			t.Errorf("%s: %v, %q; want %q", name, err, got.all(), tt.want)
		}
	}
	o := options()
	o.Services = []string{stack.Crawler}
	if err := logs.Read(t.Context(), docker, o, func(logs.Line) error { return nil }); !errors.Is(err, logs.NoneError{}) {
		t.Errorf("%v for a service that has no container", err)
	}
}

// One log that cannot be read does not hide the others.
func TestALogThatCannotBeRead(t *testing.T) {
	server := enginetest.New(t)
	docker := server.Connect(t, engine.Options{})
	server.Log(add(server, stack.Proxy, ""), "one")
	server.Log(add(server, stack.DB, ""), "two")
	const said = "cannot read the log of " + id + "-"
	server.Fault("GET", "/containers/*/logs", enginetest.Fault{Status: 500, Message: "configured logging driver does not support reading"}, 1)
	var got page
	err := logs.Read(t.Context(), docker, options(), got.print)
	if err == nil || !strings.Contains(err.Error(), "does not support reading") || len(got.all()) != 1 || !strings.HasPrefix(err.Error(), said) || strings.Count(err.Error(), "cannot read") != 1 {
		t.Errorf("%v, %q", err, got.all())
	}
}

// Who follows a service sees each line once: over the switch to the other colour, over
// restarts, and whatever breaks off.
func TestFollowLosesAndDoublesNothing(t *testing.T) {
	for name, breaks := range map[string]func(*enginetest.Server){
		"nothing breaks": func(*enginetest.Server) {},
		"logs break off": func(s *enginetest.Server) { s.Fault("GET", "/containers/*/logs", enginetest.Fault{Cut: 150}, 6) },
		"logs end early": func(s *enginetest.Server) { s.Fault("GET", "/containers/*/logs", enginetest.Fault{Drop: true}, 3) },
		"events break":   func(s *enginetest.Server) { s.Fault("GET", "/events", enginetest.Fault{Drop: true}, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			server := enginetest.New(t)
			docker := server.Connect(t, engine.Options{})
			blue := add(server, stack.Platform, stack.Blue)
			var want []string
			write := func(container string, n int) {
				for range n {
					text := fmt.Sprint("line ", len(want))
					server.Log(container, text)
					want = append(want, strings.TrimPrefix(container, id+"-")+" stdout "+text)
				}
			}
			write(blue, 5)
			ctx, stop := context.WithCancel(t.Context())
			o, got := options(), &page{}
			o.Follow, o.Services, o.Warn = true, []string{stack.Platform}, func(err error) { t.Log(err) }
			ended := make(chan error, 1)
			go func() { ended <- logs.Read(ctx, docker, o, got.print) }()
			testkit.Eventually(t, "the past is printed", func() bool { return len(got.all()) == 5 })
			breaks(server)
			write(blue, 10)
			green := add(server, stack.Platform, stack.Green)
			write(green, 10)
			write(blue, 1)
			server.Die(blue, 0, false)
			server.Die(green, 1, false)
			if err := docker.Start(t.Context(), green); err != nil {
				t.Fatal(err)
			}
			write(green, 10)
			testkit.Eventually(t, "all is printed", func() bool { return len(got.all()) >= len(want) })
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			lines := got.all()
			slices.Sort(lines)
			slices.Sort(want)
			if !slices.Equal(lines, want) {
				t.Errorf("printed %q\nwant %q", lines, want)
			}
		})
	}
}

// What was written before it is asked for does not come up again with the new.
func TestFollowFromTheLastLine(t *testing.T) {
	server := enginetest.New(t)
	docker := server.Connect(t, engine.Options{})
	proxy := add(server, stack.Proxy, "")
	for range 5 {
		server.Log(proxy, "old")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o, got := options(), &page{}
	o.Follow, o.Last, o.Warn = true, 0, func(error) {}
	ended := make(chan error, 1)
	go func() { ended <- logs.Read(ctx, docker, o, got.print) }()
	follows := func() bool { // after it was read once
		calls := slices.DeleteFunc(server.Calls(), func(call string) bool { return !strings.HasSuffix(call, "/logs") })
		return len(calls) >= 2
	}
	testkit.Eventually(t, "the log is followed", follows)
	db := add(server, stack.DB, "") // all of what starts later is new
	server.Log(db, "first")
	server.Log(proxy, "new")
	testkit.Eventually(t, "the new is printed", func() bool { return len(got.all()) >= 2 })
	stop()
	<-ended
	lines := got.all()
	slices.Sort(lines)
	if !slices.Equal(lines, []string{"db stdout first", "proxy stdout new"}) {
		t.Errorf("printed %q", lines)
	}
}

// A reader that goes away ends it.
func TestFollowEndsWithItsReader(t *testing.T) {
	server := enginetest.New(t)
	docker := server.Connect(t, engine.Options{})
	proxy := add(server, stack.Proxy, "")
	server.Log(proxy, "old")
	o := options()
	o.Follow, o.Warn = true, func(error) {}
	printed := 0
	gone := errors.New("gone")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := logs.Read(ctx, docker, o, func(logs.Line) error {
		if printed++; printed == 1 {
			server.Log(proxy, "new")
			return nil
		}
		return gone
	})
	if !errors.Is(err, gone) {
		t.Errorf("it ended with %v", err)
	}
}
