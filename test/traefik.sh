#!/usr/bin/env bash
# Compiles Traefik from its Go module, which has no binary to install and refuses
# `go install`. It takes minutes and gigabytes of Go's caches, so it is no part of
# test/tools.sh; `make terminators` finds it in the folder.
#
# Changed is what the tested snippet does not use: the DNS providers of ACME, which
# need the SDKs of a hundred clouds, and the revision of the basic auth library,
# which not every module proxy has.
set -euo pipefail

version=v3.7.13

folder=${1:?usage: test/traefik.sh FOLDER}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# unpack MODULE FOLDER: a copy of the module that can be changed.
unpack() {
	cp -r "$(go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')" "$2"
	chmod -R u+w "$2"
}

cd "$work"
unpack "github.com/traefik/traefik/v3@$version" traefik
cd traefik
unpack github.com/go-acme/lego/v5 ../lego
rm ../lego/providers/dns/*.go
cat >../lego/providers/dns/none.go <<'EOF'
package dns

import (
	"errors"

	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName knows none.
func NewDNSChallengeProviderByName(string) (challenge.Provider, error) {
	return nil, errors.New("this build has no DNS providers")
}
EOF
# A module inside of Traefik's, for extensions, is not in the zip of a module.
mkdir pkg/config/dynamic/ext
printf 'module github.com/traefik/traefik/dynamic/ext\n' >pkg/config/dynamic/ext/go.mod
printf 'package ext\n\ntype (\n\tHTTP   struct{}\n\tRouter struct{}\n)\n' >pkg/config/dynamic/ext/ext.go
go mod edit -replace github.com/go-acme/lego/v5=../lego \
	-replace github.com/abbot/go-http-auth=github.com/containous/go-http-auth@v0.4.1-0.20200324110947-a37a7636d23e
CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=${version#v}" -o "$folder/traefik" ./cmd/traefik
"$folder/traefik" version
