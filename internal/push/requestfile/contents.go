package requestfile

import (
	"io"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// Contents counts the modules of the app's own functions in a push request. Those
// of components always go with their source.
type Contents struct {
	Modules int // those given as hashes included
	Changed int // those with source
}

// ScanContents counts what is in a request on its way to a backend, which need
// not have all modules.
func ScanContents(r io.Reader) (Contents, error) {
	scan := requestScan{s: jsonscan.NewScanner(r), seen: map[string]bool{}}
	if err := scan.document(); err != nil {
		return Contents{}, err
	}
	changed := len(scan.index.Functions())
	return Contents{Modules: changed + scan.index.HashedModules, Changed: changed}, nil
}
