package certstore

import (
	"encoding/json"
	"errors"

	"github.com/mholt/acmez/v3/acme"
)

// accounts looks at the ACME accounts and at the answers to challenges. An account
// is registered again when its files are gone, an answer is put there by the next
// attempt.
func (h *healer) accounts() error {
	if len(h.Public) == 0 {
		return nil
	}
	accounts, err := glob(h.Root, "acme/*/users/*")
	answers, globErr := glob(h.Root, "acme/*/challenge_tokens/*.json")
	err = errors.Join(err, globErr)
	for _, account := range accounts {
		err = errors.Join(err, h.account(account))
	}
	for _, answer := range answers {
		err = errors.Join(err, h.usable(readJSON(answer, &acme.Challenge{}), answer))
	}
	return err
}

func (h *healer) account(folder string) error {
	registrations, err := glob(folder, "*.json")
	keys, keyErr := glob(folder, "*.key")
	if err = errors.Join(err, keyErr); err != nil {
		return err
	}
	all := append(registrations, keys...)
	for _, file := range registrations {
		if err = readJSON(file, &acme.Account{}); err != nil {
			return h.usable(err, all...)
		}
	}
	for _, file := range keys {
		if _, err = readKey(file); err != nil {
			return h.usable(err, all...)
		}
	}
	return nil
}

// staples looks at OCSP answers. Caddy removes unreadable ones by itself, but would
// wait for ever for a pipe.
func (h *healer) staples() error {
	staples, err := glob(h.Root, "ocsp/*")
	for _, staple := range staples {
		_, readErr := read(staple)
		err = errors.Join(err, h.usable(readErr, staple))
	}
	return err
}

func readJSON(path string, into any) error {
	content, err := read(path)
	if err == nil && json.Unmarshal(content, into) != nil {
		err = &damage{path, "is cut off or overwritten"}
	}
	return err
}
