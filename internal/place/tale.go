package place

import "regexp"

// inCompose is what an operator does by hand with compose, as the services word it, which do
// not know who has started them: with any services, and with a certain one.
var (
	inCompose = regexp.MustCompile(`docker compose (?:(up -d(?: --force-recreate)?|ps)(?: ` + services + `)*|(logs)|run --rm platform (doctor))\b`)
	inService = regexp.MustCompile(`docker compose (ps -aq|restart|exec(?: -T)?) ` + services + `( psql)?`)
)

const services = `(db|convex|platform|proxy|rag|crawler)\b`

// ByTale returns text of a service with commands of tale and the engine in place of compose's.
// container returns the name of a service's container, "" where there is none.
func ByTale(text string, container func(service string) string) string {
	text = inService.ReplaceAllStringFunc(text, func(found string) string {
		parts := inService.FindStringSubmatch(found)
		name := container(parts[2])
		switch {
		case name == "":
			return found
		case parts[1] == "ps -aq":
			return "docker ps -aq --filter name=^" + name + "$" + parts[3]
		case parts[1] == "restart":
			return "docker restart " + name + parts[3]
		case parts[3] != "":
			return "docker exec -it " + name + parts[3]
		}
		return "docker exec " + name
	})
	return inCompose.ReplaceAllStringFunc(text, func(found string) string {
		parts := inCompose.FindStringSubmatch(found)
		switch {
		case parts[1] == "ps":
			return "tale status"
		case parts[1] != "":
			return "tale deploy"
		}
		return "tale " + parts[3] + parts[4]
	})
}
