# shellcheck shell=bash
# What the scripts share: the virtual environment of this checkout, made when something it depends on
# has changed, and Debian packages. To be sourced; says nothing when there is nothing to do.

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd -P)
venv=$root/.venv
setup_log=$root/.cache/setup.log

say() { printf 'trireme: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# Version, place and headers of a Python, one line; fails for anything older than 3.11.
describe_python() {
    "$1" -IS -c '
import os, sys, sysconfig
headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
print(sys.version.split()[0], sys.base_prefix, "headers" if headers else "no-headers")
sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        describe_python "$PYTHON" >/dev/null ||
            die "PYTHON=$PYTHON is not a Python of version 3.11 or later: unset it or name another"
        command -v "$PYTHON"
        return
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if describe_python "$candidate" >/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    die "Python 3.11 or later is needed: install it (Debian 12 or later: apt-get install python3)" \
        "or name it with PYTHON=/path/to/python3"
}

# What the environment was made from. Fails when there is no environment.
fingerprint() {
    local about
    about=$(describe_python "$venv/bin/python") || return 1
    if [ -n "${PYTHON:-}" ] && [ "$(describe_python "$PYTHON")" != "$about" ]; then
        return 1
    fi
    {
        printf '%s\n' "$1" "$root" "$about" "$(command -v cc gcc)"
        cat "$root/pyproject.toml" "$root/scripts/environment.sh" "$root"/registry/digest/*.[ch]
    } | sha256sum
}

is_prepared() {
    local now
    now=$(fingerprint "$1") && [ "$now" = "$(cat "$venv/made-for-$1" 2>/dev/null)" ]
}

# prepare run|test: an environment to run the registry, or to test and lint it as well.
# Of several callers at once, one does the work and the others wait.
prepare() {
    if is_prepared "$1"; then
        return
    fi
    mkdir -p "$root/.cache"
    exec 9>"$root/.cache/setup.lock"
    flock 9
    if ! is_prepared "$1"; then
        make_environment "$1"
    fi
    exec 9>&-
}

make_environment() {
    local kind=$1 python native
    python=$(find_python)
    : >"$setup_log"
    rm -f "$root/.cache/async-clean" # what scripts/check remembers holds for one set of tools
    if ! is_usable "$python"; then
        make_venv "$python"
    fi
    say "installing into .venv, which takes a minute the first time"
    install_headers "$(describe_python "$venv/bin/python")"
    rm -f "$root"/registry/digest/_native*.so # one of other sources must not outlive a failed build
    if [ "$kind" = test ]; then
        run_pip --upgrade 'pip>=25.1' # older ones do not know --group
        run_pip --editable "$root" --group "$root/pyproject.toml:test" \
            --group "$root/pyproject.toml:lint"
    else
        run_pip --editable "$root"
    fi
    native='import registry.digest._native'
    if ! "$venv/bin/python" -I -c "$native" >>"$setup_log" 2>&1; then
        say "the native digest module could not be built, so slower ones are used:" \
            "for the fast one install a C compiler and Python's headers" \
            "(Debian: apt-get install gcc libc6-dev python3-dev) and start again"
    fi
    fingerprint run >"$venv/made-for-run"
    if [ "$kind" = test ]; then
        fingerprint test >"$venv/made-for-test"
    fi
}

# The environment works, was made here, and has the Python that PYTHON asks for.
is_usable() {
    [ "$(cat "$venv/made-in" 2>/dev/null)" = "$root" ] || return 1
    "$venv/bin/python" -I -c 'import pip' 2>/dev/null || return 1
    [ -z "${PYTHON:-}" ] || [ "$(describe_python "$1")" = "$(describe_python "$venv/bin/python")" ]
}

make_venv() {
    if ! "$1" -I -c 'import ensurepip, venv' 2>/dev/null; then
        case $(readlink -f "$1") in
            /usr/bin/python3*) install_debian python3-venv ;;
            *) die "$1 has no venv and ensurepip: install them, or name another with PYTHON" ;;
        esac
    fi
    rm -rf "$venv"
    "$1" -m venv "$venv" >>"$setup_log" 2>&1 ||
        die "$1 -m venv $venv failed: $(tail -n 3 "$setup_log")"
    printf '%s\n' "$root" >"$venv/made-in"
}

# Debian's Python comes without the headers a native module needs.
install_headers() {
    case $1 in
        *' /usr no-headers') ;;
        *) return ;;
    esac
    if is_root && command -v gcc apt-get >/dev/null; then
        install_debian python3-dev
    fi
}

run_pip() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" \
        >>"$setup_log" 2>&1 || {
        tail -n 20 "$setup_log" >&2
        die "pip install $* failed, see the lines above; all of it is in $setup_log"
    }
}

# install_debian PACKAGE...: as root; anyone else is told the command.
install_debian() {
    command -v apt-get >/dev/null || die "$* is needed: install it with this system's own tools"
    is_root || die "$* is needed, run: sudo apt-get install $*"
    say "installing Debian's $*"
    mkdir -p "$root/.cache"
    without_starting_services try_debian "$@" ||
        die "apt-get could not install $*: $(tail -n 3 "$setup_log")"
}

try_debian() {
    local command=(apt-get install --yes --quiet --no-install-recommends "$@")
    DEBIAN_FRONTEND=noninteractive "${command[@]}" >>"$setup_log" 2>&1 && return
    apt-get update --quiet >>"$setup_log" 2>&1
    DEBIAN_FRONTEND=noninteractive "${command[@]}" >>"$setup_log" 2>&1
}

# Packages of servers start them, on the very ports that are wanted here: Debian asks this file.
without_starting_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    "$@" || status=$?
    rm -f "$policy"
    return "$status"
}
