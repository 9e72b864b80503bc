#!/usr/bin/env bats
# Nodes that are killed, paused and stopped. Exclusion is judged by local files outside the mounts
# (fixtures/worker), never by what the cluster says about itself.

load helper

setup_file() { cluster_up; }

# Every test may leave nodes down.
setup() { cluster start 1 2 3; }

@test "kill -9 of the leader under load, ten times: one holder, nothing lost, back in a second" {
    local round leader
    local -a rest times=()
    for round in 1 2 3 4 5 6 7 8 9 10; do
        leader=$(cluster leader)
        mapfile -t rest < <(others "$leader")
        start_workers "${rest[@]}"
        workers_get_on
        kill -KILL "$(cluster pid "$leader")"
        elapsed mkdir "$D/${rest[0]}/locks/probe"
        is "$status" 0 "the status of an acquire in round $round"
        times+=("$elapsed_ms")
        workers_get_on
        stop_workers
        cluster kill "$leader"
        cluster start "$leader"
        rmdir "$D/$leader/locks/probe"
    done
    tokens_grow
    mapfile -t times < <(printf '%s\n' "${times[@]}" | sort -n)
    printf '# locks available after the leader'"'"'s death: median %s ms, all: %s\n' \
        "${times[4]}" "${times[*]}" >&3
    between 0 "${times[4]}" 1000 'the median in milliseconds'
}

@test "the leader stands still: the others elect a new one, and exclusion holds when it wakes up" {
    local leader
    local -a rest
    leader=$(cluster leader)
    mapfile -t rest < <(others "$leader")
    start_workers "${rest[@]}"
    workers_get_on
    cluster pause "$leader"
    workers_get_on
    cluster resume "$leader"
    workers_get_on
    stop_workers
    tokens_grow
    succeeds ls "$D/$leader/locks"
}

@test "a follower killed and started again catches up" {
    local follower i
    local -a rest
    mapfile -t rest < <(others "$(cluster leader)")
    follower=${rest[0]}
    cluster kill "$follower"
    for i in 1 2 3 4 5 6 7 8; do
        succeeds take "$D/${rest[1]}/locks/meanwhile$i" "$i"
    done
    cluster start "$follower"
    is "$(cat "$D/$follower"/locks/meanwhile* | paste -sd ' ')" '1 2 3 4 5 6 7 8' 'what it reads'
    refuses 'cannot overwrite existing file' take "$D/$follower/locks/meanwhile1"
    succeeds rm "$D/$follower"/locks/meanwhile{1..8}
    is "$(ls "$D/${rest[1]}/locks")" '' 'what is left'
}

@test "the whole cluster killed and started again: lockfiles are held, tokens go on growing" {
    local i here
    local -a before=()
    for i in 1 2 3; do
        succeeds take "$D/$i/locks/kept$i" "content $i"
        before[i]=$(token "$D/$i/locks/kept$i")
    done
    succeeds mkdir "$A/locks/kept-dir"
    hold h "$B/locks/flocked"
    cluster kill 1 2 3
    cluster start 1 2 3
    for here in "$A" "$B" "$C"; do
        for i in 1 2 3; do
            is "$(cat "$here/locks/kept$i")" "content $i" "the content in $here"
            is "$(token "$here/locks/kept$i")" "${before[i]}" "the token in $here"
            refuses 'cannot overwrite existing file' take "$here/locks/kept$i"
        done
        refuses 'File exists' mkdir "$here/locks/kept-dir"
    done
    # What belonged to a descriptor of the dead daemon is released once its node is back.
    succeeds flock -w 5 "$A/locks/flocked" true
    for i in 1 2 3; do
        succeeds rm "$B/locks/kept$i"
        succeeds take "$C/locks/kept$i"
        (( $(token "$A/locks/kept$i") > before[i] )) || fail 'the token did not grow'
        succeeds rm "$A/locks/kept$i"
    done
    succeeds rmdir "$C/locks/kept-dir"
}

@test "a node's death: what it held is refused at first, and free when its session has ended" {
    local holder begin
    local -a rest
    mapfile -t rest < <(others "$(cluster leader)")
    holder=${rest[0]}
    succeeds take "$D/$holder/locks/dead-file"
    hold h "$D/$holder/locks/dead-flock"
    begin=$(now_ms)
    cluster kill "$holder"
    refuses 'cannot overwrite existing file' take "$D/${rest[1]}/locks/dead-file"
    try flock -n "$D/${rest[1]}/locks/dead-flock" true
    is "$status" 1 'the status of a waiter that does not wait'
    succeeds flock -w 30 "$D/${rest[1]}/locks/dead-flock" true
    between 2000 $(( $(now_ms) - begin )) 12000 'milliseconds until the lock was granted'
    wait_until 5 take "$D/${rest[1]}/locks/dead-file"
    succeeds rm "$D/${rest[1]}/locks/dead-file"
}

@test "a node that stood still past its session: its handles answer EIO, fresh ones work" {
    local holder latch=$BATS_TEST_TMPDIR/lost
    local -a rest
    mapfile -t rest < <(others "$(cluster leader)")
    holder=${rest[0]}
    background lost lost-holder "$D/$holder/locks/lost" "$latch"
    wait_until 10 exists "$latch.ready"
    local before
    before=$(token "$D/${rest[1]}/locks/lost")
    cluster pause "$holder"
    hold next "$D/${rest[1]}/locks/lost" -w 30
    (( $(token "$D/${rest[1]}/locks/lost") > before )) || fail 'the token did not grow'
    cluster resume "$holder"
    : > "$latch.go"
    wait_until 10 has_lines "$BATS_TEST_TMPDIR/lost.out" 3 || true
    let_go next
    finish lost
    is "$output" $'write EIO\nflock EIO\nwrite EIO\nfresh ok' 'what the handles say'
}

@test "a clean stop releases at once what the node holds" {
    local holder
    local -a rest
    mapfile -t rest < <(others "$(cluster leader)")
    holder=${rest[0]}
    succeeds take "$D/$holder/locks/leaving"
    cluster stop "$holder"
    succeeds take "$D/${rest[1]}/locks/leaving"
    succeeds rm "$D/${rest[1]}/locks/leaving"
}

@test "a waiter whose own daemon dies gets an error, not a hang" {
    local node
    local -a rest
    mapfile -t rest < <(others "$(cluster leader)")
    node=${rest[0]}
    hold h "$D/${rest[1]}/locks/orphan"
    background waiter flock "$D/$node/locks/orphan" true
    wait_until 10 has_waiters "$D/${rest[1]}/locks/orphan" 1
    cluster kill "$node"
    finish waiter 10
    (( status != 0 )) || fail 'the waiter says that it got the lock'
    let_go h
    # Its place in the queue ends with the session of its node at the latest.
    succeeds flock -w 15 "$D/${rest[1]}/locks/orphan" true
}

@test "without a majority nothing is granted; with it everything goes on" {
    local last
    local -a rest
    last=$(cluster leader)
    mapfile -t rest < <(others "$last")
    cluster kill "${rest[@]}"
    refuses 'Connection timed out' mkdir "$D/$last/locks/alone"
    refuses 'Connection timed out' ls "$D/$last/locks"
    cluster start "${rest[@]}"
    wait_until 10 mkdir "$D/$last/locks/again"
    refuses 'File exists' mkdir "$D/${rest[0]}/locks/again"
    # Should the call have taken its lock after all, it is given back by now.
    wait_until 5 is_free "$D/${rest[1]}/locks/alone"
    succeeds rmdir "$D/${rest[0]}/locks/again"
}
