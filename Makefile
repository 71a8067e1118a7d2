# The house's chores. The README's two commands, ./fcctl and ./test, need none of them.

SWIFT_FILES = $(shell find Package.swift Sources guest Tests Benchmarks -name '*.swift' -type f \
	! -path '*/.build/*' ! -path '*/out/*')

build: guest
	swift build

test:
	./test

guest:
	guest/build
	$(MAKE) --silent -C Tests/Guests/probe

format:
	@swift format format --in-place --parallel --configuration .swift-format $(SWIFT_FILES)

# All of them run, so that one look shows everything that is wrong.
lint:
	@failed=0; for check in selftest imports banned where format; do scripts/lint-$$check || failed=1; done; exit $$failed

.PHONY: build test guest format lint
.DEFAULT_GOAL := build
