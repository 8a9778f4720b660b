# Every target makes its own .venv from constraints.txt; the tests of servers make .venv-vllm beside it.
PYTHON ?= python3
BIN := .venv/bin
VLLM := .venv-vllm/bin

.PHONY: help demo lab test check bench gpu-check clean
help:
	@echo "make demo   run real self-improvement rounds and write report.html (about a minute)"
	@echo "make lab    open the notebooks in JupyterLab, at notebooks/start.ipynb"
	@echo "make test   run all tests"
	@echo "make check  lint, types, import contracts"
	@echo "make bench  measure speed, side by side with other tools"
	@echo "make gpu-check  hf on this machine's GPU against the CPU's numbers"

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[lab,lm,server,data,trl,inspect,dev]"
	touch $@

# this vLLM is made for Linux on x86_64 only; elsewhere the tests of servers skip
.venv-vllm/ready: constraints-vllm.txt
	if [ "$$(uname -sm)" = "Linux x86_64" ]; then \
		test -x $(VLLM)/python || $(PYTHON) -m venv .venv-vllm; \
		$(VLLM)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement constraints-vllm.txt; \
	else mkdir -p .venv-vllm; fi
	touch $@

demo: .venv/ready
	$(BIN)/siwork demo

lab: .venv/ready
	$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=notebooks notebooks/start.ipynb

test: .venv/ready .venv-vllm/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/browser --ignore tests/servers
	$(BIN)/python -m pytest tests/browser
	test ! -x $(VLLM)/python || export SIWORK_VLLM_PYTHON=$(VLLM)/python; $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/servers

check: .venv/ready
	$(BIN)/ruff check siwork widgets tests notebooks
	$(BIN)/ruff format --check siwork widgets tests
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/ready .venv-vllm/ready
	test ! -x $(VLLM)/python || export SIWORK_VLLM_PYTHON=$(VLLM)/python; $(BIN)/python -m tests.bench

gpu-check: .venv/ready
	$(BIN)/python -m tests.gpu

clean:
	rm -rf .venv .venv-vllm runs report.html
