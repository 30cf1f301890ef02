"""One small run after the other in one process: its memory does not grow."""

import gc
import time

import psutil
from small_run import small_run

HOUR = 3_600  # seconds, with all faults


def test_fault_memory_stays(debian_faces, monkeypatch, tmp_path, every_fault):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path))

    def memory(seed: int) -> int:
        small_run(seed=seed)
        gc.collect()
        return psutil.Process().memory_info().rss

    began, seeds = time.monotonic(), iter(range(10**6))
    start = max(memory(next(seeds)) for _ in range(3))  # caches fill
    while True:
        held = [memory(next(seeds)) for _ in range(3)]
        if not every_fault or time.monotonic() - began > HOUR:
            break
    assert min(held) - start < 20_000_000, f"{start:,} bytes at first, {held} at the end"
