# Every target has a one-line help after ##; `make help` lists them.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Caddy's own release tags: certificate stores we do not use stay out of the binary.
TAGS     := nobadger,nomysql,nopgx
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X github.com/tale-project/tale-runtime/internal/cli/version.release=$(VERSION)
OUT      := bin
BINARIES := platform-entrypoint convex-entrypoint proxy convex-sim demo tale
# What also has to run on an operator's machine.
PORTABLE := cli cli/version config doctor exit health logging logging/redact sys/httpclient sys/netcause report report/status site stack stack/adminkey stack/postgres tale/...
APP      ?= examples/guestbook
ONCE     ?=
BACKEND  ?=

# Programs that some tests drive for real. Root's are where another user can run
# them, as Postgres must. A test of what is not installed is skipped, unless
# TALE_TEST_REQUIRE is set.
TEST_TOOLS ?= $(if $(filter 0,$(shell id -u)),/var/cache,$(or $(XDG_CACHE_HOME),$(HOME)/.cache))/tale-runtime-tools
export TALE_TEST_CONVEX_CLI   ?= $(wildcard $(TEST_TOOLS)/convex)
export TALE_TEST_NODE_BIN     ?= $(wildcard $(TEST_TOOLS)/node-bin)
export TALE_TEST_RUNNER       ?= $(wildcard $(TEST_TOOLS)/runner)
export TALE_TEST_POSTGRES_BIN ?= $(wildcard $(TEST_TOOLS)/postgres-bin)
export TALE_TEST_DBMATE       ?= $(wildcard $(TEST_TOOLS)/dbmate-bin)
export TALE_TEST_SERVERS      ?= $(wildcard $(TEST_TOOLS)/servers)
export TALE_TEST_NGINX        ?= $(wildcard $(TEST_TOOLS)/nginx/usr/sbin/nginx)
export TALE_TEST_TRAEFIK      ?= $(wildcard $(TEST_TOOLS)/traefik/traefik)

.PHONY: help pictures build cross release release-programs release-dry-run demo test spellings test-tools traefik terminators lint bench bench-proxy bench-copy copy-kills soak tale-soak kubernetes clean docs push-request parity bluegreen browser acme env up dotenv dbmate e2e e2e-newest sizes scan

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 16

# The Dockerfiles build with it, too: the flags stand here and nowhere else.
build: ## Build all binaries into bin/
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(OUT)/ $(addprefix ./cmd/,$(BINARIES))

cross: ## Build all binaries for arm64 into bin/arm64/, as releases do; compile what has to run on macOS
	GOARCH=arm64 $(MAKE) build OUT=bin/arm64
	for arch in amd64 arm64; do CGO_ENABLED=0 GOOS=darwin GOARCH=$$arch go build -trimpath -tags $(TAGS) ./cmd/tale $(addprefix ./internal/,$(PORTABLE)); done

DIST      ?= dist
COMMIT    ?= $(shell git rev-parse HEAD 2>/dev/null)
PLATFORMS ?= linux_amd64 linux_arm64 darwin_amd64 darwin_arm64

