package config_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestCheckHTTPURL(t *testing.T) {
	for _, good := range []string{"https://example.com", "http://convex:3210", "https://h:8443/x"} {
		if problems := config.CheckHTTPURL("U", good); len(problems) > 0 {
			t.Errorf("%s: %v", good, problems)
		}
	}
	for _, bad := range []string{"", "example.com", "ftp://x", "https://", "https://h:99999", "http://[::1", "://"} {
		if problems := config.CheckHTTPURL("U", bad); len(problems) != 1 {
			t.Errorf("%q: %v", bad, problems)
		}
	}
	if problems := config.CheckHTTPURL("U", "http://::1:3210"); !strings.Contains(problems.Error(), "in brackets") {
		t.Errorf("of brackets nothing is said: %v", problems)
	}
	if problems := config.CheckHTTPURL("U", "ftp://u:canary@h"); strings.Contains(problems.Error(), "canary") {
		t.Errorf("the password is shown: %v", problems)
	}
}

func TestCheckListenAddress(t *testing.T) {
	for _, good := range []string{"", ":9180", "127.0.0.1:0", "[::1]:80"} {
		if problems := config.CheckListenAddress("A", good); len(problems) > 0 {
			t.Errorf("%s: %v", good, problems)
		}
	}
	for _, bad := range []string{"9180", "host:", "host:x", "host:70000"} {
		if problems := config.CheckListenAddress("A", bad); len(problems) != 1 {
			t.Errorf("%s: %v", bad, problems)
		}
	}
}

func TestCheckOneOfAndPort(t *testing.T) {
	if len(config.CheckOneOf("M", "b", "a", "b")) > 0 || len(config.CheckOneOf("M", "c", "a", "b")) != 1 {
		t.Error("CheckOneOf")
	}
	if len(config.CheckPort("P", 65535)) > 0 || len(config.CheckPort("P", 0)) != 1 {
		t.Error("CheckPort")
	}
}
