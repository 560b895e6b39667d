package requestfile

import (
	"io"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// Contents counts what is in a push request.
type Contents struct {
	Modules int // of the app and its components, those given as hashes included
	Changed int // of the app's functions, those with source
}

// ScanContents counts what is in a request on its way to a backend, which need
// not have all modules.
func ScanContents(r io.Reader) (Contents, error) {
	scan := requestScan{s: jsonscan.NewScanner(r), seen: map[string]bool{}}
	if err := scan.document(); err != nil {
		return Contents{}, err
	}
	return Contents{
		Modules: len(scan.index.Modules) + scan.index.HashedModules,
		Changed: len(scan.index.Functions()),
	}, nil
}
