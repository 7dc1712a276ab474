# Hostler. Two commands are enough to begin with: "make run" (or "make demo") and "make test".
SHELL := /bin/sh
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null || \
	echo 0.1.0-dev.$$(git rev-list --count HEAD 2>/dev/null || echo 0).$$(git rev-parse --short HEAD 2>/dev/null || echo none))
ARCHS   := amd64 arm64
LINT    := .tools/golangci-lint-2.5.0
LDFLAGS := -s -w -X main.version=$(VERSION)
AGENTS  := $(ARCHS:%=repo/agentbin/dist/hostler-agent-linux-%)
ASSETS  := ui/assets/dist/manifest.json
# Nobody debugs what is built here, and what describes it to debuggers takes a sixth of the compilers' time; another eighth
# goes into collecting garbage where there is memory enough.
export GOFLAGS := $(strip $(GOFLAGS) -gcflags=all=-dwarf=false)
GO      := GOGC=400 CGO_ENABLED=0 go
# The agent speaks HTTP/1.1 alone, and HTTP/2 would be a twentieth of it.
AGENT   := -tags nethttpomithttp2
# Lab hosts need root; so does everything that looks into them.
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo -E env "PATH=$$PATH")
# Packages whose tests talk to the database. They run in this order, two at a time: those that take longest come first, so
# that none is left alone at the end.
DATA    := ./web/... ./server/... ./db/...
OTHERS  := ./repo/... ./agent/... ./ui/... ./setup-scripts/... ./internal/...
LISTEN  ?= 127.0.0.1:8080

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

# --- build -------------------------------------------------------------------

.PHONY: build
build: bin/hostler bin/hostler-agent ## one server binary with the agents in it, and the agent

# Go decides what is stale; make only orders the steps.
.PHONY: bin/hostler bin/hostler-agent $(AGENTS)
bin/hostler: $(AGENTS) $(ASSETS)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./server

bin/hostler-agent:
	$(GO) build $(AGENT) -trimpath -ldflags '$(LDFLAGS)' -o $@ ./agent

$(AGENTS): repo/agentbin/dist/hostler-agent-linux-%:
	GOOS=linux GOARCH=$* $(GO) build $(AGENT) -trimpath -ldflags '$(LDFLAGS)' -o $@ ./agent

node_modules/.installed: package-lock.json
	npm ci --no-audit --no-fund
	@touch $@

$(ASSETS): node_modules/.installed package.json $(shell find ui/assets/src -type f 2>/dev/null)
	npm run --silent build

.PHONY: generate
generate: ## write the Go code of the templ pages anew
	$(GO) tool templ generate -path ui

bin/bench-bootstrap: FORCE
	$(GO) build -o $@ ./e2e/bench/bootstrap

bin/bench-agent: FORCE
	$(GO) build -o $@ ./e2e/bench/agent

bin/bench-jobs: FORCE
	$(GO) build -o $@ ./e2e/bench/jobs

bin/bench-trust: FORCE
	$(GO) build -o $@ ./e2e/bench/trust

bin/bench-repo: FORCE
	$(GO) build -o $@ ./e2e/bench/repo

bin/labctl: FORCE
	$(GO) build -trimpath -o $@ ./e2e/lab/labctl
FORCE:

# --- run ---------------------------------------------------------------------

.PHONY: run
run: build ## build everything and serve on http://127.0.0.1:8080 with SQLite under ./data
	bin/hostler serve --data data --listen $(LISTEN)

.PHONY: demo
demo: packages-lab build bin/labctl ## the same, with four lab hosts to install on
	$(SUDO) e2e/demo.sh $(LISTEN)

# --- check -------------------------------------------------------------------

.PHONY: packages-lab packages-bench packages
packages-lab:
	@e2e/packages.sh lab
packages-bench:
	@e2e/packages.sh bench
packages: ## install what the tests need from the distribution
	@e2e/packages.sh test

