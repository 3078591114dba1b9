# Two commands: `make demo` and `make test`. Everything is installed into .venv; choose the Python
# that makes it with `make PYTHON=python3.12 ...`.

SHELL := bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LOCK := requirements/lock.txt

CONFIG := configs/det/retina_mnv4_conv_m.py
DATA := data/demo
DEMO := work_dirs/demo

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

CHECK_PYTHON = import sys; v = sys.version_info; (3, 10) <= v[:2] <= (3, 12) or sys.exit( \
	f"Python 3.10, 3.11 or 3.12 is needed, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.11")

# The lock also binds the isolated builds of the OpenMMLab wheels. Those have no torch, so no
# compiler is ever asked for; mnv4_vision.compat supplies the operators.
PIP := PIP_CONSTRAINT=$(LOCK) PIP_BUILD_CONSTRAINT=$(LOCK) \
	$(RUN) -m pip --disable-pip-version-check --no-input
PIP_LOG := $(VENV)/install.log
PIP_PROGRESS := awk '/Downloading .*[0-9] [MG]B\)|Building wheel.*started/ {print; fflush()} \
	/^Installing collected/ {print "  Installing " gsub(/,/, "") + 1 " packages"; fflush()}'

# $(call pip,ARGUMENTS): shows the slow steps, and the end of the log when one fails.
pip = @set -o pipefail; $(PIP) $(1) 2>&1 | tee -a $(PIP_LOG) | $(PIP_PROGRESS) \
	|| { tail -n 20 $(PIP_LOG); exit 1; }

$(STAMP): $(LOCK) requirements/minimum.txt setup.py
	@$(PYTHON) -c '$(CHECK_PYTHON)'
	@echo "[1/3] $(VENV)"
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@rm -f $@ $(PIP_LOG)
	@echo "[2/3] the packages of $(LOCK)"
# Both OpenCV wheels fill the same folder and both are required by somebody: the one installed
# last stays, and only the headless one imports without libGL.
	$(call pip,install opencv-python)
	$(call pip,install -r $(LOCK))
	@echo "[3/3] mnv4_vision"
	$(call pip,install --no-deps --no-build-isolation -e .)
	@$(RUN) -m pip check
	@touch $@

.PHONY: demo
demo: $(DEMO)/.tested $(DEMO)/.drawn  ## train and evaluate the main model on generated images
	@awk '/^AP /{on = 1} /INFO/{on = 0} on' $(DEMO)/test.log
	@echo "curves:      $(DEMO)/curves.png"
	@echo "predictions: $(DEMO)/predictions/sheet.jpg"

# The generator writes its manifest with the whole set, or nothing.
$(DATA)/demo.json: | $(STAMP)
	@echo "[demo 1/4] images in $(DATA)"
	@$(RUN) tools/data.py demo --out $(DATA)

# --resume goes on with an interrupted run and starts where there is none.
$(DEMO)/.trained: | $(DATA)/demo.json $(STAMP)
	@echo "[demo 2/4] training in $(DEMO)"
	@$(RUN) tools/train.py $(CONFIG) --demo --work-dir $(DEMO) --resume
	@touch $@

$(DEMO)/.tested: $(DEMO)/.trained
	@echo "[demo 3/4] evaluation"
	@$(RUN) tools/test.py $(CONFIG) $(DEMO) --demo --work-dir $(DEMO)/test > $(DEMO)/test.log 2>&1 \
		|| { tail -n 20 $(DEMO)/test.log; exit 1; }
	@touch $@

$(DEMO)/.drawn: $(DEMO)/.trained
	@echo "[demo 4/4] predictions"
	@$(RUN) tools/infer.py $(DEMO)/config.py $(DEMO) $(DATA)/val --out $(DEMO)/predictions
	@touch $@

.PHONY: test lint clean
test: $(STAMP)  ## the whole test suite; `make test ARGS="-k nms"` for a part
	@$(RUN) -m pytest $(ARGS)

lint: $(STAMP)  ## ruff: format and rules
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .

clean:  ## remove .venv, the demo and caches; your own work_dirs and data stay
	rm -rf $(VENV) $(DATA) $(DEMO) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
