package backend

import (
	"fmt"
	"io"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// StartAnswer is what is taken out of an answer to start_push. The answer goes
// back whole with finish_push, so it is looked through and never decoded; it holds
// every environment variable in clear text and must not be logged.
type StartAnswer struct {
	SchemaChange jsonscan.Span // what wait_for_schema wants
	Variables    jsonscan.Span // the environment variables as the push saw them
	Functions    int
	Modules      int
	Indexes      []AddedIndex
}

// AddedIndex is an index that the push adds.
type AddedIndex struct {
	Component string // path of the component; "" is the app
	Name      string // table.index
}

func (i AddedIndex) String() string {
	if i.Component == "" {
		return i.Name
	}
	return i.Component + ":" + i.Name
}

// ScanStartAnswer looks through an answer of any size.
func ScanStartAnswer(r io.Reader) (StartAnswer, error) {
	var a StartAnswer
	s := jsonscan.NewScanner(r)
	err := s.Object(func(key string) error {
		var err error
		switch key {
		case "environmentVariables":
			a.Variables, err = s.Skip()
		case "analysis":
			err = s.ObjectOrSkip(func(string) error { return a.definition(s) })
		case "schemaChange":
			if _, err = s.Peek(); err != nil {
				return err
			}
			a.SchemaChange.Start = s.Offset()
			err = s.ObjectOrSkip(func(key string) error { return a.change(s, key) })
			a.SchemaChange.End = s.Offset()
		default:
			_, err = s.Skip()
		}
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err == nil && a.SchemaChange.Length() == 0 {
		err = fmt.Errorf("the answer has no schemaChange")
	}
	return a, err
}

// definition counts the functions of one analysed definition:
// {functions: {module path: {functions: [...]}}}.
func (a *StartAnswer) definition(s *jsonscan.Scanner) error {
	return s.ObjectOrSkip(func(key string) error {
		if key != "functions" {
			_, err := s.Skip()
			return err
		}
		return s.ObjectOrSkip(func(string) error {
			a.Modules++
			return s.ObjectOrSkip(func(key string) error {
				if key != "functions" {
					_, err := s.Skip()
					return err
				}
				return s.ArrayOrSkip(func() error {
					a.Functions++
					_, err := s.Skip()
					return err
				})
			})
		})
	})
}

// change reads one field of schemaChange; of interest are
// {indexDiffs: {component path: {added_indexes: [{name}]}}}.
func (a *StartAnswer) change(s *jsonscan.Scanner, key string) error {
	if key != "indexDiffs" {
		_, err := s.Skip()
		return err
	}
	return s.ObjectOrSkip(func(component string) error {
		return s.ObjectOrSkip(func(key string) error {
			if key != "added_indexes" {
				_, err := s.Skip()
				return err
			}
			return s.ArrayOrSkip(func() error {
				index := AddedIndex{Component: component}
				err := s.ObjectOrSkip(func(key string) error {
					if key != "name" {
						_, err := s.Skip()
						return err
					}
					var err error
					index.Name, err = s.TextOrNull()
					return err
				})
				a.Indexes = append(a.Indexes, index)
				return err
			})
		})
	})
}
