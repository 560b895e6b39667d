package push

import (
	"fmt"
	"io"
)

// startAnswer is what is taken out of an answer to start_push. The answer goes
// back whole with finish_push, so it is looked through and never decoded; it holds
// every environment variable in clear text and must not be logged.
type startAnswer struct {
	schemaChange span // what wait_for_schema wants
	variables    span // the environment variables as the push saw them
	functions    int
	modules      int
	indexes      []newIndex
}

// newIndex is an index that the push adds.
type newIndex struct {
	component string // path of the component; "" is the app
	name      string // table.index
}

func (i newIndex) String() string {
	if i.component == "" {
		return i.name
	}
	return i.component + ":" + i.name
}

// scanStartAnswer looks through an answer of any size.
func scanStartAnswer(r io.Reader) (startAnswer, error) {
	var a startAnswer
	s := newJSONScanner(r)
	err := s.object(func(key string) error {
		var err error
		switch key {
		case "environmentVariables":
			a.variables, err = s.skip()
		case "analysis":
			err = s.objectOrSkip(func(string) error { return a.definition(s) })
		case "schemaChange":
			if _, err = s.peek(); err != nil {
				return err
			}
			a.schemaChange.Start = s.offset()
			err = s.objectOrSkip(func(key string) error { return a.change(s, key) })
			a.schemaChange.End = s.offset()
		default:
			_, err = s.skip()
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && a.schemaChange.length() == 0 {
		err = fmt.Errorf("the answer has no schemaChange")
	}
	return a, err
}

// definition counts the functions of one analysed definition:
// {functions: {module path: {functions: [...]}}}.
func (a *startAnswer) definition(s *jsonScanner) error {
	return s.objectOrSkip(func(key string) error {
		if key != "functions" {
			_, err := s.skip()
			return err
		}
		return s.objectOrSkip(func(string) error {
			a.modules++
			return s.objectOrSkip(func(key string) error {
				if key != "functions" {
					_, err := s.skip()
					return err
				}
				return s.arrayOrSkip(func() error {
					a.functions++
					_, err := s.skip()
					return err
				})
			})
		})
	})
}

// change reads one field of schemaChange; of interest are
// {indexDiffs: {component path: {added_indexes: [{name}]}}}.
func (a *startAnswer) change(s *jsonScanner, key string) error {
	if key != "indexDiffs" {
		_, err := s.skip()
		return err
	}
	return s.objectOrSkip(func(component string) error {
		return s.objectOrSkip(func(key string) error {
			if key != "added_indexes" {
				_, err := s.skip()
				return err
			}
			return s.arrayOrSkip(func() error {
				index := newIndex{component: component}
				err := s.objectOrSkip(func(key string) error {
					if key != "name" {
						_, err := s.skip()
						return err
					}
					var err error
					index.name, err = s.textOrNull()
					return err
				})
				a.indexes = append(a.indexes, index)
				return err
			})
		})
	})
}
