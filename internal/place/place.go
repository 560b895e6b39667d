// Package place says what to do in the words of the place where the process runs. Messages
// are written for docker compose, which most use; Say turns their commands and files into
// those of Kubernetes, or of a machine without containers. It is no template language: what
// it cannot turn stays as it is, and a test looks for that in all messages.
package place

import (
	"os"
	"regexp"
	"strings"
)

// Say returns a text of ours about what to do, in the words of the place.
func Say(text string) string {
	switch {
	// Kubernetes gives it to every pod, also to those without service links.
	case os.Getenv("KUBERNETES_SERVICE_HOST") != "":
		return kubernetes(namespace("/etc/resolv.conf")).say(text)
	case exists("/.dockerenv"), exists("/run/.containerenv"):
		return text
	}
	return bare().say(text)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// words are how a place says what docker compose does.
type words struct {
	file    string // where settings are
	phrases *strings.Replacer
	command func(verb, options string, services []string) string
}

const services = `(?:convex|platform|proxy|db|rag|crawler)\b`

// command is one for docker compose, as far as it is about services: what runs in one of
// them, and what the output is piped into, follows.
var command = regexp.MustCompile(`docker compose (up -d --force-recreate|up -d|restart|logs|ps|exec|run --rm)((?: --?[a-z-]+(?: \d+)?)*)((?: ` + services + `)*)`)

var dotenv = regexp.MustCompile(`(^|[ (])\.env\b`)

func (w words) say(text string) string {
	text = dotenv.ReplaceAllString(w.phrases.Replace(text), "${1}"+w.file)
	return command.ReplaceAllStringFunc(text, func(one string) string {
		parts := command.FindStringSubmatch(one)
		named, rest := strings.Fields(parts[3]), ""
		if (parts[1] == "exec" || parts[1] == "run --rm") && len(named) > 1 { // a program, as in convex-entrypoint
			named, rest = named[:1], " "+strings.Join(named[1:], " ")
		}
		return w.command(parts[1], parts[2], named) + rest
	})
}
