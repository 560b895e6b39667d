// Package engine is the Docker engine as the tale command needs it: what runs of a
// project, images, pulls, events, logs, and the few changes that no compose file can
// say. It alone knows the engine's API (github.com/moby/moby/client, negotiated; 20.10
// and newer answer, 24 is what is supported) and how containers are made from a compose
// file (the plugin of the docker command). It decides nothing: what is to be changed is
// a plan of package rollout.
package engine
