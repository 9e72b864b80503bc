#!/usr/bin/env bats
# cache/ when nodes stand still, die, or are cut off: no old value beyond a lease, and nobody waits
# for the dead for longer than that.

load helper

setup_file() { cluster_up; }

teardown() {
    cluster start 1 2 3
    common_teardown
}

# Until it cannot, or there is a file `over` in the test's directory.
rename_on() { # DIR NAME
    exec python3 -c '
import os, sys
where, name, over = sys.argv[1:]
os.chdir(where)
while not os.path.exists(over):
    try:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
        os.rename(name, "renamed")
        os.stat("seen")
    except FileNotFoundError:
        pass
' "$1" "$2" "$BATS_TEST_TMPDIR/over"
}

rename_no_more() {
    local node i
    touch "$BATS_TEST_TMPDIR/over"
    for node in 2 3; do
        for i in 1 2 3 4 5 6 7 8; do finish "w$node.$i" 20; done
    done
    rm "$BATS_TEST_TMPDIR/over"
}

@test "a node whose daemon stands still gives no old value once its lease is over" {
    printf 'old\n' > "$A/cache/k"
    is "$(cat "$B/cache/k")" old 'the value'
    cluster pause 2
    elapsed dash -c 'echo new > "$1"' _ "$A/cache/k"
    between 0 "$elapsed_ms" 4000 'the milliseconds that the writer waited for the lease'
    background reader cat "$B/cache/k"
    sleep 1.2
    still_runs reader || fail 'it should wait for its daemon'
    cluster resume 2
    finish reader
    is "$output" new 'what the reader got'
}

# While a change waits for a node that stands still, what was answered before it is what there is.
@test "what was answered is read, however long the next change takes" {
    local log
    head -c 5000 /dev/zero > "$A/cache/log"
    exec {log}< "$A/cache/log"
    is "$(wc -c <&"$log")" 5000 'what node 1 reads'
    head -c 5000 /dev/zero >> "$B/cache/log"
    is "$(wc -c < "$C/cache/log")" 10000 'what node 3 reads'
    cluster pause 3
    background writer dash -c 'head -c 5000 /dev/zero >> "$1"' _ "$B/cache/log"
    while still_runs writer; do
        succeeds python3 -c '
import os, sys
log = int(sys.argv[1])
print(os.fstat(log).st_size >= 10000, len(os.pread(log, 20000, 0)) >= 10000)' "$log"
        is "$output" 'True True' 'whether size and bytes are there'
    done
    exec {log}<&-
    cluster resume 3
    finish writer
    is "$status" 0 'the write'
}

@test "a writer waits no longer than a lease for a node that was killed" {
    printf 'old\n' > "$A/cache/k"
    is "$(cat "$C/cache/k")" old 'the value'
    cluster kill 3
    elapsed dash -c 'echo new > "$1"' _ "$A/cache/k"
    is "$status" 0 'the write'
    between 0 "$elapsed_ms" 6000 'the milliseconds that it took'
    is "$(cat "$B/cache/k")" new 'the value'
    cluster start 3
    is "$(cat "$C/cache/k")" new 'on the node that is back'
}

# By getcwd(2) alone: pwd(1) would search the parents, which brings the directory back.
cwd() { python3 -c 'import os; print(os.getcwd())'; }

@test "who works in a directory finds out where he is after a node that led was killed" {
    local round
    mkdir "$A/cache/p"
    cd "$A/cache/p"
    for round in 1 2; do
        touch "f$round"
        cluster kill 2
        touch "g$round"
        is "$(cwd)" "$A/cache/p" 'the directory'
        cluster start 2
        cluster kill 3
        touch "h$round"
        is "$(cwd)" "$A/cache/p" 'the directory'
        cluster start 3
    done
    cd /
}

lapses() { awk '$1 == "lapses" { print $2 }' "$A/.coordfs/cache"; }

has_lapsed() { (( $(lapses) > $1 )); } # COUNT

