package place

import "strings"

func bare() words {
	return words{
		file: "its environment",
		phrases: strings.NewReplacer(
			"docker inspect --format '{{.State.OOMKilled}}' $(docker compose ps -aq platform)", "dmesg | grep -i 'out of memory'",
			"docker ps -a --filter name=convex", "pgrep -a convex",
			"docker ps --filter name=platform", "pgrep -a platform",
			"docker stats --no-stream convex db", "top",
			"docker stats --no-stream convex", "top",
			"docker stats --no-stream db", "top",
			"docker stats --no-stream", "top",
			"docker stats", "top",
			"(docker kill, kill, a watchdog, a security tool): dmesg, journalctl and docker events of that moment", "(kill, a watchdog, a security tool): dmesg and journalctl of that moment",
			"docker system df", "df -h",
			"in .env or the compose file", "in its environment",
			"read the same .env", "read the same values",
			"inside the compose network the proxy needs the alias HOST; outside, a DNS record", "it needs a DNS record",
			"inside the compose network the proxy needs the name as an alias, like HOST; outside, a DNS record", "it needs a DNS record",
			" (inside the compose network: http://convex:3210)", "",
			"inside the compose network", "here",
			"mem_limit or deploy.resources.limits.memory in the compose file", "of its control group",
			"raise mem_limit of the platform service", "raise the memory limit of its control group",
			"raise mem_limit of the convex service in the compose file", "raise the memory limit of the control group of convex",
			"raise mem_limit of this service in the compose file", "raise the memory limit of its control group",
			"(user in the compose file)", "(User= of its unit)",
			"pids_limit and ulimits in the compose file", "ulimit -u, ulimit -n",
			"ulimits: { nofile: 65536 } of the service proxy in the compose file", "ulimit -n 65536 for the proxy",
			"pids_limit in compose", "ulimit -u",
			"ulimits, nofile in compose", "ulimit -n",
			"docker pause, a frozen host", "a frozen host",
		),
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
