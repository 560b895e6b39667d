package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// CheckOneOf reports a value that is none of the allowed ones.
func CheckOneOf(variable, value string, allowed ...string) Problems {
	if slices.Contains(allowed, value) {
		return nil
	}
	return Problems{{Variable: variable, Wrong: fmt.Sprintf("%q is unknown", value), Accepted: strings.Join(allowed, ", ")}}
}

// CheckPort reports a number that is not a TCP port.
func CheckPort(variable string, port int) Problems {
	if port >= 1 && port <= 65535 {
		return nil
	}
	return Problems{{Variable: variable, Wrong: fmt.Sprintf("%d is out of range", port), Accepted: "a port from 1 to 65535"}}
}

// CheckHTTPURL reports a value that is not an absolute http or https URL with
// a host. The value is not shown when it carries a password.
func CheckHTTPURL(variable, value string) Problems {
	const accepted = "an absolute URL such as https://example.com"
	u, err := url.Parse(value)
	if err != nil && strings.Count(value, ":") > 2 && !strings.Contains(value, "[") {
		return Problems{{Variable: variable, Wrong: "is not a URL", Accepted: accepted + "; an address of IPv6 goes in brackets, http://[::1]:8080"}}
	}
	if err != nil {
		return Problems{{Variable: variable, Wrong: "is not a URL", Accepted: accepted}}
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return Problems{{Variable: variable, Wrong: fmt.Sprintf("%q is not an absolute http or https URL", u.Redacted()), Accepted: accepted}}
	}
	if wrong, host := hostFault(u.Hostname()); wrong != "" {
		return Problems{{Variable: variable, Wrong: wrong, Accepted: accepted + "; here with the host: " + host}}
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return Problems{{Variable: variable, Wrong: fmt.Sprintf("%q has no valid port", u.Redacted()), Accepted: accepted}}
		}
	}
	return nil
}

// CheckListenAddress reports a value that is not host:port, :port or empty.
func CheckListenAddress(variable, value string) Problems {
	if value == "" {
		return nil
	}
	const accepted = "host:port or :port; empty turns it off"
	_, port, err := net.SplitHostPort(value)
	if err != nil {
		return Problems{{Variable: variable, Wrong: fmt.Sprintf("%q is not a listen address", value), Accepted: accepted}}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return Problems{{Variable: variable, Wrong: fmt.Sprintf("%q has no valid port", value), Accepted: accepted}}
	}
	return nil
}
