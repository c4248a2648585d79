"""The benchmarks: `python -m tests.bench` measures with real parts, prints one table and writes `bench/latest.json`."""
