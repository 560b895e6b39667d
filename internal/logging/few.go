package logging

import (
	"fmt"
	"strings"
)

// fewBytes is how long the names that stand for a list may be together.
const fewBytes = 120

// Few returns a list of any length as one line has room for: its first elements,
// and how many more there are.
func Few[T any](list []T) string {
	var text strings.Builder
	for i, element := range list {
		name := fmt.Sprint(element)
		if i > 0 && text.Len()+len(name) > fewBytes {
			fmt.Fprintf(&text, " and %d more", len(list)-i)
			break
		}
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(name)
	}
	return text.String()
}
