package place

import "regexp"

// inCompose is what an operator does by hand with compose, as the services word it, which do
// not know who has started them.
var inCompose = regexp.MustCompile(`docker compose (up -d(?: --force-recreate)?|logs|ps -aq|ps|restart|exec(?: -T)?|run --rm platform doctor)((?: (?:db|convex|platform|proxy|rag|crawler)\b)*)( psql)?`)

// ByTale returns text of a service with commands of tale and the engine in place of compose's.
// container returns the name of a service's container, "" where there is none.
func ByTale(text string, container func(service string) string) string {
	return inCompose.ReplaceAllStringFunc(text, func(found string) string {
		parts := inCompose.FindStringSubmatch(found)
		verb, services, behind := parts[1], parts[2], parts[3]
		name := ""
		if services != "" {
			name = container(services[1:])
		}
		switch verb {
		case "up -d", "up -d --force-recreate":
			return "tale deploy" + behind
		case "logs":
			return "tale logs" + services + behind
		case "ps":
			return "tale status" + behind
		case "run --rm platform doctor":
			return "tale doctor" + behind
		}
		switch {
		case name == "":
			return found
		case verb == "ps -aq":
			return "docker ps -aq --filter name=^" + name + "$" + behind
		case verb == "restart":
			return "docker restart " + name + behind
		case behind != "":
			return "docker exec -it " + name + behind
		}
		return "docker exec " + name
	})
}
