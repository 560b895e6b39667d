package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"golang.org/x/net/idna"
)

var (
	hostForm    = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`)
	numberLabel = regexp.MustCompile(`(^|\.)([0-9]+|0[xX][0-9a-fA-F]*)$`)
)

// maxHost is the length of the longest name that DNS has (RFC 1035, section 2.3.4).
const maxHost = 253

// CheckHost reports a name that is no host, or not in the one spelling that
// browsers send and servers compare: an address of IPv6 (without brackets) is
// short and has no zone, an international name is in its xn-- form. Names are not
// converted: other programs read the same setting as it is.
func CheckHost(variable, host string) Problems {
	wrong, accepted := hostFault(host)
	if wrong == "" {
		return nil
	}
	return Problems{{Variable: variable, Wrong: wrong, Accepted: accepted}}
}

func hostFault(host string) (wrong, accepted string) {
	const accept = "a host name or an IP address, without scheme and port"
	if address, err := netip.ParseAddr(host); err == nil {
		short := address.Unmap().WithZone("").String()
		switch {
		case address.Zone() != "":
			return fmt.Sprintf("has the address %s with a zone, which other machines do not have", host), "an address without a zone, or a name"
		case short != strings.ToLower(host):
			return fmt.Sprintf("has the address %s in a form that browsers do not send", host), short
		}
		return "", ""
	}
	if name, err := idna.Lookup.ToASCII(host); err == nil && name != strings.ToLower(host) {
		return fmt.Sprintf("has the international name %s, which browsers send in another form", host), name
	}
	if len(host) > maxHost || !hostForm.MatchString(host) || numberLabel.MatchString(host) {
		return fmt.Sprintf("has %q, which is not a host name", host), accept
	}
	return "", ""
}
