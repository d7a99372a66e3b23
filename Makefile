# resetdesk: the commands that matter. Both of the first two need only Go and make.
#
#   make demo    play the whole story in a browser, everything embedded
#   make test    every test; installs the servers it needs when run as root
GO     ?= go
KILLS  ?= 100
SEEDS  ?= 20000
FUZZ   ?= 10m

# The race detector watches all code but SQLite's, which is C in Go's words: its memory
# lies outside Go's, where the detector sees nothing, and it took eight times as long.
UNSEEN := modernc.org/sqlite/lib modernc.org/libc/... modernc.org/memory
RACE   := -race $(patsubst %,-gcflags=%=-race=false,$(UNSEEN))

# The packages that take longest; to begin with them leaves no core idle at the end.
LONGEST := ./review ./cmd/resetdesk

# The steps of make test, the longest first. Two run beside each other, for many only
# wait; what a step prints comes when it ends. On one core it takes longer.
STEPS  := watched simulation courses checks browser oracle powercut
BESIDE := -k -j2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
FORMAT := cmd mailbox review totp ui schema.go .ci

.PHONY: build demo test bench performance lint soak sabotage proof needs steps $(STEPS)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/resetdesk ./cmd/resetdesk

demo: build
	bin/resetdesk demo

needs:
	@sh .ci/needs

test: needs
	@echo "$(words $(STEPS)) steps, two at a time; each shows its output when it ends: $(STEPS)"
	@$(MAKE) $(BESIDE) --no-print-directory steps

steps: $(STEPS)

watched:
	RESETDESK_KILLS=$(KILLS) $(GO) test $(RACE) -shuffle=on -timeout 25m $(LONGEST) $$($(GO) list ./... | grep -v /simulation$$)

checks:
	@test -z "$$(gofmt -l $(FORMAT))" || { gofmt -l $(FORMAT); echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) build ./...
	$(GO) test ./.ci/proof

# Their clock is their own, so they give way to tests whose deadlines are real ones. Two
# processes share the seeds: all memory of SQLite in one of them has one lock.
simulation:
	GOMAXPROCS=1 RESETDESK_SEEDS=$$(($(SEEDS) / 2)) nice $(GO) test -shuffle=on -timeout 25m ./cmd/resetdesk/simulation

courses:
	GOMAXPROCS=1 RESETDESK_SEEDS=$$(($(SEEDS) / 2)) nice $(GO) test -timeout 25m -run 'TestSimulation$$' ./cmd/resetdesk/simulation

browser:
	cd cmd/resetdesk/browser && $(GO) vet ./... && $(GO) test -timeout 25m ./...

oracle:
	cd mailbox/sender/oracle && $(GO) vet ./... && $(GO) test -timeout 25m ./...

powercut:
	@if [ -w /dev/fuse ] && [ "$$(id -u)" = 0 ]; then cd cmd/resetdesk/powercut && $(GO) vet ./... && $(GO) test -timeout 25m ./...; \
	else echo "the power is not cut here: that needs root and /dev/fuse; make soak insists on it with CI=true" >&2; fi

# CASES=1000000 makes the large file of the pages' benchmark that large.
bench:
	RESETDESK_CASES=$(CASES) $(GO) test -timeout 60m -run '^$$' -bench . -benchmem ./...

# Writes docs/performance.md: resetdesk beside what one would use instead and beside its
# goals, with the sizes that the page is for. Hours of a quiet machine, for some of which
# it wants isync, getmail6, fetchmail and python3 from Debian. Smaller sizes by
# RESETDESK_MAILS, _SIZES, _SLOW, _TURNS, _STORIES, _CASES and _COUNT; ONLY=reading
# refreshes one section.
performance: needs
	$(GO) run ./.ci/proof -page performance -only '$(ONLY)'

lint:
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

# Breaks the promises on purpose, each in a copy, and wants a test to turn red.
sabotage:
	$(GO) run .ci/sabotage/main.go

# Writes docs/proof.md: hours, with the sizes that the page is for. Smaller ones by
# RESETDESK_SEEDS, _CRASHES, _KILLS and _CUTS; ONLY=kills refreshes one section.
proof: needs
	$(GO) run ./.ci/proof -only '$(ONLY)'

# The same tests, longer, and the simulation under the race detector: more kills, more
# mails, an hour of steady work (SOAK=1h), more courses, power cuts, every byte, and
# minutes of fuzzing each parser.
soak: needs
	RESETDESK_SEEDS=600 $(GO) test $(RACE) -timeout 1h -run TestSimulation ./cmd/resetdesk/simulation
	RESETDESK_SEEDS=$(or $(SOAK_SEEDS),1000000) $(GO) test -timeout 24h -run TestSimulation -v ./cmd/resetdesk/simulation
	RESETDESK_CRASHES=0 RESETDESK_HITS=3 $(GO) test -timeout 24h -parallel 8 -run TestCrashPoints -v ./cmd/resetdesk/simulation
	cd cmd/resetdesk/powercut && RESETDESK_CUTS=$(or $(CUTS),5000) $(GO) test -timeout 24h -v ./...
	RESETDESK_TAMPERINGS=10000 $(GO) test -timeout 2h -run TestTampering -v ./review
	RESETDESK_EVERY_BYTE=1 $(GO) test -timeout 1h -run EveryByte -v ./mailbox
	RESETDESK_KILLS=$(or $(SOAK_KILLS),10000) $(GO) test -timeout 24h -run TestKill ./cmd/resetdesk
	RESETDESK_SOAK=$(or $(SOAK),1h) $(GO) test -timeout 24h -v -run 'TestSoak$$' ./cmd/resetdesk
	RESETDESK_MAILS=$(or $(SOAK_MAILS),10000) $(GO) test -timeout 1h -v -run TestConservation ./cmd/resetdesk
	RESETDESK_COURSES=$(or $(COURSES),2000) $(GO) test -timeout 24h -run TestRandomCourses -v ./review
	sh .ci/fuzz $(FUZZ)
	cd mailbox/sender/oracle && sh ../../../.ci/fuzz $(FUZZ)
