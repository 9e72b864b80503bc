#!/usr/bin/env bats
# Nodes in network namespaces of their own; `cluster cut` makes one's network carry nothing.

load helper

setup_file() {
    if unshare --net true 2> /dev/null; then cluster_up --netns; fi
}

setup() {
    requires root netns
    cluster heal 1 2 3
    cluster start 1 2 3
    wait_until 15 mkdir "$A/locks/whole"
    rmdir "$A/locks/whole"
    wait_until 15 ls "$B/locks"
    wait_until 15 ls "$C/locks"
}

@test "the namespaces see each other and nobody else sees them" {
    local url
    url=$(cluster url 2)
    is "$(cluster exec 1 -- curl -s -o /dev/null -w '%{http_code}' "$url/health")" 200 \
        'the answer of node 2 to node 1'
    # Whatever the host routes these addresses to, it is not the node.
    try curl -s -m 2 -H "@$D/.nodes/2/auth" "$url/status"
    [[ $output != *'"role"'* ]] || fail "the node's port is reachable from the host"
}

@test "the minority answers ETIMEDOUT after timeout, can be interrupted before, later at once" {
    local cut rest
    { read -r cut && read -r rest; } < <(others "$(cluster leader)")
    cluster cut "$cut"
    elapsed timeout 1 ls "$D/$cut/locks"
    is "$status" 124 'the status of a call that a signal interrupts'
    between 900 "$elapsed_ms" 2500 'its milliseconds'
    elapsed mkdir "$D/$cut/locks/minority"
    is "$status" 1 'the status of a call of the minority'
    like "$output" 'Connection timed out' 'what it says'
    between 2000 "$elapsed_ms" 8000 'milliseconds until it says so (timeout: 5000)'
    elapsed mkdir "$D/$cut/locks/minority"
    like "$output" 'Connection timed out' 'what the next call says'
    between 0 "$elapsed_ms" 500 'milliseconds until that'
    elapsed flock "$D/$cut/locks/minority" true
    like "$output" 'Connection timed out' 'what flock says'
    between 0 "$elapsed_ms" 500 'milliseconds until that'
    succeeds mkdir "$D/$rest/locks/majority"
    succeeds rmdir "$D/$rest/locks/majority"
    cluster heal "$cut"
    wait_until 10 mkdir "$D/$cut/locks/healed"
    succeeds rmdir "$D/$rest/locks/healed"
    wait_until 5 is_free "$D/$rest/locks/minority"
}

@test "a blocking flock on the cut node can be interrupted before timeout" {
    local cut rest
    { read -r cut && read -r rest; } < <(others "$(cluster leader)")
    cluster cut "$cut"
    elapsed timeout 1 flock "$D/$cut/locks/blocked" true
    is "$status" 124 'the status'
    between 900 "$elapsed_ms" 2500 'its milliseconds'
}

@test "the leader is cut off: the others elect a new one, the old one answers nothing stale" {
    local old
    local -a rest
    old=$(cluster leader)
    mapfile -t rest < <(others "$old")
    succeeds take "$D/$old/locks/old" first
    cluster cut "$old"
    elapsed mkdir "$D/${rest[0]}/locks/new"
    is "$status" 0 'the status on the majority side'
    between 0 "$elapsed_ms" 3000 'milliseconds until the majority serves'
    refuses 'Connection timed out' cat "$D/$old/locks/old"
    refuses 'Connection timed out' stat "$D/$old/locks/new"
    (( $(cluster leader) != old )) || fail 'the old leader is still shown as leader'
    cluster heal "$old"
    wait_until 10 stat "$D/$old/locks/new"
    refuses 'File exists' mkdir "$D/$old/locks/new"
    succeeds rmdir "$D/${rest[1]}/locks/new"
    rm -f "$D/$old/locks/old"
}

@test "a holder that is cut off loses its lock to the majority, and learns it" {
    local cut rest latch=$BATS_TEST_TMPDIR/lost
    { read -r cut && read -r rest; } < <(others "$(cluster leader)")
    background lost lost-holder "$D/$cut/locks/held" "$latch"
    wait_until 10 exists "$latch.ready"
    cluster cut "$cut"
    hold next "$D/$rest/locks/held" -w 30
    : > "$latch.cut"
    : > "$latch.go"
    wait_until 20 has_line "$BATS_TEST_TMPDIR/lost.out" '^flock '
    cluster heal "$cut"
    wait_until 15 ls "$D/$cut/locks"
    rm "$latch.cut"
    wait_until 10 has_waiters "$D/$rest/locks/held" 1
    let_go next
    finish lost
    # While it is cut off the node may still be finding out; healed, it knows.
    like "$output" $'^write E(IO|TIMEDOUT)\nflock E(IO|TIMEDOUT)\nwrite EIO\nfresh ok$' \
        'what the lost handle and a fresh one say'
}

@test "all three cut off from each other: nobody grants; healed: everybody does" {
    local i
    cluster cut 1 2 3
    for i in 1 2 3; do
        background "try$i" mkdir "$D/$i/locks/nobody"
    done
    for i in 1 2 3; do
        finish "try$i" 20
        is "$status" 1 "the status on node $i"
        like "$output" 'Connection timed out' "what node $i says"
    done
    cluster heal 1 2 3
    for i in 1 2 3; do
        wait_until 15 mkdir "$D/$i/locks/again$i"
    done
    wait_until 5 is_free "$A/locks/nobody"
    is "$(ls "$C/locks" | paste -sd ' ')" 'again1 again2 again3' 'what is held'
    succeeds rmdir "$A"/locks/again{1,2,3}
}
