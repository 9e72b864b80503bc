#!/usr/bin/env bats
# A full disk: what adds is refused at once with ENOSPC, what frees goes on, a leader hands on to a
# node that has room, and all heals by itself when there is space. Each node's data lie on a small
# filesystem of their own.

load helper

readonly disk_kb=57344 # the log's segment, the next one, a checkpoint

setup_file() {
    requires root
    cluster_up
    cluster stop 1 2 3
    local i
    for i in 1 2 3; do
        mv "$D/.nodes/$i/data" "$D/.nodes/$i/before"
        mkdir "$D/.nodes/$i/data"
        mount -t tmpfs -o "size=${disk_kb}k,mode=700" coordfs-test "$D/.nodes/$i/data"
        cp -a "$D/.nodes/$i/before/." "$D/.nodes/$i/data"
    done
    cluster start 1 2 3
}

teardown_file() {
    [[ -n ${D:-} && -d $D/.nodes ]] || return 0
    local i
    cluster stop 1 2 3 || cluster kill 1 2 3 || true
    for i in 1 2 3; do umount -l "$D/.nodes/$i/data" || true; done
    cluster_down
}

teardown() {
    empty 1 2 3
    wait_until 20 none_says_full
    common_teardown
}

fill() { # NODE...: no byte is left
    local i
    for i; do
        dd if=/dev/zero of="$D/.nodes/$i/data/ballast" bs=64k status=none 2> /dev/null || true
    done
}

empty() { # NODE...
    local i
    for i; do rm -f "$D/.nodes/$i/data/ballast"; done
}

says_full() { # NODE...: it has noticed, and not yet that there is room again
    local i
    for i; do
        grep -E 'is full: the node takes nothing new|has room again' "$D/.nodes/$i/log" |
            tail -n 1 | grep -q 'is full' || return 1
    done
}

none_says_full() { ! says_full 1 && ! says_full 2 && ! says_full 3; }

# Content until the nodes want their next segment, which is when half of the last one is used.
write_until_full() { # NODE...
    local i
    for (( i = 0; i < 600; i++ )); do
        if says_full "$@"; then return 0; fi
        head -c 65536 /dev/zero > "$BATS_TEST_TMPDIR/content"
        if cp "$BATS_TEST_TMPDIR/content" "$A/locks/bulk" 2> /dev/null; then :; fi
        rm -f "$A/locks/bulk"
    done
    fail "nodes $* found no full disk"
}

can_take() { take "$1" 2> /dev/null; } # PATH

leads_elsewhere() { [[ $(cluster leader) != "$1" ]]; }

@test "a leader with a full disk hands on, and nobody is refused" {
    local leader
    leader=$(cluster leader)
    succeeds take "$A/locks/before" kept
    fill "$leader"
    write_until_full "$leader"
    wait_until 10 leads_elsewhere "$leader"
    succeeds take "$A/locks/during"
    succeeds take "$D/$leader/locks/through-the-full-one"
    succeeds rm "$B/locks/during" "$C/locks/through-the-full-one"
    is "$(cat "$D/$leader/locks/before")" kept 'what was there'
    succeeds rm "$C/locks/before"
}

@test "all disks full: what adds gets ENOSPC at once, what frees goes on, and it heals by itself" {
    succeeds take "$A/locks/one" first
    succeeds take "$B/locks/two" second
    fill 1 2 3
    write_until_full 1 2 3
    elapsed take "$C/locks/three"
    like "$output" 'No space left on device' 'what it says'
    between 0 "$elapsed_ms" 2000 'ms until it was refused'
    refuses 'No space left on device' mkdir "$A/locks/four"
    try "$CLUSTER" curl 2 --dir "$D" '/lock/five?lock_type=exclusive' -X POST
    like "$output" '"code": *"no_space"' 'the answer over HTTP'
    is "$(cat "$C/locks/one")" first 'what is read'
    succeeds rm "$B/locks/one"
    is_free "$A/locks/one" || fail 'what was removed is still there'
    no_node_is_missing

    empty 1 2 3
    wait_until 20 can_take "$C/locks/three"
    is "$(cat "$A/locks/two")" second 'what was held all the time'
    succeeds rm "$A/locks/two" "$A/locks/three"
}

@test "a node that was killed on its full disk comes back to it, and loses nothing" {
    local leader victim
    leader=$(cluster leader)
    mapfile -t rest < <(others "$leader")
    victim=${rest[0]}
    succeeds take "$D/$leader/locks/kept" kept
    fill "$victim"
    write_until_full "$victim"
    cluster kill "$victim"
    cluster start "$victim"
    is "$(cat "$D/$victim/locks/kept")" kept 'the content seen on the node with a full disk'
    empty "$victim"
    succeeds rm "$D/$victim/locks/kept"
}
