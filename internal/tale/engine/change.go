package engine

import (
	"context"
	"net/netip"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Start starts a container that is there.
func (e *Engine) Start(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
	return e.failed(ctx, "start the container "+id, err)
}

// Stop stops a container within its own grace period, or within grace if that is not 0,
// and returns when it has stopped.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	var seconds *int
	limit := grace
	if grace > 0 {
		whole := int((grace + time.Second - 1) / time.Second)
		seconds = &whole
	} else if c, err := e.Inspect(ctx, id); err != nil {
		return err
	} else if limit = c.StopTimeout; limit == 0 {
		limit = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit+changing)
	defer cancel()
	_, err := e.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: seconds})
	return e.failed(ctx, "stop the container "+id, err)
}

// Remove removes a container that has stopped, and never its volumes. One that is gone
// is no error.
func (e *Engine) Remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{})
	if IsNotFound(err) {
		return nil
	}
	return e.failed(ctx, "remove the container "+id, err)
}

// Disconnect takes a container out of a network, where it loses all its names. One that
// is not in it is no error.
func (e *Engine) Disconnect(ctx context.Context, net, id string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.NetworkDisconnect(ctx, net, client.NetworkDisconnectOptions{Container: id, Force: true})
	if err != nil && (IsNotFound(err) || hasAny(err.Error(), "is not connected to")) {
		return nil
	}
	return e.failed(ctx, "take the container "+id+" out of the network "+net, err)
}

// Join puts a container into a network, under some names besides its own.
func (e *Engine) Join(ctx context.Context, net, id string, aliases ...string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.NetworkConnect(ctx, net, client.NetworkConnectOptions{Container: id, EndpointConfig: &network.EndpointSettings{Aliases: aliases}})
	return e.failed(ctx, "put the container "+id+" into the network "+net, err)
}

// Volumes returns all volumes of the engine.
func (e *Engine) Volumes(ctx context.Context) ([]Volume, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := e.api.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		return nil, e.failed(ctx, "list volumes", err)
	}
	volumes := make([]Volume, 0, len(list.Items))
	for _, v := range list.Items {
		volumes = append(volumes, Volume{Name: v.Name, Driver: v.Driver, Labels: v.Labels})
	}
	return volumes, nil
}

// CreateVolume makes a local volume; one of that name that is there stays as it is.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.VolumeCreate(ctx, client.VolumeCreateOptions{Name: name, Labels: labels})
	return e.failed(ctx, "create the volume "+name, err)
}

// RemoveVolume removes a volume and its data.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.VolumeRemove(ctx, name, client.VolumeRemoveOptions{})
	if IsNotFound(err) {
		return nil
	}
	return e.failed(ctx, "remove the volume "+name, err)
}

// Networks returns all networks of the engine. How many containers are in one is known
// to Network alone.
func (e *Engine) Networks(ctx context.Context) ([]Network, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := e.api.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return nil, e.failed(ctx, "list networks", err)
	}
	networks := make([]Network, 0, len(list.Items))
	for _, n := range list.Items {
		networks = append(networks, Network{ID: n.ID, Name: n.Name, Labels: n.Labels})
	}
	return networks, nil
}

// Network looks into one network; ok is false if it is not there.
func (e *Engine) Network(ctx context.Context, name string) (found Network, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer, err := e.api.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	if IsNotFound(err) {
		return Network{}, false, nil
	}
	if err != nil {
		return Network{}, false, e.failed(ctx, "look into the network "+name, err)
	}
	n := answer.Network
	return Network{ID: n.ID, Name: n.Name, Labels: n.Labels, Containers: len(n.Containers)}, true, nil
}

// CreateNetwork makes a bridge; one of that name that is there stays as it is.
func (e *Engine) CreateNetwork(ctx context.Context, name string, labels map[string]string) error {
	if _, found, err := e.Network(ctx, name); found || err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.NetworkCreate(ctx, name, client.NetworkCreateOptions{Driver: "bridge", Labels: labels})
	return e.failed(ctx, "create the network "+name, err)
}

// RemoveNetwork removes a network that nothing uses.
func (e *Engine) RemoveNetwork(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, changing)
	defer cancel()
	_, err := e.api.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
	if IsNotFound(err) {
		return nil
	}
	return e.failed(ctx, "remove the network "+name, err)
}

// hostOf writes an address of a published port; all addresses are "".
func hostOf(address netip.Addr) string {
	if !address.IsValid() || address.IsUnspecified() {
		return ""
	}
	return address.String()
}