# The same bytes wherever it is done: no path, no C, nothing of the checkout.
release-programs: ## Build tale for all kinds of machine into dist/ (VERSION=1.2.3, PLATFORMS)
	for p in $(PLATFORMS); do CGO_ENABLED=0 GOOS=$${p%_*} GOARCH=$${p#*_} go build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)' -o $(DIST)/tale_$$p ./cmd/tale; done

release: ## Make the files of release VERSION=1.2.3 in dist/, signed by MINISIGN_SECRET_KEY
	go run -tags $(TAGS) ./cmd/release keys
	$(MAKE) release-programs
	go run -tags $(TAGS) ./cmd/release pack --version $(VERSION) $(if $(COMMIT),--commit $(COMMIT)) $(if $(IMAGES),--images $(IMAGES)) $(DIST)

release-dry-run: ## Make a release with a key that is thrown away, install it, upgrade, go back; change 1,000 downloads
	go test -tags $(TAGS) -count=1 -v ./test/release
	go test -tags $(TAGS) -count=1 -v -run TestNoChangedDownload ./internal/tale/selfupdate -args -flips 1000

demo: build ## Run the whole stack on loopback (ONCE=1: check it and exit; BACKEND=real or a file: the official backend)
	bin/demo --app $(APP) $(if $(BACKEND),--backend $(BACKEND)) $(if $(ONCE),--once)

test: ## Run all Go tests with the race detector
	go test -race -tags $(TAGS) ./...

SPELLINGS ?= 100000
spellings: ## Send 100,000 spellings (SPELLINGS) of each closed path through the proxy, over each protocol (40 minutes; make test: fewer)
	go test -tags $(TAGS) -count=1 -v -timeout 90m -run TestNoSpellingReachesWhatIsClosed ./internal/proxy -args -spellings $(SPELLINGS)

test-tools: ## Install what some tests need: four releases of the convex CLI, Node.js, what functions run with, web servers, Postgres, psql, dbmate, nginx
	test/tools.sh $(TEST_TOOLS)

traefik: ## Compile the Traefik that terminators and kubernetes try as well (5 minutes, 3 GB)
	test/traefik.sh $(TEST_TOOLS)/traefik

terminators: ## Try the nginx and Traefik snippets of docs/operations.md in front of the proxy
	go test -tags $(TAGS) -count=1 -v ./test/terminators

lint: ## Check formatting, vet, the linters of .golangci.yml, and the workflows
	go tool -modfile=tools/go.mod golangci-lint run
	go tool -modfile=tools/actionlint/go.mod actionlint

docs: ## Generate the documentation that is made from code
	go run -tags $(TAGS) ./test/docs/generate

pictures: build ## Draw the pictures of docs/tour.md from what the programs print (CHECK=1: say which are stale)
	go test -tags $(TAGS) -count=1 -v -run TestDraw ./test/pictures -args -programs $(CURDIR)/bin $(if $(CHECK),-check)

push-request: build ## Write and check the push request of APP for the native driver
	cd $(APP) && { [ -d node_modules ] || [ ! -e package-lock.json ] || npm ci --no-audit --no-fund; } && mkdir -p dist
	bin/platform-entrypoint push-index --app $(APP) $(APP)/dist/push-request.json

bench: build ## Compare the classic sequence, the CLI driver and the native driver
	cd $(APP) && { [ -d node_modules ] || npm ci --no-audit --no-fund; }
	go run -tags $(TAGS) ./test/bench --bin bin --app $(APP)

bluegreen: build ## Switch colours 20 times under load and count what visitors lose
	go test -tags $(TAGS) -count=1 -v ./test/bluegreen -args -proxy $(CURDIR)/bin/proxy -switches 20 -rate 500 -burst 100 -sockets 200 -pages 2000 -boot 3s

browser: build push-request ## Sign, see it live, a switch, a restart and the maintenance page in two Chromiums
	cd $(APP) && { [ -d node_modules ] || npm ci --no-audit --no-fund; } && { [ -f dist/server/server.js ] || npm run build; }
	mkdir -p .demo/runner && cp internal/convexsim/runner/host/package*.json .demo/runner && npm ci --prefix .demo/runner --ignore-scripts --omit=optional --no-audit --no-fund
	cd test/browser && npm ci --ignore-scripts --no-audit --no-fund && RUNNER=$(CURDIR)/.demo/runner ./alone.sh node check.mjs $(SCREENSHOTS)

acme: ## Get certificates from a real ACME authority whose DNS comes late, and after a cut of each file at each length
	go test -tags $(TAGS) -count=1 -v -run TestCertificateFromAnAuthority ./internal/proxy -args -late-dns 20s
	go test -tags $(TAGS) -count=1 -v -timeout 0 -run TestAnAuthorityMendsTornFiles ./internal/proxy/certstore -args -cuts 0

env: ## Write .env with fresh secrets; one that is there stays
	sh deploy/make-env.sh

bench-proxy: build ## Compare stock Caddy, nginx and the proxy (8 minutes; FAST=1: one; SOCKETS=10000)
	CGO_ENABLED=0 go build -modfile=tools/caddy/go.mod -trimpath -ldflags '-s -w' -o bin/caddy-stock github.com/caddyserver/caddy/v2/cmd/caddy
	go run -tags $(TAGS) ./test/benchproxy $(if $(FAST),--fast) $(if $(SOCKETS),--sockets $(SOCKETS)) $(BENCH_FLAGS)

bench-copy: ## Copy a volume of 200,000 files and 2 GB, and with cp -a and sha256sum (8 GB of disk; COPY_FLAGS=--help)
	go run -tags $(TAGS) ./test/benchcopy --at-least 0.8 $(COPY_FLAGS)

copy-kills: ## Kill copies of a volume 200 times (root; make test: 20 times)
	go test -tags $(TAGS) -count=1 -timeout 0 -v -run TestKilledCopiesGoOn ./internal/tale/volume -args -kills 200

DURATION ?= 10m
RATE     ?= 150

parity: build push-request ## Send 360 requests to the simulator and to BACKEND (default: real) and compare
	go run -tags $(TAGS) ./test/parity -b $(or $(BACKEND),real) --push $(APP)/dist/push-request.json $(PARITY_FLAGS)

soak: build ## Keep the proxy under mixed traffic for DURATION (10m); fails when it grows
	go test -tags $(TAGS) -count=1 -timeout 0 -v ./test/soak -proxy $(CURDIR)/bin/proxy -duration $(DURATION) -rate $(RATE) -sockets 100 -streams 10

kubernetes: build ## Check deploy/kubernetes in a cluster of two nodes, with what e2e built (root; 15 minutes more the first time; KUBERNETES_FLAGS=--help)
	test/kubernetes/tools.sh $(TEST_TOOLS)/kubernetes
	test -x $(TEST_TOOLS)/traefik/traefik || test/traefik.sh $(TEST_TOOLS)/traefik
	go build -tags $(TAGS) -o $(OUT)/kubernetes ./test/kubernetes
	test/kubernetes/run.sh $(TEST_TOOLS)/kubernetes $(OUT) $(OUT)/kubernetes --helm "$$(go tool -modfile=tools/helm/go.mod -n helm)" --traefik $(TEST_TOOLS)/traefik/traefik $(KUBERNETES_FLAGS)

tale-soak: build ## Hold tale to its numbers in a Docker engine, with what e2e built (1 hour; SOAK_FLAGS=--help)
	go run -tags $(TAGS) ./test/talesoak --tale bin/tale $(SOAK_FLAGS)

up: env ## Build the images, start the stack with Docker Compose, print its URL
	docker compose up --build --detach --wait
	@sed -n 's/^SITE_URL=/the site: /p' .env

dotenv: ## Have docker compose read 10,000 random .env files and compare
	go test -tags $(TAGS) -count=1 -v -run TestReadingIsThatOfCompose ./internal/tale/project -args -compose

dbmate: ## Compare 1,000 random sets of migrations with dbmate (make test: fewer)
	go test -tags $(TAGS) -count=1 -v -timeout 0 -run TestOnAServer/dbmate ./internal/tale/database -args -sets 1000

e2e: build cross ## Check the real images in a real Docker engine (root; makes what is missing)
	test/e2e/run.sh

e2e-newest: build cross ## Check tale with the newest Docker engine, compiled here (root; no other engine may run)
	ENGINE=newest test/e2e/run.sh tale

sizes: ## Print the compressed sizes of the images that e2e built
	test/e2e/sizes.sh

scan: ## Scan the images that e2e built with trivy; fixable critical findings fail
	test/e2e/scan.sh

clean: ## Remove what the other targets made
	rm -rf bin dist .demo