# Who works there is a process of its own: this shell would look at its directory while that hangs.
@test "and after its own node stood still for longer than its lease" {
    local before
    mkdir "$A/cache/own"
    mkfifo "$BATS_TEST_TMPDIR/go"
    background worker python3 -c '
import os, sys
os.chdir(sys.argv[1])
open("f", "w").close()
with open(sys.argv[2]): pass
print(os.getcwd())' "$A/cache/own" "$BATS_TEST_TMPDIR/go"
    wait_until 10 exists "$B/cache/own/f"
    before=$(lapses)
    cluster pause 1
    touch "$B/cache/own/g" # which waits until the lease is over
    cluster resume 1
    wait_until 20 has_lapsed "$before"
    stat "$A/cache" # which waits until the names in it are forgotten
    : > "$BATS_TEST_TMPDIR/go"
    finish worker
    is "$output" "$A/cache/own" 'the directory'
}

# Renames have the directory's lock while they wait, and notifications wait for that.
lets_go_when() { # COMMAND...: that ends the daemon of node 1
    local node i
    mkdir "$B/cache/r$BATS_TEST_NUMBER"
    for node in 1 2 3; do
        for i in 1 2 3 4 5 6 7 8; do
            background "w$node.$i" rename_on "$D/$node/cache/r$BATS_TEST_NUMBER" "$node.$i"
        done
    done
    for i in 1 2 3; do
        wait_until 10 exists "$B/cache/r$BATS_TEST_NUMBER/renamed"
        mv "$B/cache/r$BATS_TEST_NUMBER"/{renamed,seen}
    done
    "$@"
    for i in 1 2 3 4 5 6 7 8; do finish "w1.$i" 10; done
    rename_no_more
    cluster kill 1 # and what is left of its mount
    cluster start 1
    rm -r "$B/cache/r$BATS_TEST_NUMBER"
}

@test "whoever is at work in cache/ is let go when the node's daemon is killed" {
    lets_go_when cluster kill 1
    lets_go_when cluster kill 1
}

@test "and when it is stopped" {
    lets_go_when cluster stop 1
    lets_go_when cluster stop 1
}

@test "and when it crashes" {
    lets_go_when kill -ABRT "$(cluster pid 1)"
}

@test "values survive the death of every node, one after the other" {
    local n
    for n in 1 2 3; do
        printf '%s\n' "$n" > "$A/cache/v$n"
        cluster kill "$n"
        cluster start "$n"
    done
    for n in 1 2 3; do
        is "$(cat "$B/cache/v$n")" "$n" "value $n"
    done
}

@test "without a majority calls end with an error, and answer again with one" {
    printf 'x\n' > "$A/cache/m"
    cluster kill 2
    cluster kill 3
    refuses 'timed out' bash -c 'echo y > "$1"' _ "$A/cache/m"
    cluster start 2 3
    wait_until 20 dash -c 'echo z > "$1"' _ "$A/cache/m"
    is "$(cat "$C/cache/m")" z 'the value'
}

@test "a process that waits in cache/ can be killed" {
    printf 'x\n' > "$A/cache/w"
    is "$(cat "$A/cache/w")" x 'the value'
    cluster kill 2
    cluster kill 3
    background writer dd if=/dev/zero of="$A/cache/w" bs=10 count=1 conv=notrunc
    sleep 0.5
    kill -TERM "${background_pid[writer]}"
    finish writer 3
}

@test "the mount of cache/ comes back when it alone was taken away, whatever it was being told" {
    requires root
    local i
    printf 'x\n' > "$A/cache/u"
    background changer bash -c '
        while [[ ! -e $2 ]]; do echo y > "$1" && mv "$1" "$1.moved" && mv "$1.moved" "$1"; done' \
        _ "$B/cache/v" "$BATS_TEST_TMPDIR/over"
    for i in 1 2 3; do
        wait_until 10 grep -q y "$A/cache/v"
        umount -i "$A/cache"
        wait_until 10 grep -qF " $A/cache " /proc/self/mountinfo
        is "$(timeout 20 cat "$A/cache/u")" x 'the value'
    done
    touch "$BATS_TEST_TMPDIR/over"
    finish changer
}
