package place

import "regexp"

// inCompose is what an operator does by hand with compose, as the services word it, which do
// not know who has started them: with any services, and with a certain one.
var (
	inCompose = regexp.MustCompile(`docker compose (?:(up -d(?: --force-recreate)?|ps)(?: ` + services + `)*|(logs))\b`)
	inService = regexp.MustCompile(`docker compose (ps -aq|restart|exec(?: -T)?|run --rm) ` + services + `( psql| doctor)?\b`)
)

const services = `(db|convex|platform|proxy|rag|crawler)\b`

// Stack is one that tale has started.
type Stack struct {
	Development bool
	Container   func(service string) string // its name, "" where there is none
}

// Start returns the command that starts it, also with other settings.
func (s Stack) Start() string {
	if s.Development {
		return "tale start"
	}
	return "tale deploy"
}

// Logs returns the command that prints what its services have written.
func (s Stack) Logs() string {
	if s.Development {
		return "tale logs --dev"
	}
	return "tale logs"
}

// ByTale returns text of a service with commands of tale and the engine in place of compose's.
func (s Stack) ByTale(text string) string {
	text = inService.ReplaceAllStringFunc(text, func(found string) string {
		parts := inService.FindStringSubmatch(found)
		if by := s.inService(parts[1], parts[2], parts[3]); by != "" {
			return by
		}
		return found
	})
	return inCompose.ReplaceAllStringFunc(text, func(found string) string {
		parts := inCompose.FindStringSubmatch(found)
		switch {
		case parts[1] == "ps":
			return "tale status"
		case parts[1] != "":
			return s.Start()
		}
		return s.Logs()
	})
}

// inService returns what does the same as a command of compose in one service, with the word
// that follows it; "" for nothing. `tale doctor` is for production.
func (s Stack) inService(does, service, word string) string {
	if does == "run --rm" && service == "platform" && word == " doctor" && !s.Development {
		return "tale doctor"
	}
	name := s.Container(service)
	switch {
	case name == "":
		return ""
	case does == "ps -aq":
		return "docker ps -aq --filter name=^" + name + "$" + word
	case does == "restart":
		return "docker restart " + name + word
	case does == "run --rm":
		return "docker exec " + name + " " + program(service) + word
	case word == " psql":
		return "docker exec -it " + name + word
	}
	return "docker exec " + name + word
}
