package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// section is a part of the document whose meaning only its stage knows.
type section struct {
	name  string
	value any
}

// Set puts what a stage found into the document, under the section's name.
func (d *Document) Set(name string, value any) {
	for i, s := range d.sections {
		if s.name == name {
			d.sections[i].value = value
			return
		}
	}
	d.sections = append(d.sections, section{name, value})
}

// Sections returns the names of the sections in the order in which they were set.
func (d Document) Sections() []string {
	var names []string
	for _, s := range d.sections {
		names = append(names, s.name)
	}
	return names
}

// Section returns the section of that name, or nil when there is none.
func Section[T any](d Document, name string) (*T, error) {
	i := slices.IndexFunc(d.sections, func(s section) bool { return s.name == name })
	if i < 0 {
		return nil, nil
	}
	if value, ok := d.sections[i].value.(T); ok {
		return &value, nil
	}
	data, err := json.Marshal(d.sections[i].value)
	if err != nil {
		return nil, err
	}
	var value T
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("cannot read the section %q of the boot report: %w", name, err)
	}
	return &value, nil
}

// plain is a Document without its methods.
type plain Document

// MarshalJSON writes the sections as members of the document.
func (d Document) MarshalJSON() ([]byte, error) {
	failure := struct {
		Failure *Failure `json:"failure,omitempty"`
	}{d.Failure}
	d.Failure = nil
	objects := []any{plain(d)}
	for _, s := range d.sections {
		objects = append(objects, map[string]any{s.name: s.value})
	}
	return Join(append(objects, failure)...)
}

// UnmarshalJSON keeps the members that it does not know as sections.
func (d *Document) UnmarshalJSON(data []byte) error {
	*d = Document{}
	if err := json.Unmarshal(data, (*plain)(d)); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil { // {
		return err
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		d.Set(name.(string), value)
	}
	d.Without(plain{})
	return nil
}

// Without drops the sections that are members of an object, which a document that
// extends this one has decoded by itself.
func (d *Document) Without(object any) {
	for _, field := range reflect.VisibleFields(reflect.TypeOf(object)) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		d.sections = slices.DeleteFunc(d.sections, func(s section) bool { return s.name == name })
	}
}

// Join writes several values, each a JSON object, as one.
func Join(objects ...any) ([]byte, error) {
	joined := []byte("{")
	for _, object := range objects {
		data, err := json.Marshal(object)
		if err != nil {
			return nil, err
		}
		if members := data[1 : len(data)-1]; len(members) > 0 {
			if len(joined) > 1 {
				joined = append(joined, ',')
			}
			joined = append(joined, members...)
		}
	}
	return append(joined, '}'), nil
}
