package config

import (
	"fmt"
	"os"
	"strings"
)

// readSecret fills in the value of a secret that is in a file.
func readSecret(v Variable, path string, values Environ) Problems {
	if values[v.Name] != "" {
		return Problems{{Variable: v.Name, Wrong: "is set, and so is " + v.FileName(), Accepted: "one of the two"}}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("cannot be read: %v", ExplainUnreadable(path, err)), Accepted: "the path of a readable file that holds the value"}}
	}
	if mark := encodingMark(string(content)); mark != "" {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("names the file %s, which %s", path, mark), Accepted: "the value alone, in UTF-8 without a byte order mark"}}
	}
	value := SecretIn(content)
	if value == "" {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("names the file %s, which is empty", path), Accepted: "a file that holds the value"}}
	}
	values[v.Name] = value
	return nil
}

// SecretIn returns the secret that is in a file of this content: editors and `echo` end it
// with a line break that is not part of it.
func SecretIn(content []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
}

// encodingMark returns what the first bytes say about the encoding of a file where that
// would become a part of the value, "" for none: editors and shells of Windows write them.
func encodingMark(content string) string {
	switch {
	case strings.HasPrefix(content, "\xef\xbb\xbf"):
		return "begins with a byte order mark"
	case IsUTF16(content):
		return "is UTF-16"
	}
	return ""
}

// IsUTF16 reports whether a text begins as one in UTF-16 does.
func IsUTF16(text string) bool {
	return strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff")
}
