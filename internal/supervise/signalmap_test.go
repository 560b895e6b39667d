package supervise

import (
	"maps"
	"strings"
	"syscall"
	"testing"
)

func TestParseSignalMap(t *testing.T) {
	tests := map[string]struct {
		rules []string
		want  SignalMap
		err   string
	}{
		"none":          {nil, SignalMap{}, ""},
		"names":         {[]string{"TERM=INT", "SIGHUP=sigquit"}, SignalMap{15: 2, 1: 3}, ""},
		"numbers":       {[]string{"15=2", "1=64"}, SignalMap{15: 2, 1: 64}, ""},
		"ignored":       {[]string{"WINCH=0"}, SignalMap{28: 0}, ""},
		"last wins":     {[]string{"TERM=INT", "15=3"}, SignalMap{15: 3}, ""},
		"no target":     {[]string{"TERM"}, nil, `signal rule "TERM" is not of the form FROM=TO`},
		"unknown":       {[]string{"TERM=FOO"}, nil, `unknown signal "FOO"`},
		"empty":         {[]string{"=INT"}, nil, `unknown signal ""`},
		"zero received": {[]string{"0=INT"}, nil, "from 1 to 64, not 0"},
		"too high":      {[]string{"1=65"}, nil, "from 1 to 64, not 65"},
		"negative":      {[]string{"-1=2"}, nil, "from 1 to 64, not -1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseSignalMap(tt.rules)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestSignalTarget(t *testing.T) {
	m := SignalMap{syscall.SIGTERM: syscall.SIGINT, syscall.SIGHUP: 0, syscall.SIGTTIN: syscall.SIGTERM}
	tests := []struct {
		received syscall.Signal
		group    bool
		want     syscall.Signal
	}{
		{syscall.SIGTERM, true, syscall.SIGINT},
		{syscall.SIGINT, true, syscall.SIGINT},
		{syscall.SIGHUP, true, 0},
		{syscall.SIGTSTP, true, syscall.SIGSTOP},
		{syscall.SIGTSTP, false, syscall.SIGTSTP},
		{syscall.SIGTTIN, true, syscall.SIGTERM},
	}
	for _, tt := range tests {
		if got := m.target(tt.received, tt.group); got != tt.want {
			t.Errorf("%v (group %v): got %v, want %v", tt.received, tt.group, got, tt.want)
		}
	}
}
