//go:build !linux

package backup

import "errors"

// held is of helpers, which run on Linux.
type held struct{}

func holdStill() (*held, error) { return nil, errors.ErrUnsupported }

func (*held) release() {}

func (*held) count() int { return 0 }

func syncBelow(string) error { return errors.ErrUnsupported }
