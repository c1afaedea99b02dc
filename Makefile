# One command each; every one sets up what it needs first (see .ci/setup).
.PHONY: help demo test check bench soak clean

help:
	@echo "make demo    runs the TCP echo exercise on two LANs and shows its packets and its grade"
	@echo "make test    runs all tests; ARGS='tests/unit -k arp' chooses"
	@echo "make check   ruff and mypy"
	@echo "make bench   measures start, stop, grading a class and decoding against references, Docker's too where it answers"
	@echo "make soak    repeats runs a hundred times while all cores are busy, and every ready-made exercise ten times"
	@echo "             (on Docker too where it answers), kills a class of two hundred until it is done, and compares all verdicts"
	@echo "make clean   removes what the others made"

demo:
	@.ci/setup demo
	@.venv/bin/lab demo

test:
	@.ci/setup test
	@.venv/bin/pytest $(ARGS)

check:
	@.ci/setup check
	@.venv/bin/ruff check .
	@.venv/bin/mypy

bench:
	@.ci/setup test
	@.venv/bin/python tests/bench/bench.py $(ARGS)
	@.venv/bin/python tests/bench/bench_class.py --large --docker
	@.venv/bin/python tests/bench/bench_docker.py
	@.venv/bin/python tests/bench/bench_trace.py

soak:
	@.ci/setup test
	@SOAK_REPEATS=100 .venv/bin/pytest tests/kernel/test_under_load.py tests/kernel/test_docker_failures.py \
		tests/kernel/test_classroom.py tests/kernel/test_exercises.py tests/unit/trace/test_fuzz.py $(ARGS)
	@if docker version >/dev/null 2>&1; then \
		LAB_RUNTIME=docker SOAK_REPEATS=100 .venv/bin/pytest tests/kernel/test_exercises.py $(ARGS); \
	else echo "no Docker Engine answers: the exercises were repeated on namespaces alone"; fi

clean:
	rm -rf .venv .venv-old-* .cache dist runs .pytest_cache .mypy_cache .ruff_cache
	find lab tests topologies -name __pycache__ -type d -prune -exec rm -rf {} +
