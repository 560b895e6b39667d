package upstreams

import (
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile deserializes Caddyfile tokens into s.
//
//	dynamic probed <host:port> [<probe>] {
//		probe    <path>|:<port><path>
//		host     <host>
//		interval <duration>
//		timeout  <duration>
//		passes   <number>
//		timeouts <number>
//		hold     <duration>
//		start    <duration>
//		resolver <host:port>
//		setting  <name>
//	}
func (s *Source) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name of the source
	if !d.Args(&s.Upstream) {
		return d.ArgErr()
	}
	d.Args(&s.Probe)
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		option := d.Val()
		var value string
		if !d.AllArgs(&value) {
			return d.ArgErr()
		}
		if err := s.option(d, option, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Source) option(d *caddyfile.Dispenser, option, value string) error {
	texts := map[string]*string{"probe": &s.Probe, "fallback": &s.Fallback, "host": &s.Host, "resolver": &s.Resolver, "setting": &s.Setting}
	durations := map[string]*caddy.Duration{"interval": &s.Interval, "timeout": &s.Timeout, "hold": &s.Hold, "start": &s.Start}
	numbers := map[string]*int{"passes": &s.Passes, "timeouts": &s.Timeouts}
	if field := texts[option]; field != nil {
		*field = value
		return nil
	}
	if field := durations[option]; field != nil {
		duration, err := caddy.ParseDuration(value)
		if err != nil {
			return d.Errf("cannot use %s %q: want a duration like %v", option, value, 2*time.Second)
		}
		*field = caddy.Duration(duration)
		return nil
	}
	if field := numbers[option]; field != nil {
		number, err := strconv.Atoi(value)
		if err != nil {
			return d.Errf("cannot use %s %q: want a whole number", option, value)
		}
		*field = number
		return nil
	}
	return d.Errf("unrecognized option %q", option)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Source)(nil)
