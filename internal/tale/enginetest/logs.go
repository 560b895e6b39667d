package enginetest

import (
	"cmp"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

type logged struct {
	at     time.Time
	stderr bool
	text   string
}

// Log lets a container write a line.
func (s *Server) Log(name, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, err := s.find(name); err == nil {
		s.write(b, line)
	}
}

func (s *Server) write(b *box, line string) {
	text, stderr := strings.CutPrefix(line, "!")
	b.log = append(b.log, logged{time.Now().UTC(), stderr, text})
	s.notify()
}

func (s *Server) sendLog(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	if err != nil {
		s.mu.Unlock()
		fail(w, err)
		return
	}
	if cmp.Or(b.HostConfig.LogConfig.Type, s.Logging) == "none" {
		s.mu.Unlock()
		fail(w, problem{http.StatusNotImplemented, "configured logging driver does not support reading"})
		return
	}
	follow := query.Get("follow") != ""
	since, _ := moment(query.Get("since"))
	from := 0
	if tail, err := strconv.Atoi(query.Get("tail")); err == nil {
		from = max(0, len(b.log)-tail)
	}
	for {
		lines := slices.Clone(b.log[from:])
		from = len(b.log)
		changed, running := s.changed, b.State.Running && slices.Contains(s.containers, b)
		s.mu.Unlock()
		for _, line := range lines {
			if !line.at.Before(since) {
				sendLine(w, line, b.Config.Tty)
			}
		}
		_ = http.NewResponseController(w).Flush()
		if !follow || !running {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
	}
}

// longestMessage is where the engine cuts a line into several messages.
const longestMessage = 16 << 10

func sendLine(w io.Writer, line logged, terminal bool) {
	text := []byte(line.text + "\n")
	for len(text) > 0 {
		part := text[:min(len(text), longestMessage)]
		text = text[len(part):]
		message := append([]byte(line.at.Format("2006-01-02T15:04:05.000000000Z07:00")+" "), part...)
		if terminal {
			_, _ = w.Write(message)
			continue
		}
		kind := byte(1)
		if line.stderr {
			kind = 2
		}
		_, _ = w.Write(frame(kind, message))
	}
}
