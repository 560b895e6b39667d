package push

import "github.com/tale-project/tale-runtime/internal/exit"

// Diagnose says what an observation means, why it happens and what to do.
func Diagnose(o Observation) Diagnosis {
	return Diagnosis{Cause: o.Summary(), Retry: RetryNo, Exit: exit.DeployRefused}
}
