package trust

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// readRoot returns the certificates of the root file, or nothing when it is
// missing. Everything else in the file is left out: the backend does not start
// with a bundle that it cannot read as a whole.
func readRoot(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the proxy's root certificate: %w", err)
	}
	var root []byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); block.Type == "CERTIFICATE" && err == nil {
			root = append(root, pem.EncodeToMemory(block)...)
		}
	}
	return root, nil
}
