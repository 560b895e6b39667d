package engine

import (
	"context"
	"slices"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

const (
	// labelLent has the project that a container is lent to.
	labelLent = "dev.tale.lent"
	// unstarted is after how long nobody is about to start a helper any more.
	unstarted = 10 * time.Minute
)

// Lend starts a container of an image that does nothing but be there, for commands to be
// run in. It ends with release, and with this process. The caller has the project's lock: what
// a killed run was lent and has not started is removed.
func (e *Engine) Lend(ctx context.Context, image, network, project string) (id string, release func(), err error) {
	made, err := e.create(ctx, "create a container of "+image, client.ContainerCreateOptions{
		Config: &container.Config{
			Image: image, Entrypoint: []string{"cat"}, Labels: map[string]string{LabelProject: project, labelLent: project},
			OpenStdin: true, StdinOnce: true, AttachStdin: true, Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: &container.HostConfig{
			AutoRemove: true, NetworkMode: container.NetworkMode(network), ExtraHosts: []string{ownHost},
		},
	})
	if err != nil {
		return "", nil, err
	}
	creating, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	err = e.sweep(creating, made, project)
	var attached client.ContainerAttachResult
	if err == nil {
		attached, err = e.api.ContainerAttach(creating, made, client.ContainerAttachOptions{Stream: true, Stdin: true})
	}
	if err == nil {
		err = e.Start(creating, made)
	}
	if err != nil {
		e.discard(ctx, made)
		return "", nil, e.failed(creating, "start a container of "+image, err)
	}
	return made, func() {
		attached.Close()
		e.discard(ctx, made)
	}, nil
}

// sweep removes what tales that were killed have created and not started, which does not remove
// itself: what the project was lent before this container, and helpers of whomever.
func (e *Engine) sweep(ctx context.Context, made, project string) error {
	all, err := e.Everything(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c Container) bool { return c.ID == made })
	for _, c := range all {
		lent := c.Labels[labelLent] == project && c.ID != made
		old := i >= 0 && all[i].Created.Sub(c.Created) > unstarted && IsHelper(c)
		if c.State.Status == "created" && (lent || old) {
			e.discard(ctx, c.ID)
		}
	}
	return nil
}
