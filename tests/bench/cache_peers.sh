# shellcheck shell=bash
# What cache/ is measured beside: a Redis and a memcached that keep everything in memory alone, on
# unix sockets in $ram; and a second one of each that stays on one core: -pinned with its client,
# -apart with its client on another. Sourced after lib.sh, whose `undo` ends them, and peers.sh.

readonly cache_client=$COORDFS_ROOT/build/release/tests/cache_client

# shellcheck disable=SC2154 # of lib.sh and of who asks
socket() { printf '%s/%s.sock' "$ram" "${1/%-apart/-pinned}"; } # SYSTEM

# Of the cores that we may use.
first_core() { taskset -cp $$ | sed 's/.*: //; s/[,-].*//'; }
last_core() { taskset -cp $$ | sed 's/.*[ ,-]//'; }

# gets_from SYSTEM BYTES: prints a line of `cache_client get`.
gets_from() {
    local -a command=("$cache_client" "${1%-*}" get "$seconds" "$2" "$(socket "$1")")
    case $1 in
        *-pinned) taskset -c "$(first_core)" "${command[@]}" ;;
        *-apart) taskset -c "$(last_core)" "${command[@]}" ;;
        *) "${command[@]}" ;;
    esac
}

answers_on_socket() { # SYSTEM
    "$cache_client" "${1%-*}" get 0.001 100 "$(socket "$1")" > /dev/null 2>&1
}

launch_cache() { # SYSTEM
    local at
    local -a command=()
    at=$(socket "$1")
    [[ $1 != *-pinned ]] || command=(taskset -c "$(first_core)")
    case $1 in
        redis*) command+=(redis-server --port 0 --unixsocket "$at" --save '' --appendonly no
                          --dir "$ram") ;;
        # 2 MiB for a value of one and its head; of root it wants to hear a name.
        memcached*) command+=(memcached -s "$at" -I 2m -m 64 -u "$(id -un)") ;;
    esac
    launch_peer "$1" "${command[@]}"
    await 30 answers_on_socket "$1" || peer_fails "$1"
}

# start_caches SYSTEM...: those that are installed; leaves their systems in `caches`.
start_caches() {
    local system
    caches=()
    (( $# )) || return 0
    (need_packages caches) || note 'going on without what could not be installed'
    for system; do
        case $system in
            redis) type -P redis-server > /dev/null || continue ;;
            memcached) type -P memcached > /dev/null || continue ;;
            *) die "no system '$system': file, tmpfs, redis and memcached are" ;;
        esac
        launch_cache "$system"
        launch_cache "$system-pinned"
        caches+=("$system" "$system-pinned")
        [[ $(first_core) == "$(last_core)" ]] || caches+=("$system-apart")
    done
}

cache_versions() {
    local system
    for system in "${caches[@]}"; do
        case $system in
            redis) redis-server --version | cut -d ' ' -f 1-3 ;;
            memcached) memcached -V ;;
        esac
    done | paste -sd ';' | sed 's/;/; /g'
}
