package command

import (
	"log/slog"
	"maps"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
)

// knobs are the settings that the backend takes from its environment. As there,
// a number that cannot be read is warned about and not used.
type knobs struct {
	Version        string `env:"CONVEX_RELEASE_VERSION_DEV" tier:"operator" doc:"What /version answers."`
	EnvLimit       int    `env:"ENV_VAR_LIMIT" tier:"operator" envDefault:"1000" doc:"Most variables that a deployment may have."`
	MaxPushBytes   int    `env:"MAX_PUSH_BYTES" tier:"operator" envDefault:"200000000" doc:"Largest push, unpacked."`
	TimeoutSeconds int    `env:"HTTP_SERVER_TIMEOUT_SECONDS" tier:"operator" envDefault:"300" doc:"Limit of a request."`
}

func readKnobs(environ config.Environ, log *slog.Logger) (k knobs) {
	readable := maps.Clone(environ)
	for _, v := range config.Describe(k)[1:] {
		if value, err := strconv.Atoi(environ[v.Name]); environ[v.Name] != "" && (err != nil || value <= 0) {
			log.Warn("a knob is not used, as it is not a positive number", "name", v.Name)
			delete(readable, v.Name)
		}
	}
	_ = config.Load(&k, readable) // what could be wrong is left out
	if k.Version == "" || k.Version == "dev" {
		k.Version = convexsim.UnknownVersion
	}
	return k
}

func (k knobs) apply(options *convexsim.Options) {
	options.Version = k.Version
	options.EnvLimit = k.EnvLimit
	options.MaxPushBytes = int64(k.MaxPushBytes)
	options.RequestTimeout = time.Duration(k.TimeoutSeconds) * time.Second
}
