package site

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
)

// The two answers of Certificate that are no verdict on the certificate.
var (
	ErrPlain            = errors.New("the site is not https")
	ErrUnknownAuthority = errors.New("the certificate is of an unknown authority")
)

// Certificate asks the site as a visitor who trusts Roots and nothing else. That
// the certificate is in time and for the right name is checked before its
// authority, so ErrUnknownAuthority says that those are right.
func (v *Visitor) Certificate(ctx context.Context) error {
	if !strings.HasPrefix(v.url, "https://") {
		return ErrPlain
	}
	_, err := v.ask(ctx, v.trusting, Request{URL: "/health"})
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return errors.Join(ErrUnknownAuthority, err)
	}
	return err
}
