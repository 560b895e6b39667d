package place

// Settings returns where settings stand.
func (p Place) Settings() string {
	return p.words(".env", "the ConfigMap, the Secret or the chart's settings", "its environment")
}

// Files returns where settings stand, and what a service may have besides.
func (p Place) Files() string {
	return p.words(".env or the compose file", "the ConfigMap, the Secret or the chart's settings", "its environment")
}

// Values returns what services have in common that have the same settings.
func (p Place) Values() string { return p.words(".env", "values", "values") }

// Set returns how to give services a setting, such as "A=1".
func (p Place) Set(setting string, services ...string) string {
	return setting + " in " + p.Settings() + ", then " + p.Start(services...)
}

// Version returns where it stands which release runs.
func (p Place) Version() string {
	return p.words("TALE_VERSION in .env", "newTag of the kustomization, images.tag of the chart", "the version")
}

// Name returns what makes a name of the site known. How says that it is one more, or "".
func (p Place) Name(alias string) string {
	return p.words("inside the compose network the proxy needs "+alias+"; outside, a DNS record", "it needs a DNS record that pods can resolve", "it needs a DNS record")
}

// NameServers returns which ones a service asks, and what may be wrong with them.
func (p Place) NameServers() string {
	const file = "/etc/resolv.conf"
	return p.words(file+"; in compose it is 127.0.0.11, of the engine: is the container in a network? "+p.Recreate(), file+"; those of the cluster: kubectl -n kube-system get pods", file)
}

// BackendURL returns the URL of the backend, in brackets, where that is known.
func (p Place) BackendURL() string {
	const url = "http://convex:3210)"
	return p.words(" (inside the compose network: "+url, " (inside the namespace: "+url, "")
}

// User returns where the user of a service is chosen.
func (p Place) User() string {
	return p.words("user in the compose file", "runAsUser in its securityContext", "User= of its unit")
}
