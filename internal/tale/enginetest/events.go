package enginetest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
)

type event struct {
	events.Message
	lost bool
}

// emit tells what has happened to a container. The lock is held.
func (s *Server) emit(b *box, action string, more map[string]string) {
	attributes := map[string]string{"name": b.Name[1:], "image": b.Config.Image}
	for _, from := range []map[string]string{b.Config.Labels, more} {
		for name, value := range from {
			attributes[name] = value
		}
	}
	now := time.Now()
	lost := s.lose[action] > 0
	if lost {
		s.lose[action]--
	}
	s.events = append(s.events, event{events.Message{
		Type: "container", Action: events.Action(action), Actor: events.Actor{ID: b.ID, Attributes: attributes}, Time: now.Unix(), TimeNano: now.UnixNano(),
	}, lost})
	s.notify()
}

func (s *Server) sendEvents(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush() // before it subscribes, as the engine does
	since, live := moment(r.URL.Query().Get("since"))
	s.mu.Lock()
	next := len(s.events)
	if live {
		next = 0
	}
	for {
		var messages []events.Message
		for _, e := range s.events[next:] {
			if !e.lost && matches(r, e.Actor.Attributes) && wanted(r, string(e.Action)) && e.TimeNano >= since.UnixNano() {
				messages = append(messages, e.Message)
			}
		}
		next = len(s.events)
		changed := s.changed
		s.mu.Unlock()
		for _, message := range messages {
			_ = json.NewEncoder(w).Encode(message)
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		s.mu.Lock()
	}
}

// wanted applies the filter of events; health_status stands for all of its kind.
func wanted(r *http.Request, action string) bool {
	var filters map[string]map[string]bool
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	kind, _, _ := strings.Cut(action, ":")
	return len(filters["event"]) == 0 || filters["event"][action] || filters["event"][kind]
}

// moment reads seconds.nanoseconds.
func moment(text string) (time.Time, bool) {
	if text == "" {
		return time.Unix(0, 0), false
	}
	whole, part, _ := strings.Cut(text, ".")
	seconds, _ := strconv.ParseInt(whole, 10, 64)
	nanos, _ := strconv.ParseInt(part, 10, 64)
	return time.Unix(seconds, nanos), true
}
