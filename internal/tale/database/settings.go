package database

import (
	"os"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Settings are what the stack says of the server.
type Settings struct {
	stack.Database
	Instance string `env:"INSTANCE_NAME" envDefault:"tale_platform"`
	CAFile   string `env:"PG_CA_FILE"`
}

// Platform returns the backend's database.
func (s Settings) Platform() string { return stack.Instance{Name: s.Instance}.DatabaseName() }

// At returns the server of the project itself at an address of its container.
func (s Settings) At(address string) (stack.Postgres, error) {
	s.PostgresURL = "" // the name db leads to it only in the network
	s.Host, s.Port = address, stack.DBPort
	return s.Server()
}

// Authority returns PG_CA_FILE if this machine has it: it may be one of the container only.
func (s Settings) Authority() string {
	if _, err := os.Stat(s.CAFile); err != nil {
		return ""
	}
	return s.CAFile
}
