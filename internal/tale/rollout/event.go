package rollout

import (
	"time"
)

// Kind is what an event says of its stage.
type Kind string

// Kinds of events.
const (
	Began    Kind = "began"
	Progress Kind = "progress"
	Waiting  Kind = "waiting" // what is waited for, now and then
	Noted    Kind = "note"
	Ended    Kind = "ended"
	Failed   Kind = "failed"
)

// Event is one thing that happened during a deploy. One line of JSON each, with --json.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"kind"`
	Stage   string    `json:"stage"`
	Service string    `json:"service,omitempty"` // with its colour
	Text    string    `json:"text,omitempty"`
	Seconds float64   `json:"seconds,omitempty"` // of what ended, or that were waited
	Current int64     `json:"current,omitempty"` // bytes
	Total   int64     `json:"total,omitempty"`
}

// remindEvery is how long a wait may be silent.
const remindEvery = 10 * time.Second

// teller gives events their stage and their time.
type teller struct {
	say   func(Event)
	stage string
	began time.Time
}

func (t *teller) begin(stage string) {
	t.stage, t.began = stage, time.Now()
	t.tell(Event{Kind: Began})
}

func (t *teller) end(text string) {
	t.tell(Event{Kind: Ended, Text: text, Seconds: time.Since(t.began).Seconds()})
}

func (t *teller) note(service, text string) {
	t.tell(Event{Kind: Noted, Service: service, Text: text})
}

func (t *teller) tell(e Event) {
	e.Time, e.Stage = time.Now(), t.stage
	t.say(e)
}

// reminder says what is waited for: as progress whatever is new, which is shown where a line
// can be written over, and once in remindEvery also as a wait, which is a line elsewhere.
type reminder struct {
	teller  *teller
	service string
	began   time.Time
	said    time.Time
	last    string
}

func (t *teller) reminder(service string) *reminder {
	return &reminder{teller: t, service: service, began: time.Now(), said: time.Now()}
}

func (r *reminder) progress(text string) {
	if text != r.last {
		r.last = text
		r.teller.tell(Event{Kind: Progress, Service: r.service, Text: text})
	}
	if time.Since(r.said) >= remindEvery {
		r.said = time.Now()
		r.teller.tell(Event{Kind: Waiting, Service: r.service, Text: text, Seconds: time.Since(r.began).Seconds()})
	}
}
