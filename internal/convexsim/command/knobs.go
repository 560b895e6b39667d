package command

import (
	"log/slog"
	"strconv"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convexsim"
)

// knobs are the settings that the backend takes from its environment. As there,
// a value that cannot be read is warned about and not used.
type knobs struct {
	version        string
	envLimit       int
	maxPushBytes   int
	timeoutSeconds int
}

func readKnobs(environ config.Environ, log *slog.Logger) knobs {
	number := func(name string) int {
		text := environ[name]
		value, err := strconv.Atoi(text)
		if text != "" && (err != nil || value <= 0) {
			log.Warn("a knob is not used, as it is not a positive number", "name", name)
			return 0
		}
		return value
	}
	version := environ["CONVEX_RELEASE_VERSION_DEV"]
	if version == "" || version == "dev" {
		version = convexsim.UnknownVersion
	}
	return knobs{
		version:        version,
		envLimit:       number("ENV_VAR_LIMIT"),
		maxPushBytes:   number("MAX_PUSH_BYTES"),
		timeoutSeconds: number("HTTP_SERVER_TIMEOUT_SECONDS"),
	}
}

func (k knobs) apply(options *convexsim.Options) {
	options.Version = k.version
	options.EnvLimit = k.envLimit
	options.MaxPushBytes = int64(k.maxPushBytes)
	options.RequestTimeout = time.Duration(k.timeoutSeconds) * time.Second
}
