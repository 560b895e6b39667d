package convex

import (
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// healPause is how long a restart that was to help is not repeated.
const healPause = time.Hour

// heal has the backend started again when its executor of "use node" functions has lost
// a module: it answers, and every call of that module fails until then.
func (w *backendWatch) heal(line string) {
	module := backend.LostModule(line)
	if module == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case !w.began.After(w.healed): // by the process that is being stopped
	case now.Sub(w.healed) >= healPause:
		w.healed, w.incurable = now, false
		select {
		case w.replace <- fmt.Errorf("its executor of \"use node\" functions does not find the module %s any more, and will not until the backend is started again", module):
		default: // it has been asked already
		}
	case !w.incurable:
		w.incurable = true
		w.boot.log.Warn("a restart did not give the backend its module back", "module", module, "fix", "push the functions again: "+place.Here().Set("CONVEX_FORCE_PUSH=true", "platform"))
	}
}
