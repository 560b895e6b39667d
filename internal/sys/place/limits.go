package place

// RaiseMemory returns how a service gets more memory, without a name this one.
func (p Place) RaiseMemory(service string) string {
	if service == "" {
		return "raise the container's memory limit" + p.words(" (mem_limit or deploy.resources.limits.memory in the compose file)", " (resources.limits.memory)", ", which its control group has")
	}
	return p.words("raise mem_limit of the "+service+" service in the compose file", "raise resources.limits.memory of "+service, "raise the memory limit of the control group of "+service)
}

// ProcessLimit returns what limits processes and threads.
func (p Place) ProcessLimit() string {
	return p.words("pids_limit in the compose file", "the kubelet's podPidsLimit", "ulimit -u")
}

// Limits returns what limits processes and open files.
func (p Place) Limits() string {
	return p.words("pids_limit and ulimits in the compose file", "the kubelet's podPidsLimit, the runtime's limits", "ulimit -u, ulimit -n")
}

// FileLimit returns what limits open files.
func (p Place) FileLimit() string {
	return p.words("ulimits: { nofile: 65536 } of this service in the compose file", "LimitNOFILE of the node's container runtime", "ulimit -n 65536")
}

// SizeLimit returns how the limit on the size of files is lifted.
func (p Place) SizeLimit() string {
	const raise = "ulimit -f unlimited where the container is started, or "
	return p.words(raise+"ulimits: { fsize: -1 } of this service in the compose file", raise+"LimitFSIZE of the node's container runtime", "ulimit -f unlimited where it is started")
}

// Load returns how to see what services take of processors and memory; of none: all.
func (p Place) Load(services ...string) string {
	kubernetes := p.kubectl + " top pods"
	if len(services) == 1 && workload(services[0]) == "" {
		kubernetes = "the load of Postgres"
	}
	return p.words("docker stats --no-stream", kubernetes, "top")
}

// DiskUse returns how to see what takes the host's disk.
func (p Place) DiskUse() string { return p.words("docker system df", "df -h", "df -h") }

// OutOfMemory returns how to see whether the kernel has killed a service for its memory.
func (p Place) OutOfMemory(service string) string {
	job := service
	if service == "platform" { // it is the push that needs much
		job = "push"
	}
	return p.words("docker inspect --format '{{.State.OOMKilled}}' $(docker compose ps -aq "+service+")",
		p.kubectl+" get pods -l app.kubernetes.io/name="+job+" -o jsonpath='{..terminated.reason}' (OOMKilled?)", "dmesg | grep -i 'out of memory'")
}

// FindKiller returns how to find what on the host sends signals.
func (p Place) FindKiller() string {
	return "find what on the host sends signals here " + p.words("(docker kill, kill, a watchdog, a security tool): dmesg, journalctl and docker events of that moment",
		"(an eviction, a watchdog, a security tool): "+p.kubectl+" get events, dmesg and journalctl of that moment",
		"(kill, a watchdog, a security tool): dmesg and journalctl of that moment")
}

// Frozen returns what may have stopped a server in the middle.
func (p Place) Frozen() string {
	return p.words("docker pause, a frozen host", "a frozen host", "a frozen host")
}
