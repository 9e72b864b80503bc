# shellcheck shell=bash
# What queues are measured beside: a Redis with two replicas, a NATS JetStream of three, and one
# beanstalkd, on loopback, with their data in $tmp beside coordfs's. Sourced after lib.sh, whose
# `undo` ends them.

readonly peer_base_port=$(( base_port + 300 ))
readonly queue_client=$COORDFS_ROOT/build/release/tests/queue_client

redis_at() { printf '127.0.0.1:%s' $(( peer_base_port + $1 )); }      # I, 1 is the primary
nats_at() { printf '127.0.0.1:%s' $(( peer_base_port + 10 + $1 )); }  # I
beanstalkd_at() { printf '127.0.0.1:%s' $(( peer_base_port + 30 )); }

launch_peer() { # NAME COMMAND...
    local name=$1
    shift
    # shellcheck disable=SC2016 # for the shell that becomes it
    sh -c 'echo $$ > "$0"; exec "$@"' "$tmp/peer-$name.pid" "$@" < /dev/null \
        >> "$tmp/$name.log" 2>&1 &
    disown # its end is ours, and no news
}

peer_fails() { # NAME
    tail -n 5 "$tmp/$1.log" >&2
    die "$1 does not come up"
}

# answers_to HOST:PORT TEXT PATTERN: what it says to TEXT has a line that matches.
answers_to() {
    local line
    exec 9<> "/dev/tcp/${1%:*}/${1#*:}" || return 1
    printf '%s\r\n' "$2" >&9
    while IFS= read -r -t 1 line <&9; do
        # shellcheck disable=SC2254 # a pattern
        case $line in $3) exec 9>&- && return ;; esac
    done
    exec 9>&-
    return 1
} 2> /dev/null

# Each command is in the file, and the file on the disk, when it is answered; replicas likewise.
start_redis() {
    local i
    for i in 1 2 3; do
        mkdir -p "$tmp/redis-$i"
        set -- --bind 127.0.0.1 --port $(( peer_base_port + i )) --dir "$tmp/redis-$i" --save '' \
            --appendonly yes --appendfsync always --logfile ''
        (( i == 1 )) || set -- "$@" --replicaof 127.0.0.1 $(( peer_base_port + 1 ))
        launch_peer "redis-$i" redis-server "$@"
    done
    await 30 answers_to "$(redis_at 1)" INFO 'connected_slaves:2*' || peer_fails redis-1
}

write_nats_config() { # I
    printf '%s\n' "server_name: n$1" "listen: $(nats_at "$1")" \
        "jetstream { store_dir: \"$tmp/nats-$1\", max_file: 20G }" \
        "cluster { name: bench, listen: \"127.0.0.1:$(( peer_base_port + 20 + $1 ))\"" \
        "  routes: [ nats://127.0.0.1:$(( peer_base_port + 21 ))," \
        "            nats://127.0.0.1:$(( peer_base_port + 22 ))," \
        "            nats://127.0.0.1:$(( peer_base_port + 23 )) ] }"
}

# Without a leader the question is not answered.
makes_a_stream() {
    timeout 1 "$queue_client" nats make ready "$(nats_at 1)" > /dev/null 2>&1
}

# A publish is answered when a majority has written it; JetStream syncs its files every 2 minutes.
start_nats() {
    local i
    for i in 1 2 3; do
        write_nats_config "$i" > "$tmp/nats-$i.conf"
        launch_peer "nats-$i" nats-server -c "$tmp/nats-$i.conf"
    done
    await 60 makes_a_stream || peer_fails nats-1
}

start_beanstalkd() {
    mkdir -p "$tmp/beanstalkd"
    launch_peer beanstalkd beanstalkd -l 127.0.0.1 -p $(( peer_base_port + 30 )) \
        -b "$tmp/beanstalkd" -f 0 -z 1048576
    await 30 answers_to "$(beanstalkd_at)" stats 'OK *' || peer_fails beanstalkd
}

# start_peers: those that are installed; leaves their systems in `peers`.
start_peers() {
    peers=()
    (need_packages peers) || note 'going on without what could not be installed'
    if type -P redis-server > /dev/null; then start_redis && peers+=(redis redis-wait); fi
    if type -P nats-server > /dev/null; then start_nats && peers+=(nats); fi
    if type -P beanstalkd > /dev/null; then start_beanstalkd && peers+=(beanstalkd); fi
}

# peer_targets SYSTEM LEADER: leaves in `targets` where its clients go, LEADER's first.
peer_targets() {
    local i
    case $1 in
        redis*) targets=("$(redis_at 1)") ;;
        beanstalkd) targets=("$(beanstalkd_at)") ;;
        nats)
            targets=("$(nats_at "${2#n}")")
            for i in 1 2 3; do [[ n$i == "$2" ]] || targets+=("$(nats_at "$i")"); done
            ;;
    esac
}

peer_versions() {
    local system
    for system in "${peers[@]}"; do
        case $system in
            redis) redis-server --version | cut -d ' ' -f 1-3 ;;
            nats) nats-server --version ;;
            beanstalkd) beanstalkd -v ;;
        esac
    done | paste -sd ';' | sed 's/;/; /g'
}
