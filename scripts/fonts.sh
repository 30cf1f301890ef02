#!/bin/sh
# Installs the Debian font packages given as arguments where that is possible without asking for anything. Never fails:
# without them the faces that came from PyPI are used, and the notice says so.
set -u

absent() { # the packages among "$@" that are not installed
    for package in "$@"; do
        case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
        "install ok installed") ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

apt() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 -o Acquire::http::Timeout=30 "$@" </dev/null; }

missing=$(absent "$@")
if [ -z "$missing" ]; then
    echo "Hangul fonts: all $# Debian packages are installed."
    exit 0
fi

as_root="none"
if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        as_root=""
    elif sudo -n true >/dev/null 2>&1; then
        as_root="sudo -n"
    fi
fi
if [ "$as_root" != none ]; then
    # package lists may be absent or old: they are fetched only when the first attempt fails
    apt install -y --no-install-recommends $missing || {
        apt update
        apt install -y --no-install-recommends $missing ||
            for package in $missing; do apt install -y --no-install-recommends "$package"; done # what this release has
    }
    missing=$(absent "$@")
fi
if [ -n "$missing" ]; then
    echo "NOTICE: Debian font packages not installed: ${missing% }. The Hangul faces from PyPI are used instead (fewer faces, other figures)."
    echo "        To install them: sudo apt-get update && sudo apt-get install -y ${missing% }"
fi
exit 0
