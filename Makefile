SHELL := bash
# Two commands are all a reader needs: `make lab` and `make test`. Both set up everything on first use.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
RUN := HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 TOKENIZERS_PARALLELISM=false $(BIN)/python
# tests and notebooks at a time: one a core, at most 4 (each takes up to 1 GB)
JOBS ?= $(shell $(PYTHON) -c 'import os; print(min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))')
LESSON ?= nbs/lessons/01_fine_tuning.ipynb
# written by hand; the exporter formats the rest
FORMATTED := nbs tools measure $(wildcard tests/*.py) ftcourse/course/notebooks.py ftcourse/course/story.py $(shell find ftcourse -name __init__.py)
.PHONY: adapters scale scale-law story box figures chromium colab site newest help lab test lessons export assets bench real regret aims claims intervals fuzz check style format clean

help:           ## this list
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "ftcourse needs Python 3.11, 3.12 or 3.13, and none was found. Install one from python.org, or name yours: make PYTHON=/path/to/python"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the tested versions (constraints.txt) into .venv; the first time takes a few minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' 2>&1 | grep -v "^WARNING: Location" ; test $${PIPESTATUS[0]} -eq 0
	@touch $@

lab: $(READY)   ## open the course in JupyterLab
	-@$(BIN)/jupyter trust nbs/index.ipynb nbs/lessons/*.ipynb >/dev/null 2>&1  # else saved drawings are hidden until their cells are run
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) $(LESSON)

test: check style $(READY)      ## everything that must hold: exports, floors, style, tests, lessons
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(JOBS) --dist worksteal
	$(RUN) -m ftcourse.course.notebooks --jobs $(JOBS)

chromium: $(READY)      ## a browser for tests/test_browser.py, which is skipped without one
	@if $(BIN)/python -c 'import sys; sys.path.insert(0, "tests"); import lab; sys.exit(bool(lab.missing()))'; then echo "there is one"; \
	elif [ "$$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release; then apt-get update -qq && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; \
	else $(BIN)/playwright install --with-deps chromium; fi

check: $(READY) ## exported files equal their notebooks, imports go downward
	$(RUN) -m tools.stamp --check
	$(RUN) -m tools.export --check
	$(BIN)/lint-imports --no-cache

style: $(READY) ## what is written by hand is formatted, and lint-clean
	$(BIN)/ruff check ftcourse nbs tests measure tools
	$(BIN)/ruff format --check $(FORMATTED)

format: $(READY)        ## format what is written by hand; then `make export`
	$(BIN)/ruff format $(FORMATTED)

lessons: $(READY)       ## run every notebook, with seconds and peak memory
	$(RUN) -m ftcourse.course.notebooks

export: $(READY)        ## notebooks -> ftcourse/ and tests/
	$(RUN) -m tools.stamp
	$(RUN) -m tools.export

assets: $(READY)        ## rebuild the built-in models
	OMP_NUM_THREADS=1 $(RUN) -m ftcourse.experiments.tiny_models ftcourse/assets
	OMP_NUM_THREADS=1 $(RUN) -m ftcourse.experiments.decoder ftcourse/assets/tiny-gpt
	OMP_NUM_THREADS=1 $(RUN) -m tools.mini_bert ftcourse/assets

aims: $(READY)          ## measure what the built-in models transfer, over seeds
	$(RUN) measure/aims.py

colab: $(READY)         ## lessons on a stand-in for Colab: its versions, its Drive
	FTCOURSE_COLAB=1 OMP_NUM_THREADS=1 $(RUN) -m pytest -v tests/test_colab_machine.py

site: $(READY)          ## the pages of the site in _docs, every link checked; with Quarto where it is installed
	$(RUN) -W ignore -m tools.site.build

newest: ## all tests with the newest versions that pyproject.toml admits, in an environment of their own
	@test -x .venv-newest/bin/python || $(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[dev]'
	@touch .venv-newest/.ready
	$(MAKE) test BIN=.venv-newest/bin READY=.venv-newest/.ready

claims: $(READY)      ## measure every claim of the lessons again, and say what changed
	$(RUN) measure/claims.py

regret: $(READY)        ## what the defaults cost against a grid and other recipes (hours; goes on where it was)
	$(RUN) measure/regret.py

box: $(READY)           ## what the real-English encoder in the box is worth, on real data
	$(RUN) measure/box.py
	$(RUN) measure/distilling.py

scale: $(READY)         ## past one machine, and behind a server: processes, large data, the planner, load (about an hour)
	OMP_NUM_THREADS=1 $(RUN) measure/scale.py

adapters: $(READY)      ## what low-rank updates learn and forget, by rank, rate and variant
	OMP_NUM_THREADS=1 $(RUN) measure/adapters.py

scale-law: $(READY)     ## loss against parameters, tokens and compute, and a larger run held back
	OMP_NUM_THREADS=1 $(RUN) measure/scale_law.py

intervals: $(READY)    ## how often a 95% interval of a report holds the truth
	OMP_NUM_THREADS=1 $(RUN) measure/intervals.py

fuzz: $(READY) ## 10,000 spoilt files and other spoilt input: each gives a result or an error with its cure
	OMP_NUM_THREADS=1 $(RUN) measure/fuzz.py

story: $(READY)         ## how long each lesson is for its reader: cells, words, minutes, drawings, links
	$(RUN) -m tools.story

figures: $(READY)       ## figures on the code: long lines, names defined twice, tests, size
	$(RUN) -m tools.figures

bench: $(READY)         ## speed and memory, against others and an earlier build
	$(RUN) measure/bench.py

real: $(READY)          ## real models, real data, three seeds
	$(BIN)/python measure/real.py --install
	$(BIN)/python measure/tasks.py
	$(BIN)/python measure/real_budgets.py
	$(BIN)/python measure/other_sets.py

clean:          ## remove the environment and what was built
	rm -rf .venv .venv-newest build dist *.egg-info _docs _proc
