# shellcheck shell=bash
# A redis-server of a suite's own, on a socket that network namespaces do not cut off. Sourced by
# helper.bash. Any suite runs on it with
#     COORDFS_STORE=redis bats tests/bats/100-queues.bats
# and one that is about Redis says `COORDFS_STORE=redis` itself, before cluster_up.

# The word for a Redis of one's own becomes the URL that `cluster up` reads; a URL stays what it is.
redis_up_if_wanted() {
    [[ ${COORDFS_STORE:-} == redis ]] || return 0
    export REDIS_DIR=$BATS_FILE_TMPDIR/redis
    export COORDFS_STORE=redis+unix://$REDIS_DIR/socket
    mkdir -p "$REDIS_DIR"
    redis_start
}

on_redis() { [[ ${COORDFS_STORE:-embedded} != embedded ]]; }

# Durable, as it has to be where nothing that was answered may be lost.
redis_start() {
    rm -f "$REDIS_DIR/socket"
    redis-server --port 0 --unixsocket "$REDIS_DIR/socket" --dir "$REDIS_DIR" --save '' \
        --appendonly yes --appendfsync always >> "$REDIS_DIR/log" 2>&1 < /dev/null 3>&- &
    printf '%s\n' $! > "$REDIS_DIR/pid"
    disown
    wait_until 20 redis PING
}

redis() { redis-cli -s "$REDIS_DIR/socket" "$@" | grep -v '^LOADING'; } # COMMAND...

redis_pid() { cat "$REDIS_DIR/pid"; }

redis_kill() { # SIGKILL: as a crash
    kill -KILL "$(redis_pid)"
    wait_until 10 has_ended "$(redis_pid)"
}

redis_pause() { kill -STOP "$(redis_pid)"; }
redis_resume() { kill -CONT "$(redis_pid)"; }

redis_down() {
    [[ -n ${REDIS_DIR:-} && -f $REDIS_DIR/pid ]] || return 0
    has_ended "$(redis_pid)" || redis_kill
    rm -rf -- "$REDIS_DIR"
}
