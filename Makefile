# Everything a person or the CI does with Makola. `make` alone lists it.
# ./... does not span a Go workspace, so targets that mean "everything" take the modules from `go list -m`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

modules = $(shell go list -m -f '{{.Dir}}')
packages = $(addsuffix /...,$(modules))
# Those that take longest begin first, so that none of them is left to run alone at the end. go test lists each package once.
slowest = ./test/fault ./services/api-gateway/internal/api ./test/e2e ./services/billing-worker/internal/tasks ./test/wire
# Two packages at a time: each uses the servers hard, and the timings they wait for assume some processor left.
# Never from the cache: the system tests build the programs they run, which go test does not know.
# Without vet, which reads every dependency: `make check` runs all of it.
gotest = .local/bin/servers -- go test -count=1 -p 2 -timeout 30m -vet=off

##@ Run
.PHONY: up down status logs demo seed
up: ## start everything on this machine and print where it is (Compose when a Docker engine answers, else private servers)
	@deploy/local/up.sh
down: ## stop exactly what `make up` started; the data stays
	@deploy/local/down.sh
status: ## list what runs, since when, where, and whether it is ready
	@deploy/local/status.sh || true
logs: ## follow the logs; s=NAME for one service
	@deploy/local/logs.sh $(s)
demo: up ## register a shop, buy credits at the simulator, print the task timeline, the ledger and the mail
	@deploy/local/demo.sh
seed: ## make the demo shops (make up did); SCALE=100 makes a load set of 300 shops
	@deploy/local/seed.sh $(or $(SCALE),1)

##@ Build and check
.PHONY: gen check images migrate
gen: ## write the generated code and pages again (proto, OpenAPI, docs)
	@deploy/local/gen.sh
check: ## format, vet, lint; generated files and go.mod leave no difference
	@deploy/local/check.sh
images: ## build one image per service (makola/NAME:dev); needs Docker
	@deploy/docker/images.sh
migrate: ## bring the database of `make up` to the newest schema
	@deploy/local/migrate.sh

##@ Test
.PHONY: test test-unit e2e fault bench
test: ready ## everything, with the race detector, on private servers
	@$(gotest) -race $(slowest) $(packages)
test-unit: ready ## all but the system tests
	@$(gotest) -race $(filter-out %/test/...,$(packages)) ./test/servers/...
e2e: ready ## built binaries, and real Celery clients and workers against ours
	@$(gotest) -race ./test/e2e/... ./test/wire/...
fault: ready ## one test per fault: killed processes, lost queues, cut connections
	@$(gotest) -race ./test/fault/...
# A measurement needs the disk that production has; tests have their servers in memory where there is plenty of it.
bench: export MAKOLA_TEST_DATA ?= $(or $(TMPDIR),/tmp)
bench: ready ## throughput and latency, as ratios within one run
	@$(gotest) -run '^$$' -bench . -benchtime 1x ./test/load/...
	@$(gotest) -run '^$$' -bench Lone -benchtime 1x ./services/api-gateway/internal/webhook

.PHONY: ready help
ready:
	@deploy/local/install.sh servers tests
	@go build -buildvcs=false -o .local/bin/servers ./test/servers

help:
	@awk 'BEGIN { FS = ":.*## " } \
	  /^##@/ { printf "\n%s\n", substr($$0, 5) } \
	  /^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
