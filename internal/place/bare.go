package place

import "strings"

func bare() words {
	return words{
		file:    "its environment",
		phrases: replacer(phrases(""), func(p phrase) string { return p.bare }),
		command: onMachine,
	}
}

// onMachine returns a command for docker compose as what to do where the services are plain
// processes.
func onMachine(verb, _ string, services []string) string {
	named := strings.Join(services, " and ")
	if named == "" {
		named = "it"
	}
	switch verb {
	case "up -d", "up -d --force-recreate", "restart":
		return "start " + named + " again"
	case "logs":
		return "the log of " + named
	case "ps":
		return "see whether " + named + " runs"
	case "exec": // the command follows
		return "run:"
	}
	return programs[services[0]]
}
