package engine

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// Start starts a container that is there.
func (e *Engine) Start(ctx context.Context, id string) error {
	_, err := about(ctx, e, changing, "start the container", e.api.ContainerStart, id, client.ContainerStartOptions{})
	return err
}

// Stop stops a container within its own grace period, or within grace if that is not 0,
// and returns when it has stopped. One that is gone is no error.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	var seconds *int
	limit := grace
	if grace > 0 {
		whole := int((grace + time.Second - 1) / time.Second)
		seconds = &whole
	} else if c, err := e.Inspect(ctx, id); err != nil {
		return unlessGone(err)
	} else if limit = c.StopTimeout; limit == 0 {
		limit = 10 * time.Second
	}
	_, err := about(ctx, e, limit+changing, "stop the container", e.api.ContainerStop, id, client.ContainerStopOptions{Timeout: seconds})
	return unlessGone(err)
}

// Remove removes a container that has stopped, and never its volumes. One that is gone
// is no error, and one that the engine is removing itself is waited for.
func (e *Engine) Remove(ctx context.Context, id string) error {
	return e.remove(ctx, changing, id, client.ContainerRemoveOptions{})
}

func (e *Engine) remove(ctx context.Context, limit time.Duration, id string, o client.ContainerRemoveOptions) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		_, err := about(ctx, e, limit, "remove the container", e.api.ContainerRemove, id, o)
		if !IsConflict(err) || !hasAny(err.Error(), "already in progress") || !pause.For(ctx, 20*time.Millisecond) {
			return unlessGone(err)
		}
	}
}

// Rename gives a container another name. One that is gone, or has the name already, is no
// error.
func (e *Engine) Rename(ctx context.Context, id, name string) error {
	if c, err := e.Inspect(ctx, id); err != nil || c.Name == name {
		return unlessGone(err)
	}
	_, err := about(ctx, e, changing, "rename the container", e.api.ContainerRename, id, client.ContainerRenameOptions{NewName: name})
	return unlessGone(err)
}

// Disconnect takes a container out of a network, where it loses all its names. One that
// is not in it is no error.
func (e *Engine) Disconnect(ctx context.Context, net, id string) error {
	_, err := about(ctx, e, changing, "take the container "+id+" out of the network", e.api.NetworkDisconnect, net, client.NetworkDisconnectOptions{Container: id, Force: true})
	if err != nil && hasAny(err.Error(), "is not connected to") {
		return nil
	}
	return unlessGone(err)
}

// Join puts a container into a network, under some names besides its own.
func (e *Engine) Join(ctx context.Context, net, id string, aliases ...string) error {
	_, err := about(ctx, e, changing, "put the container "+id+" into the network", e.api.NetworkConnect, net, client.NetworkConnectOptions{Container: id, EndpointConfig: &network.EndpointSettings{Aliases: aliases}})
	return err
}

// Volumes returns all volumes of the engine.
func (e *Engine) Volumes(ctx context.Context) ([]Volume, error) {
	list, err := ask(ctx, e, patience, "list volumes", e.api.VolumeList, client.VolumeListOptions{})
	volumes := make([]Volume, 0, len(list.Items))
	for _, v := range list.Items {
		volumes = append(volumes, volumeOf(v))
	}
	return volumes, err
}

func volumeOf(v volume.Volume) Volume {
	return Volume{Name: v.Name, Elsewhere: v.Driver != "local" || len(v.Options) > 0, Labels: v.Labels, Mountpoint: v.Mountpoint}
}

// LocalVolume returns a volume of the engine's own driver. Those of plugins are not asked, each
// of which an engine waits for where it is away.
func (e *Engine) LocalVolume(ctx context.Context, name string) (found Volume, ok bool, err error) {
	filters := client.Filters{}.Add("driver", "local").Add("name", name)
	list, err := ask(ctx, e, patience, "list volumes", e.api.VolumeList, client.VolumeListOptions{Filters: filters})
	for _, v := range list.Items { // of which it is a part of the name, too
		if v.Name == name {
			return volumeOf(v), true, err
		}
	}
	return Volume{}, false, err
}

// Volume looks into one volume; ok is false if it is not there. One whose driver does not
// answer is an error, though the engine says of it, too, that something is not found.
func (e *Engine) Volume(ctx context.Context, name string) (found Volume, ok bool, err error) {
	answer, err := about(ctx, e, patience, "look into the volume", e.api.VolumeInspect, name, client.VolumeInspectOptions{})
	if err == nil {
		return volumeOf(answer.Volume), true, nil
	}
	switch {
	case driverAway(err.Error()):
	case IsNotFound(err) && hasAny(strings.ToLower(err.Error()), "no such volume"):
		err = nil
	case IsNotFound(err):
		err = exit.Errorf(exit.Unavailable, "%w; is the plugin of its driver there? `docker plugin ls` says", err)
	}
	return Volume{}, false, err
}

// CreateVolume makes a local volume; one of that name that is there stays as it is.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	_, err := ask(ctx, e, changing, "create the volume "+name, e.api.VolumeCreate, client.VolumeCreateOptions{Name: name, Labels: labels})
	return err
}

// RemoveVolume removes a volume and its data. One that is gone is no error.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	_, err := about(ctx, e, changing, "remove the volume", e.api.VolumeRemove, name, client.VolumeRemoveOptions{})
	return unlessGone(err)
}

// Networks returns all networks of the engine. How many containers are in one is known
// to Network alone.
func (e *Engine) Networks(ctx context.Context) ([]Network, error) {
	list, err := ask(ctx, e, patience, "list networks", e.api.NetworkList, client.NetworkListOptions{})
	networks := make([]Network, 0, len(list.Items))
	for _, n := range list.Items {
		networks = append(networks, Network{ID: n.ID, Name: n.Name, Labels: n.Labels})
	}
	return networks, err
}

// Network looks into one network; ok is false if it is not there.
func (e *Engine) Network(ctx context.Context, name string) (found Network, ok bool, err error) {
	answer, err := about(ctx, e, patience, "look into the network", e.api.NetworkInspect, name, client.NetworkInspectOptions{})
	if err != nil {
		return Network{}, false, unlessGone(err)
	}
	n := answer.Network
	return Network{ID: n.ID, Name: n.Name, Labels: n.Labels, Containers: len(n.Containers), Internal: n.Internal}, true, nil
}

// CreateNetwork makes a bridge; one of that name that is there stays as it is.
func (e *Engine) CreateNetwork(ctx context.Context, name string, labels map[string]string) error {
	if _, found, err := e.Network(ctx, name); found || err != nil {
		return err
	}
	_, err := about(ctx, e, changing, "create the network", e.api.NetworkCreate, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
	return err
}

// RemoveNetwork removes a network that nothing uses. One that is gone is no error.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	_, err := about(ctx, e, changing, "remove the network", e.api.NetworkRemove, name, client.NetworkRemoveOptions{})
	return unlessGone(err)
}

func unlessGone(err error) error {
	if IsNotFound(err) {
		return nil
	}
	return err
}

// hostOf writes an address of a published port; all addresses are "".
func hostOf(address netip.Addr) string {
	if !address.IsValid() || address.IsUnspecified() {
		return ""
	}
	return address.String()
}
