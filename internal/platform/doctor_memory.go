package platform

import (
	"context"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// idleBackend is what the backend and its dashboard take before any function
// runs, in bytes. It is a judgement: theirs grows with the tables and indexes.
const idleBackend = 512 << 20

// backendMemory asks the status port of the convex container, whose limit cannot
// be seen from this one.
func (s *session) backendMemory() doctor.Check {
	return doctor.Check{
		Name: "memory of the backend", Needs: []string{backendName}, Run: s.checkBackendMemory,
		Fix: place.Here().RaiseMemory("convex") + ", or lower ISOLATE_MAX_USER_HEAP_SIZE and APPLICATION_MAX_CONCURRENT_* in " + place.Here().Settings(),
	}
}

func (s *session) checkBackendMemory(ctx context.Context) (string, error) {
	document, address, err := s.convexStatus(ctx)
	switch {
	case err != nil:
		return "", doctor.Skipped(err.Error())
	case document.Service != "convex" || document.Memory == nil:
		return "", doctor.Skipped(fmt.Sprintf("the status at %s does not tell the memory of convex", address))
	}
	return judgeBackendMemory(*document.Memory)
}

// judgeBackendMemory wants room for one function that fills its heap. All that may
// run at a time would need more than any machine has, and never fill it together.
func judgeBackendMemory(m status.Memory) (string, error) {
	limit := "no limit"
	if m.Limit > 0 {
		limit = fmt.Sprintf("%d MiB", m.Limit>>20)
	}
	text := fmt.Sprintf("%s; a function may take %d MiB", limit, m.Function>>20)
	switch {
	case m.Kills > 0:
		return "", doctor.Warning(fmt.Errorf("the kernel counts %d out-of-memory kills in convex; it has %s", m.Kills, text))
	case m.Limit > 0 && m.Limit < idleBackend+m.Function:
		return "", doctor.Warning(fmt.Errorf("%s, and the backend about %d MiB by itself", text, idleBackend>>20))
	}
	return text, nil
}
