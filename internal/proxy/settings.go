package proxy

import "github.com/tale-project/tale-runtime/internal/proxy/settings"

// Settings is everything that an operator can set on the proxy.
type Settings = settings.Settings
