# Every target makes its own .venv from constraints.txt.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo lab test check bench clean
help:
	@echo "make demo   run real self-improvement rounds and write report.html (about a minute)"
	@echo "make lab    open the notebooks in JupyterLab, at notebooks/start.ipynb"
	@echo "make test   run all tests"
	@echo "make check  lint, types, import contracts"
	@echo "make bench  measure speed, side by side with other tools"

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[lab,lm,server,data,trl,inspect,dev]"
	touch $@

demo: .venv/ready
	$(BIN)/siwork demo

lab: .venv/ready
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=notebooks notebooks/start.ipynb

test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/browser
	$(BIN)/python -m pytest tests/browser

check: .venv/ready
	$(BIN)/ruff check siwork widgets tests notebooks
	$(BIN)/ruff format --check siwork widgets tests
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python -m tests.bench

clean:
	rm -rf .venv runs report.html
