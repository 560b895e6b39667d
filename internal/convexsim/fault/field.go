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
	literal bool // a number or true in JSON
	set     func(*Fault, string) error
	get     func(*Fault) string // empty when unset
}

var fields = []field{
	textField("id", func(f *Fault) *string { return &f.ID }),
	textField("stage", func(f *Fault) *string { return &f.Stage }),
	intField("times", func(f *Fault) *int { return &f.Times }),
	intField("after", func(f *Fault) *int { return &f.After }),
	durationField("delay", func(f *Fault) *time.Duration { return &f.Delay }),
	intField("flood", func(f *Fault) *int { return &f.Flood }),
	boolField("hang", func(f *Fault) *bool { return &f.Hang }),
	exitField(),
	textField("signal", func(f *Fault) *string { return &f.Signal }),
	textField("drop", func(f *Fault) *string { return &f.Drop }),
	intField("status", func(f *Fault) *int { return &f.Status }),
	textField("code", func(f *Fault) *string { return &f.Code }),
	textField("message", func(f *Fault) *string { return &f.Message }),
	textField("body", func(f *Fault) *string { return &f.Body }),
	textField("version", func(f *Fault) *string { return &f.Version }),
	intField("indexes", func(f *Fault) *int { return &f.Indexes }),
	durationField("index-time", func(f *Fault) *time.Duration { return &f.IndexTime }),
	textField("schema-error", func(f *Fault) *string { return &f.SchemaError }),
	textField("table", func(f *Fault) *string { return &f.Table }),
	textField("component", func(f *Fault) *string { return &f.Component }),
	boolField("race", func(f *Fault) *bool { return &f.Race }),
}

// Keys returns the names of the parts of a fault.
func Keys() []string {
	keys := make([]string, 0, len(fields))
	for _, part := range fields[1:] {
		keys = append(keys, part.key)
	}
	return keys
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

func textField(key string, at func(*Fault) *string) field {
	return field{
		key: key,
		set: func(f *Fault, text string) error { *at(f) = text; return nil },
		get: func(f *Fault) string { return *at(f) },
	}
}

func intField(key string, at func(*Fault) *int) field {
	return field{
		key:     key,
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

func durationField(key string, at func(*Fault) *time.Duration) field {
	return field{
		key: key,
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
func boolField(key string, at func(*Fault) *bool) field {
	return field{
		key:     key,
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
func exitField() field {
	return field{
		key:     "exit",
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
