package convexsim

import (
	"encoding/json"
	"fmt"
)

// walkObject calls field for each key of the object that comes next; field reads
// the value. A push is read this way, so that one module at a time is in memory.
func walkObject(decoder *json.Decoder, field func(key string) error) error {
	if err := expect(decoder, '{', "an object"); err != nil {
		return err
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		if err := field(token.(string)); err != nil { // a key is always a string
			return err
		}
	}
	_, err := decoder.Token()
	return err
}

// walkArray calls element for each element of the array that comes next; element
// reads it.
func walkArray(decoder *json.Decoder, element func() error) error {
	if err := expect(decoder, '[', "an array"); err != nil {
		return err
	}
	for decoder.More() {
		if err := element(); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return err
}

func expect(decoder *json.Decoder, delimiter json.Delim, what string) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token != delimiter {
		return fmt.Errorf("invalid type: expected %s at byte %d", what, decoder.InputOffset())
	}
	return nil
}

// skipValue reads a value that nobody needs.
func skipValue(decoder *json.Decoder) error {
	var ignored json.RawMessage
	return decoder.Decode(&ignored)
}
