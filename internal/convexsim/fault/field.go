package fault

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/signame"
)

// field is a part of a fault as text.
type field struct {
	key     string
	about   string
	literal bool // a number or true in JSON
	set     func(*Fault, string) error
	get     func(*Fault) string // empty when unset
}

var fields = []field{
	textField("id", "", func(f *Fault) *string { return &f.ID }),
	textField("stage", "where it strikes, one of the stages", func(f *Fault) *string { return &f.Stage }),
	intField("times", "how often, a number; 0 or nothing: for ever", func(f *Fault) *int { return &f.Times }),
	intField("after", "how many requests pass before it, a number", func(f *Fault) *int { return &f.After }),
	durationField("delay", "wait first, a duration: 1.5s, 2m", func(f *Fault) *time.Duration { return &f.Delay }),
	intField("flood", "lines of noise in the log, a number", func(f *Fault) *int { return &f.Flood }),
	boolField("hang", "no answer until the client leaves: true", func(f *Fault) *bool { return &f.Hang }),
	exitField("end the process with this status, 0 to 255"),
	textField("signal", "end it by a signal: KILL, TERM", func(f *Fault) *string { return &f.Signal }),
	textField("drop", "cut the connection: request (nothing is done), headers (done, no answer), body (half an answer)", func(f *Fault) *string { return &f.Drop }),
	intField("status", "answer with this HTTP status, a number", func(f *Fault) *int { return &f.Status }),
	textField("code", "the backend's code in that answer: InternalServerError", func(f *Fault) *string { return &f.Code }),
	textField("message", "its words; on function, the function's own error", func(f *Fault) *string { return &f.Message }),
	textField("body", "the answer as a text instead of JSON", func(f *Fault) *string { return &f.Body }),
	textField("version", "what /version answers", func(f *Fault) *string { return &f.Version }),
	intField("indexes", "how many indexes the push builds, a number", func(f *Fault) *int { return &f.Indexes }),
	durationField("index-time", "how long each takes, a duration", func(f *Fault) *time.Duration { return &f.IndexTime }),
	textField("schema-error", "documents do not match the schema, in these words", func(f *Fault) *string { return &f.SchemaError }),
	textField("table", "the table of schema-error", func(f *Fault) *string { return &f.Table }),
	textField("component", "the component of schema-error", func(f *Fault) *string { return &f.Component }),
	boolField("race", "another push overwrote the schema: true", func(f *Fault) *bool { return &f.Race }),
}

// Keys returns the names of the parts of a fault.
func Keys() []string {
	keys := make([]string, 0, len(fields))
	for _, part := range fields[1:] {
		keys = append(keys, part.key)
	}
	return keys
}

// Help lists the parts with what each is for, a line each.
func Help() string {
	var text strings.Builder
	for _, part := range fields[1:] {
		fmt.Fprintf(&text, "  %-13s %s\n", part.key, part.about)
	}
	return text.String()
}

// Stages returns every stage.
func Stages() []string { return stages }

var stages = []string{
	StageStart, StageRunning, StageMigration, StageAny, StageVersion, StageName, StageCheckKey, StageEnvList, StageEnvUpdate,
	StageFunction, StageSync, StageHashes, StageEvalSchema, StageEvalPush, StageStartPush, StageWaitSchema,
	StageFinishPush, StageReport, StageUpload, StageDownload, StageHTTPAction, StageCallback,
	StageCanonicalURLs,
}

// Validate explains what the fault lacks, or has too much of.
func (f Fault) Validate() error {
	if !slices.Contains(stages, f.Stage) {
		return fmt.Errorf("a fault needs a stage, got %q; the stages are %s", f.Stage, strings.Join(stages, ", "))
	}
	if f.Drop != "" && f.Drop != DropRequest && f.Drop != DropHeaders && f.Drop != DropBody {
		return fmt.Errorf("drop=%s: the places are %s, %s, %s", f.Drop, DropRequest, DropHeaders, DropBody)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status=%d is not a status of a final answer", f.Status)
	}
	if f.Signal != "" {
		if _, err := signame.Parse(f.Signal); err != nil {
			return fmt.Errorf("signal=%s: %w", f.Signal, err)
		}
	}
	return nil
}

func textField(key, about string, at func(*Fault) *string) field {
	return field{
		key:   key,
		about: about,
		set:   func(f *Fault, text string) error { *at(f) = text; return nil },
		get:   func(f *Fault) string { return *at(f) },
	}
}

func intField(key, about string, at func(*Fault) *int) field {
	return field{
		key:     key,
		about:   about,
		literal: true,
		set: func(f *Fault, text string) (err error) {
			if *at(f), err = strconv.Atoi(text); err != nil || *at(f) < 0 {
				return errors.New("must be a whole number")
			}
			return nil
		},
		get: func(f *Fault) string {
			if *at(f) == 0 {
				return ""
			}
			return strconv.Itoa(*at(f))
		},
	}
}

func durationField(key, about string, at func(*Fault) *time.Duration) field {
	return field{
		key:   key,
		about: about,
		set: func(f *Fault, text string) (err error) {
			if *at(f), err = time.ParseDuration(text); err != nil || *at(f) < 0 {
				return errors.New("must be a duration such as 1.5s")
			}
			return nil
		},
		get: func(f *Fault) string {
			if *at(f) == 0 {
				return ""
			}
			return at(f).String()
		},
	}
}

// boolField also takes the key alone for true.
func boolField(key, about string, at func(*Fault) *bool) field {
	return field{
		key:     key,
		about:   about,
		literal: true,
		set: func(f *Fault, text string) (err error) {
			if text == "" {
				text = "true"
			}
			if *at(f), err = strconv.ParseBool(text); err != nil {
				return errors.New("must be true or false")
			}
			return nil
		},
		get: func(f *Fault) string {
			if !*at(f) {
				return ""
			}
			return "true"
		},
	}
}

// exitField returns a field of its own because 0 is a status to exit with.
func exitField(about string) field {
	return field{
		key:     "exit",
		about:   about,
		literal: true,
		set: func(f *Fault, text string) error {
			status, err := strconv.ParseUint(text, 10, 8)
			if err != nil {
				return errors.New("must be an exit status from 0 to 255")
			}
			code := int(status)
			f.Exit = &code
			return nil
		},
		get: func(f *Fault) string {
			if f.Exit == nil {
				return ""
			}
			return strconv.Itoa(*f.Exit)
		},
	}
}
