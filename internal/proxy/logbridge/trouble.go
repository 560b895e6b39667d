package logbridge

import (
	"fmt"
	"strings"
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// trouble is the last error about certificates.
var trouble atomic.Value

// CertificateTrouble returns the last error that Caddy logged about certificates, ""
// for none. It is for people: Caddy gives it to nothing but its log.
func CertificateTrouble() string {
	text, _ := trouble.Load().(string)
	return text
}

func keepTrouble(entry zapcore.Entry, fields []zapcore.Field) {
	if entry.Level < zapcore.ErrorLevel || entry.LoggerName != "tls" && !strings.HasPrefix(entry.LoggerName, "tls.") {
		return
	}
	text := entry.Message
	for _, field := range fields {
		if err, ok := field.Interface.(error); ok {
			text = fmt.Sprintf("%s: %v", text, err)
		}
	}
	trouble.Store(text)
}
