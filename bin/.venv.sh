# Sourced by the commands in bin/: finds a Python, and installs the locked packages into `.venv`.
# shellcheck shell=sh

root=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")/.." && pwd)
venv=$root/.venv

say() { printf '%s\n' "$*" >&2; }

find_python() {
    newest_seen='' without_pip=''
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            newest_seen=$("$candidate" --version 2>&1)
        elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            without_pip=$candidate
        else
            python=$candidate
            return
        fi
    done
    if [ -n "$without_pip" ]; then
        say "Python lacks its venv module (ensurepip): install it (on Debian and Ubuntu: apt install python3-venv), then run this again."
    else
        say "Relais needs Python 3.11 or newer, and this machine has ${newest_seen:-no Python 3}: install it (on Debian: apt install python3 python3-venv), then run this again."
    fi
    exit 1
}

# make_venv runtime|dev
make_venv() {
    find_python
    "$python" "$root/bin/.make_venv.py" "$1"
    "$venv/bin/python" -P -m relais.web.translations compile
}
