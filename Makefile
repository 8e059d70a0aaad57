# `make demo` and `make test` are all the set-up there is: each installs what it needs
# (Debian and Ubuntu, as root or with sudo) into the system and into .venv.

.PHONY: help demo test lint style bench clean targets demo-packages test-packages test-kernels test-reports \
	compare-servers docs-example test-findings strace-corpus compare-picture
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV := .venv
RUN := $(VENV)/bin

help:
	@echo "make demo    a server without system calls, under load and traced"
	@echo "make test    lint, types and all tests; as root also those that need BPF"
	@echo "make test-kernels   all of Debian's kernels, in virtual machines; writes docs/kernels.md"
	@echo "make test-reports   the report of each reference server in a browser, and each beside strace"
	@echo "make docs-example   what the documentation shows of a report and of the terminal UI"
	@echo "make test-findings   each reference server diagnosed; writes the table in docs/findings.md"
	@echo "make bench   what capturing costs, measured here"
	@echo "make compare-servers  strace beside uringtrace on all servers; writes docs/compare.md"
	@echo "make compare-picture  README's picture of strace beside uringtrace, from a real run"
	@echo "make strace-corpus    strace's logs of several versions, which tests read, made again"
	@echo "make lint    lint and types alone"
	@echo "make clean   remove .venv, build and caches"

demo: demo-packages $(VENV)/.installed
	@tools/demo.sh

test: test-packages $(VENV)/.developing targets style
	tools/mount.sh
	tools/pytest.sh --everything

# Each machine boots from a kernel package of Debian; a test without its kernel says so.
test-kernels: $(VENV)/.developing targets
	@tools/system-packages.sh vm
	-@$(RUN)/python -m tests.vm.fetch
	$(RUN)/python -m pytest -p no:cacheprovider -m vm || failed=$$?; \
	$(RUN)/python -m tests.vm.matrix && exit $${failed:-0}

test-reports: test-packages $(VENV)/.developing targets
	tools/mount.sh
	$(RUN)/python -m pytest -p no:cacheprovider -m long --ignore=tests/findings

docs-example: $(VENV)/.developing
	$(RUN)/python -m uringtrace report targets/demo/recording --fragment --without-plotly \
	  --figure throughput --figure timeline --figure percentiles --force -o docs/report-example.html
	chmod 644 docs/report-example.html
	$(RUN)/python -m tests.terminal.picture docs/terminal.svg

# The reference servers, healthy and with each fault, diagnosed while they run; writes the table of
# docs/findings.md.
test-findings: test-packages $(VENV)/.developing targets
	tools/mount.sh
	$(RUN)/python -m pytest -p no:cacheprovider -m "long or not long" tests/findings; \
	failed=$$?; $(RUN)/python -m tests.findings.matrix && exit $$failed

lint: style
	$(RUN)/mypy

style: $(VENV)/.developing
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/lint-imports

bench: test-packages $(VENV)/.developing targets
	tools/mount.sh
	$(RUN)/python -m bench

# Writes the table in docs/compare.md: minutes, and best with nothing else on the machine.
compare-servers: test-packages $(VENV)/.developing targets
	tools/mount.sh
	$(RUN)/python -m bench.compare_servers

# A server without system calls under `uringtrace compare`; draws docs/compare.svg, which README shows.
compare-picture: test-packages $(VENV)/.developing targets
	tools/mount.sh
	$(RUN)/python -m bench.compare_picture

# The logs that the tests of strace's parser read, by the strace of each Debian release: as root, from its mirror.
strace-corpus: test-packages $(VENV)/.developing
	$(RUN)/python -m tests.strace.record_corpus

# Without a compiler or liburing the tests that need the targets say so themselves.
targets: $(VENV)/.installed
	-@$(RUN)/python -m uringtrace.targets.build >/dev/null

demo-packages:
	@tools/system-packages.sh demo

test-packages:
	@tools/system-packages.sh test

$(VENV)/bin/python: | demo-packages
	python=$$(tools/find-python.sh) && "$$python" -m venv --clear $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable '.[servers]'
	touch $@

$(VENV)/.developing: pyproject.toml | $(VENV)/bin/python
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist uringtrace.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