$(LINT):
	GOBIN=$(CURDIR)/.tools $(GO) install -trimpath github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0
	mv .tools/golangci-lint $@

.PHONY: check
check: lint unit ## the fast part: lint and unit tests on SQLite

# "go vet" is one of golangci-lint's linters. They want all packages compiled, as "make build" has done it already.
.PHONY: lint
lint: $(LINT) node_modules/.installed
	GOFLAGS="$$GOFLAGS -trimpath" GOGC=400 CGO_ENABLED=0 $(LINT) run --allow-parallel-runners
	$(GO) tool templ generate -path ui && git diff --exit-code -- '*_templ.go'
	go mod tidy -diff
	npm run --silent check
	shellcheck $$(git ls-files '*.sh') .ci/run
	e2e/links.sh
	@echo "govulncheck and npm audit: not run here, they need networks of their own (make vulnerabilities)"

unit data unit-and-data lab browser: export TMPDIR := $(shell e2e/scratch.sh)

.PHONY: unit
unit:
	e2e/gotest.sh -tags noagents $(DATA) $(OTHERS)

.PHONY: data
data:
	e2e/mariadb.sh e2e/gotest.sh -tags noagents $(DATA)

# The same test programs on one database and then on the other, which are linked once for that.
.PHONY: unit-and-data
unit-and-data:
	e2e/mariadb.sh e2e/gotest.sh -exec $(CURDIR)/e2e/both-databases.sh -tags noagents $(DATA) $(OTHERS)

.PHONY: test-cgroup2
test-cgroup2: ## limits of child agents in a virtual machine with cgroup v2
	e2e/cgroup2/run.sh

.PHONY: lab
lab: build bin/labctl
	$(SUDO) e2e/gotest.sh ./repo/agentbin
	$(SUDO) e2e/gotest.sh -tags noagents ./e2e/...

.PHONY: browser
browser: build bin/labctl node_modules/.installed ## the browser run on the lab
	$(SUDO) e2e/browser/run.sh

# Hosts and browsers are waited for, compilers and databases are not: one of each goes on at a time. Each one's output
# comes whole, and what failed keeps nothing else from being run.
.PHONY: test hosts-lane code-lane
test: packages ## everything
	$(MAKE) build bin/labctl $(LINT) node_modules/.installed
	@echo "two at a time, the output of each when it has ended: browser, lab, test-cgroup2 beside lint, unit-and-data"
	$(MAKE) --jobs 2 --keep-going --output-sync=target hosts-lane code-lane
hosts-lane:
	$(call each,browser lab test-cgroup2)
code-lane:
	$(call each,lint unit-and-data)
each = +@failed=; for target in $(1); do $(MAKE) --no-print-directory "$$target" || failed="$$failed $$target"; done; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

.PHONY: vulnerabilities
vulnerabilities: ## look for known vulnerabilities, where the network allows it
	go run golang.org/x/vuln/cmd/govulncheck@latest ./...
	npm audit

.PHONY: bench-bootstrap
bench-bootstrap: packages-lab build bin/bench-bootstrap ## measure bootstraps, sizes and memory on the lab
	$(SUDO) bin/bench-bootstrap

.PHONY: bench-agent
bench-agent: packages-bench build bin/bench-agent bin/bench-jobs ## measure the agent beside other supervisors, and how soon a host does what it is told
	$(SUDO) bin/bench-agent
	$(SUDO) bin/bench-jobs

.PHONY: bench-trust
bench-trust: build bin/bench-trust ## measure enrolments and the approval queue, on SQLite and MariaDB
	e2e/mariadb.sh bin/bench-trust

.PHONY: bench-repo
bench-repo: packages-bench build bin/bench-repo ## measure publishing beside other repository tools, and the memory of serving
	bin/bench-repo

.PHONY: clean
clean:
	rm -rf bin node_modules repo/agentbin/dist/hostler-agent-* ui/assets/dist/*
