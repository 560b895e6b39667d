package privilege

import (
	"fmt"
	"strings"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

// capability is one of the kernel's root privileges, by its number.
type capability uint

var capabilityNames = map[capability]string{
	capChown: "CHOWN", capDACOverride: "DAC_OVERRIDE", capSetGID: "SETGID", capSetUID: "SETUID",
}

// capabilities is a set of them, as a bit mask.
type capabilities uint64

// effectiveCapabilities returns those this process has.
func effectiveCapabilities() (capabilities, error) {
	mask, err := procfs.StatusMask("/proc/thread-self/status", "CapEff:")
	if err != nil {
		return 0, fmt.Errorf("cannot read our capabilities: %w", err)
	}
	return capabilities(mask), nil
}

func (c capabilities) has(which capability) bool { return c&(1<<which) != 0 }

// missing names the wanted capabilities that are not in the set.
func (c capabilities) missing(wanted ...capability) []string {
	var names []string
	for _, which := range wanted {
		if !c.has(which) {
			names = append(names, capabilityNames[which])
		}
	}
	return names
}

// adviseCapabilities says how a container gets the named capabilities, or how
// it can do without.
func adviseCapabilities(names []string, instead string) string {
	plural, verb := "y", "is"
	if len(names) > 1 {
		plural, verb = "ies", "are"
	}
	return fmt.Sprintf("the capabilit%s CAP_%s %s missing: add cap_add: [%s] to the container, or %s",
		plural, strings.Join(names, " and CAP_"), verb, strings.Join(names, ", "), instead)
}
