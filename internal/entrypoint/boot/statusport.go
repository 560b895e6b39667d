package boot

import (
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

func (b *Lifecycle) openStatusPort() (err error) {
	address := b.options.Settings.StatusAddr
	if address == "" {
		return nil
	}
	b.port, err = health.Listen(b.log, address, health.Endpoints{
		Ready: &b.ready, Started: &b.started, Status: func() any { return b.status() }, Metrics: b.metrics.handler(),
		Service: b.options.Service, Version: b.options.Version, Colour: b.options.Colour,
	})
	if err != nil && b.options.Job != "" {
		b.log.Debug("no status port beside the service's own", "error", err)
		return nil
	}
	return err
}

func (b *Lifecycle) status() status.Document {
	ready, reason := b.ready.State()
	document := status.Document{Document: b.Report(), Live: status.Live{Ready: ready, Reason: reason}}
	if b.options.Describe != nil {
		b.options.Describe(&document)
	}
	return document
}

// Children describes a supervisor's services for the status.
func Children(services []supervise.Snapshot) []status.Child {
	var children []status.Child
	for _, s := range services {
		children = append(children, status.Child{
			Name: s.Name, State: s.State.String(), Since: s.Since, Pid: s.Pid, Started: s.Started,
			Restarts: s.Restarts, LastExit: s.LastExit, RSS: s.RSS,
		})
	}
	return children
}
