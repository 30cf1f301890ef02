"""Ctrl-C in Jupyter and in papermill: the run goes on from its last checkpoint, to the same bits."""

import functools
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from small_run import bits

TESTS = os.path.dirname(os.path.dirname(__file__))
CODE = f"""
import sys, time
sys.path.insert(0, {TESTS!r})
import torch
torch.set_num_threads(1)
from small_run import small_run
small_run(report=lambda line: time.sleep(3))
"""


def wait_for_checkpoint(folder) -> None:
    for _ in range(600):
        if list(folder.glob("*/checkpoint.pt")):
            return
        time.sleep(0.1)
    pytest.fail("no checkpoint came within a minute")


def resumes(work, folder: str) -> None:
    steps = []
    run = work(folder, report=steps.append)
    assert 0 < len(steps) < 8  # it did not start anew
    assert bits(run) == bits(work("undisturbed"))


def test_fault_interrupted_in_jupyter(work, tmp_path, monkeypatch):
    monkeypatch.setenv("SIAMESE_RUNS", str(tmp_path / "jupyter"))
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute(CODE)
        wait_for_checkpoint(tmp_path / "jupyter")
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=60)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        client.execute_interactive("print('the kernel is alive')", timeout=60, output_hook=lambda _: None)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    resumes(work, "jupyter")


def test_fault_interrupted_in_papermill(work, tmp_path):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(CODE)]
    nbformat.write(notebook, tmp_path / "run.ipynb")
    command = [sys.executable, "-m", "papermill", "run.ipynb", "out.ipynb", "--no-progress-bar"]
    environment = os.environ | {"SIAMESE_RUNS": str(tmp_path / "papermill")}
    heeds = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # background shells ignore it
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL, preexec_fn=heeds
    )
    wait_for_checkpoint(tmp_path / "papermill")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    resumes(work, "papermill")
