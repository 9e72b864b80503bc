# shellcheck shell=bash
# What the scripts of this tree share: say what is done, stop with a reason, wait with a bound, know
# which packages are needed and where a build lies. Sourced after `set -euo pipefail`.

COORDFS_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

note() { printf '%s\n' "$*" >&2; }

# The last words of a script: what is wrong, and what to do next.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Shows a command that changes the machine, then runs it.
cmd() {
    printf '+ %s\n' "$*" >&2
    "$@"
}

as_root() {
    if (( EUID == 0 )); then
        "$@"
    elif ! type -P sudo > /dev/null; then
        die "'$*' needs root and there is no sudo: run this as root"
    elif [[ -t 0 ]]; then
        sudo -- "$@"
    else
        sudo -n -- "$@" # nobody is there to type a password
    fi
}

# await SECONDS COMMAND...: asks until the command succeeds; 1 when the time is over.
await() {
    local until_s=$(( SECONDS + $1 ))
    shift
    until "$@"; do
        (( SECONDS < until_s )) || return 1
        sleep 0.02
    done
}

# --- packages: the one list -----------------------------------------------------------------------

# packages_of build|run|test|bench|peers|caches: the Debian packages that this needs, one a line.
packages_of() {
    local -a names
    case $1 in
        build) names=(gcc libc6-dev cmake ninja-build pkg-config libfuse3-dev libcurl4-gnutls-dev
                      libjansson-dev libmicrohttpd-dev nettle-dev libxxhash-dev liblmdb-dev
                      libhiredis-dev uthash-dev libsystemd-dev) ;;
        # ip and nsenter make the network namespaces of `cluster --netns`.
        run)   names=(fuse3 curl util-linux iproute2 procps) ;;
        test)  names=(libcmocka-dev bats shellcheck attr clang-tidy python3 redis-server
                      git rsync tar vim make ccache file) ;; # programs that work in the files
        bench) names=(etcd-server) ;;
        # What queues are measured beside; a benchmark does without those that cannot be had.
        peers) names=(redis-server nats-server beanstalkd) ;;
        caches) names=(redis-server memcached) ;; # likewise cache/
        *)     die "no package list '$1': build, run, test, bench, peers and caches are" ;;
    esac
    printf '%s\n' "${names[@]}"
}

# missing_packages LIST...: those of the lists that dpkg does not know as installed. Asks no
# network, so that a second run costs milliseconds.
missing_packages() {
    local list
    local -a names=()
    for list; do
        mapfile -t -O "${#names[@]}" names < <(packages_of "$list")
    done
    # dpkg-query fails when it knows nothing of a name; what it does know it still prints.
    { dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${names[@]}" 2> /dev/null || true; } |
        awk -v wanted="${names[*]}" '
            $1 == "installed" { have[$2] = 1 }
            END {
                n = split(wanted, name, " ")
                for (i = 1; i <= n; i++) if (!have[name[i]]) print name[i]
            }'
}

need_packages() {
    local -a missing
    type -P dpkg-query apt-get > /dev/null ||
        die "this needs Debian 12 or a relative; elsewhere install by hand: $(
            for list; do packages_of "$list"; done | tr '\n' ' ')"
    mapfile -t missing < <(missing_packages "$@")
    (( ${#missing[@]} )) || return 0
    as_root "$COORDFS_ROOT/mount-scripts/install-deps" --packages "${missing[@]}"
}

# --- builds ---------------------------------------------------------------------------------------

# build_preset PRESET: configures where that was not done, compiles what changed.
build_preset() {
    local dir=$COORDFS_ROOT/build/$1
    if [[ ! -f $dir/build.ninja ]]; then
        (cd "$COORDFS_ROOT" && cmake --preset "$1")
    fi
    cmake --build "$dir"
}

# quietly LOG COMMAND...: output goes to LOG, and to the screen only when the command fails. Input
# stays what it is: sudo(8) asks for a password only where there is a terminal.
quietly() {
    local log=$1
    shift
    if ! "$@" > "$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "'$*' failed; its whole output is in $log"
    fi
}
