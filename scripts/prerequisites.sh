#!/bin/sh
# Checks what a bare Debian or Ubuntu lacks. Usage: prerequisites.sh [PYTHON]. Names everything missing in one message and exits with 1.
set -u
python=${1:-python3}
missing=""
for tool in git make g++; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
if ! command -v "$python" >/dev/null 2>&1; then
    missing="$missing $python python3-venv python3-dev"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: $python is $("$python" -V 2>&1), siamese_lib needs 3.11 or newer; name another one: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
else
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    # torch.compile builds against the headers of the interpreter in use
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
        missing="$missing python3-dev"
fi
[ -z "$missing" ] && exit 0
echo "error: not found:$missing. On Debian or Ubuntu: apt-get install git make python3-venv python3-dev g++ (as root, or with sudo)" >&2
exit 1
