package place

import "strconv"

// Log returns how to read the log of a service.
func (p Place) Log(service string) string { return p.log("", service) }

// Tail returns how to read the last lines of it.
func (p Place) Tail(lines int, service string) string {
	return p.log(" --tail "+strconv.Itoa(lines), service)
}

func (p Place) log(options, service string) string {
	return p.words("docker compose logs"+options+" "+service, p.with("logs"+options, service, "", "the log of Postgres"), "the log of "+service)
}

// Logs returns how to read all logs.
func (p Place) Logs() string {
	return p.words("docker compose logs", p.kubectl+" logs --prefix --all-containers --tail=-1 -l app.kubernetes.io/part-of=tale", "the log of it")
}

// PostgresLog returns where what Postgres has said stands.
func (p Place) PostgresLog() string {
	const log = "Postgres' log"
	return p.words(log+": "+p.Tail(50, "db"), log, log)
}

// PushLog returns where what a push has said stands.
func (p Place) PushLog() string {
	const log = "the log of the push"
	return p.words(log+" (platform-entrypoint push)", log+": "+p.kubectl+" logs -l app.kubernetes.io/name=push --tail=-1", log+" (platform-entrypoint push)")
}

// PushAgain returns how a release is pushed whose push was followed by that of another one, or
// has failed.
func (p Place) PushAgain() string {
	const again = "run its push again (platform-entrypoint push)"
	return p.words(again, p.pushed(), again)
}

// State returns how to see which services run; of none: all.
func (p Place) State(services ...string) string {
	return p.words("docker compose ps"+listed(services), p.pods(services), "see whether "+joined(services)+" runs")
}

// Containers returns how to see all containers that are one service's, whoever started them.
func (p Place) Containers(service string) string {
	switch service {
	case "platform": // of which those deploy that push
		return p.words("docker ps --filter name=platform", p.kubectl+" get pods -l app.kubernetes.io/name=push", "pgrep -a platform")
	}
	return p.words("docker ps -a --filter name="+service, "kubectl get pods -A -l app.kubernetes.io/name="+service, "pgrep -a "+service)
}

// Restart returns how to restart a service.
func (p Place) Restart(service string) string {
	return p.words("docker compose restart "+service, p.with("rollout restart", service, "", "restart Postgres"), "start "+service+" again")
}

// Start returns how to start services, those that have other settings now anew; of none: all.
func (p Place) Start(services ...string) string {
	return p.words("docker compose up -d"+listed(services), p.applied(services), "start "+joined(services)+" again")
}

// Recreate returns how to start services anew, also if nothing of theirs has changed.
func (p Place) Recreate(services ...string) string {
	return p.words("docker compose up -d --force-recreate"+listed(services), p.anew(services), "start "+joined(services)+" again")
}

// Exec returns how to run a command where a service runs.
func (p Place) Exec(service, command string) string {
	return p.words("docker compose exec "+service+" "+command, p.with("exec", service, " -- "+command, "where Postgres is: "+command), "run: "+command)
}

// Run returns how to run a command of a service's program, whether or not it runs.
func (p Place) Run(service, command string) string {
	command = " " + command
	return p.words("docker compose run --rm "+service+command, p.with("exec", service, " -- "+program(service)+command, ""), program(service)+command)
}

// program returns that of a service's image.
func program(service string) string {
	if service == "proxy" {
		return service
	}
	return service + "-entrypoint"
}

// Self returns what this process runs in, "" for a machine, where services may share its addresses.
func (p Place) Self() string { return p.words("this container", "this pod", "") }
