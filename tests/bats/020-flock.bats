#!/usr/bin/env bats
# flock(2) and flock(1) on locks/: as on a local filesystem, but across nodes.

load helper

setup_file() {
    cluster_up
    # Debian's default; some machines have 0. With 2, the kernel refuses O_CREAT of another user's
    # file in a sticky directory that all may write: locks/ must not be one.
    if (( EUID == 0 )); then
        sysctl -n fs.protected_regular > "$BATS_FILE_TMPDIR/protected_regular"
        sysctl -q -w fs.protected_regular=2
    fi
}

teardown_file() {
    if [[ -f $BATS_FILE_TMPDIR/protected_regular ]]; then
        sysctl -q -w "fs.protected_regular=$(< "$BATS_FILE_TMPDIR/protected_regular")"
    fi
    cluster_down
}

@test "flock runs a command under the lock and hands on its status" {
    succeeds flock "$A/locks/run" true
    try flock "$A/locks/run" sh -c 'exit 7'
    is "$status" 7 'the status'
    is_free "$A/locks/run" || fail 'the name exists although nothing is held'
}

@test "flock -n: refused while another node holds, granted when it has let go" {
    hold h "$A/locks/n"
    try flock -n "$B/locks/n" true
    is "$status" 1 'the status on another node'
    try flock -n "$A/locks/n" true
    is "$status" 1 'the status on the same node'
    try flock -n -E 42 "$C/locks/n" true
    is "$status" 42 'the status chosen with -E'
    let_go h
    succeeds flock -n "$C/locks/n" true
}

@test "a lock held through flock exists, and has no content" {
    hold h "$A/locks/seen"
    exists "$B/locks/seen" || fail 'the name does not exist on another node'
    is "$(cat "$B/locks/seen")" '' 'the content'
    is "$(attribute "$C/locks/seen" mode)" exclusive 'the mode'
    like "$(attribute "$C/locks/seen" holder)" '^1:[0-9]+$' 'the holder'
    refuses 'cannot overwrite existing file' take "$C/locks/seen"
    let_go h
    is_free "$B/locks/seen" || fail 'the name exists after the last close'
}

@test "the exclusive holder writes content through its descriptor" {
    bash -c 'exec 9> "$1"; flock 9; printf "step 1\n" >&9; cat "$2"' _ \
        "$A/locks/progress" "$B/locks/progress" > "$BATS_TEST_TMPDIR/seen"
    is "$(< "$BATS_TEST_TMPDIR/seen")" 'step 1' 'the content as another node reads it'
    refuses 'No locks available' \
        bash -c 'exec 9> "$1"; flock -s 9; printf "step 2\n" >&9' _ "$A/locks/progress"
}

@test "flock on a directory is refused: the kernel would grant it on this node alone" {
    local dir
    succeeds mkdir "$A/locks/d"
    for dir in "$A/locks/d" "$B/locks/d" "$C/locks"; do
        refuses 'Is a directory' flock -n "$dir" true
        refuses 'Is a directory' bash -c 'exec 9< "$1"; flock -n 9' _ "$dir"
        refuses 'IsADirectoryError' python3 -c 'import os, sys; os.open(sys.argv[1], os.O_RDONLY)' \
            "$dir"
    done
    succeeds rmdir "$B/locks/d"
}

@test "directories are read, entered and searched as any" {
    local dir
    succeeds mkdir "$A/locks/d"
    for dir in "$A/locks/d" "$B/locks/d" "$C/locks"; do
        succeeds ls -la "$dir"
        succeeds find "$dir"
        succeeds bash -c 'cd "$1" && ls && printf "%s " * && pwd -P' _ "$dir"
        succeeds python3 -c '
import os, sys
print(os.listdir(sys.argv[1]), [entry.name for entry in os.scandir(sys.argv[1])])
os.fsync(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY))' "$dir"
        succeeds tar -cf /dev/null -C "$dir" .
    done
    succeeds rmdir "$B/locks/d"
}

@test "flock -s: any number share, an exclusive request waits for all of them" {
    hold one "$A/locks/s" -s
    hold two "$B/locks/s" -s
    is "$(attribute "$C/locks/s" mode)" shared 'the mode'
    succeeds flock -n -s "$C/locks/s" true
    try flock -n "$C/locks/s" true
    is "$status" 1 'the status of an exclusive request'
    let_go one
    try flock -n "$A/locks/s" true
    is "$status" 1 'the status while one still shares'
    let_go two
    succeeds flock -n "$A/locks/s" true
}

@test "flock -w 1 gives up after a second, and leaves no trace in the queue" {
    hold h "$A/locks/w"
    elapsed flock -w 1 "$B/locks/w" true
    is "$status" 1 'the status'
    between 900 "$elapsed_ms" 2500 'the wait in milliseconds'
    has_waiters "$A/locks/w" 0 || fail 'the waiter is still counted'
    let_go h
    succeeds flock -n "$C/locks/w" true
}

@test "flock -w waits no longer than needed" {
    hold h "$A/locks/w2"
    background waiter flock -w 20 "$B/locks/w2" true
    wait_until 10 has_waiters "$A/locks/w2" 1
    let_go h
    finish waiter 5
    is "$status" 0 "the waiter's status"
}

@test "timeout 1 flock: a signal ends the wait at once" {
    hold h "$A/locks/t"
    elapsed timeout 1 flock "$B/locks/t" true
    is "$status" 124 'the status'
    between 900 "$elapsed_ms" 2500 'the wait in milliseconds'
    wait_until 5 has_waiters "$C/locks/t" 0
    let_go h
    succeeds flock -n "$B/locks/t" true
}

@test "a blocked flock is granted on another node when the holder closes" {
    hold h "$A/locks/b"
    background waiter flock "$B/locks/b" true
    wait_until 10 has_waiters "$C/locks/b" 1
    still_runs waiter || fail 'the waiter did not wait'
    let_go h
    finish waiter
    is "$status" 0 "the waiter's status"
}

@test "when close has returned the lock is free on every node: 200 times across nodes" {
    local i failures=0
    for (( i = 0; i < 200; i++ )); do
        flock -n "$D/$(( i % 3 + 1 ))/locks/hot" true || failures=$(( failures + 1 ))
    done
    is "$failures" 0 'refused although the one before had ended'
}

@test "LOCK_UN frees at once, without a close" {
    succeeds python3 -c '
import fcntl, os, sys
a, b = (os.open(path, os.O_CREAT | os.O_RDWR) for path in sys.argv[1:])
for i in range(100):
    fcntl.flock(a, fcntl.LOCK_EX)
    fcntl.flock(a, fcntl.LOCK_UN)
    fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(b, fcntl.LOCK_UN)' "$A/locks/un" "$B/locks/un"
}

@test "first come, first served, across nodes, and nobody overtakes" {
    local i
    hold h "$A/locks/fair"
    for i in 1 2 3 4 5 6; do
        background "w$i" flock "$D/$(( i % 3 + 1 ))/locks/fair" \
            sh -c 'printf "%s " "$1" >> "$2"' _ "$i" "$BATS_TEST_TMPDIR/order"
        wait_until 10 has_waiters "$A/locks/fair" "$i"
    done
    let_go h
    for i in 1 2 3 4 5 6; do finish "w$i"; done
    is "$(< "$BATS_TEST_TMPDIR/order")" '1 2 3 4 5 6 ' 'the order of the grants'
}

@test "a shared request does not overtake an exclusive one that waits" {
    hold h "$A/locks/overtake" -s
    background writer flock "$B/locks/overtake" true
    wait_until 10 has_waiters "$A/locks/overtake" 1
    try flock -n -s "$C/locks/overtake" true
    is "$status" 1 'the status of a shared request with LOCK_NB'
    let_go h
    finish writer
    is "$status" 0 "the writer's status"
    succeeds flock -n -s "$C/locks/overtake" true
}

@test "conversion: to shared lets others in, back to exclusive waits for them" {
    succeeds python3 -c '
import errno, fcntl, os, sys
a, b = (os.open(path, os.O_CREAT | os.O_RDWR) for path in sys.argv[1:])
fcntl.flock(a, fcntl.LOCK_EX)
fcntl.flock(a, fcntl.LOCK_SH)
fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB)
try:
    fcntl.flock(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.exit("converted although another shares")
except OSError as error:
    assert error.errno == errno.EWOULDBLOCK, error
fcntl.flock(b, fcntl.LOCK_UN)
fcntl.flock(a, fcntl.LOCK_EX | fcntl.LOCK_NB)' "$A/locks/convert" "$B/locks/convert"
}

@test "two open files of one process exclude each other, a duplicate shares its hold" {
    succeeds python3 -c '
import errno, fcntl, os, sys
one = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
two = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR)
fcntl.flock(one, fcntl.LOCK_EX)
try:
    fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.exit("both open files hold it")
except OSError as error:
    assert error.errno == errno.EWOULDBLOCK, error
copy = os.dup(one)
os.close(one)
try:
    fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)
    sys.exit("closing one duplicate released it")
except OSError as error:
    assert error.errno == errno.EWOULDBLOCK, error
os.close(copy)
fcntl.flock(two, fcntl.LOCK_EX | fcntl.LOCK_NB)' "$A/locks/dup"
}

@test "the lock survives fork: a child that inherited the descriptor holds on" {
    hold h "$A/locks/fork"
    # The holder's own child, flock(1), is long gone; a grandchild below keeps the descriptor.
    let_go h
    mkfifo "$BATS_TEST_TMPDIR/end"
    background parent bash -c 'exec 9> "$1"; flock 9; (read -r _ < "$2") & : > "$3"' _ \
        "$A/locks/fork" "$BATS_TEST_TMPDIR/end" "$BATS_TEST_TMPDIR/forked"
    wait_until 10 exists "$BATS_TEST_TMPDIR/forked"
    finish parent
    try flock -n "$B/locks/fork" true
    is "$status" 1 'the status while the child lives'
    printf '\n' > "$BATS_TEST_TMPDIR/end"
    succeeds flock -w 5 "$B/locks/fork" true
}

@test "kill -9 of the holder frees the lock" {
    hold h "$A/locks/killed"
    crash h
    succeeds flock -n "$B/locks/killed" true
}

@test "kill -9 of the holder grants it to the waiter on another node" {
    hold h "$A/locks/killed2"
    background waiter flock "$B/locks/killed2" true
    wait_until 10 has_waiters "$C/locks/killed2" 1
    crash h
    finish waiter 5
    is "$status" 0 "the waiter's status"
}

@test "kill -9 of a waiter takes it out of the queue" {
    hold h "$A/locks/gone"
    background first flock "$B/locks/gone" true
    wait_until 10 has_waiters "$A/locks/gone" 1
    background second flock "$C/locks/gone" true
    wait_until 10 has_waiters "$A/locks/gone" 2
    crash first
    wait_until 5 has_waiters "$A/locks/gone" 1
    let_go h
    finish second 5
    is "$status" 0 'the status of the waiter behind it'
}

@test "the token grows with every acquisition, and a conversion to exclusive is one" {
    local before=0 now i
    for i in 1 2 3; do
        hold "h$i" "$D/$i/locks/token"
        now=$(token "$A/locks/token")
        (( now > before )) || fail "token $now after $before"
        before=$now
        let_go "h$i"
    done
}

@test "an ordinary user locks what root locked before, and the other way round" {
    requires root
    is "$(sysctl -n fs.protected_regular)" 2 'fs.protected_regular'
    hold h "$A/locks/users"
    try as-user 12345 flock -n "$A/locks/users" true
    is "$status" 1 "the user's status while root holds"
    try as-user 12345 flock -n "$B/locks/users" true
    is "$status" 1 "the user's status on another node"
    background user as-user 12345 flock "$C/locks/users" true
    wait_until 10 has_waiters "$A/locks/users" 1
    let_go h
    finish user
    is "$status" 0 "the user's status when root has let go"
    succeeds as-user 12345 take "$A/locks/users-file"
    try flock -n "$A/locks/users-file" true
    is "$status" 1 "root's status while the user holds a lockfile"
    succeeds as-user 12345 rm -f "$A/locks/users-file"
    for user in 12345 23456 0; do
        succeeds as-user "$user" flock -n "$A/locks/users" true
        succeeds as-user "$user" bash -c 'exec 9>> "$1"; flock -n -s 9' _ "$B/locks/users"
    done
}

# deadlock PROGRAM: two of them on two nodes; exactly one is refused, in time, and the other then
# gets on.
deadlock() {
    local first=$BATS_TEST_TMPDIR/1.holds second=$BATS_TEST_TMPDIR/2.holds
    rm -f "$first" "$second"
    background one "$1" "$A/locks/x" "$A/locks/y" "$first" "$second"
    background two "$1" "$B/locks/y" "$B/locks/x" "$second" "$first"
    finish one 20
    results=$output
    finish two 20
    results+=" and $output"
}

@test "deadlock across nodes: one of two python processes gets EDEADLK, the other the lock" {
    deadlock two-locks
    like "$results" '^(EDEADLK [0-9]+ and got both|got both and EDEADLK [0-9]+)$' 'the outcomes'
    # The refusal itself takes 50 ms at most; the rest is a busy machine's.
    between 0 "$(grep -oE '[0-9]+' <<< "$results")" 500 'milliseconds until EDEADLK'
}

@test "deadlock across nodes: one of two shells is told so by flock(1)" {
    deadlock two-locks-shell
    like "$results" 'got both' 'the outcome of one'
    like "$results" 'Resource deadlock avoided' 'the outcome of the other'
}

@test "deadlock among three processes on three nodes: one is refused, the others get on" {
    local i
    for i in 1 2 3; do
        background "p$i" two-locks "$D/$i/locks/r$i" "$D/$i/locks/r$(( i % 3 + 1 ))" \
            "$BATS_TEST_TMPDIR/$i.holds" "$BATS_TEST_TMPDIR/$(( i % 3 + 1 )).holds"
    done
    local refused=0
    for i in 1 2 3; do
        finish "p$i" 20
        [[ $output != EDEADLK* ]] || refused=$(( refused + 1 ))
    done
    between 1 "$refused" 2 'the number of processes refused'
}

@test "deadlock on one node is refused too" {
    local first=$BATS_TEST_TMPDIR/1.holds second=$BATS_TEST_TMPDIR/2.holds
    background one two-locks "$C/locks/x1" "$C/locks/y1" "$first" "$second"
    background two two-locks "$C/locks/y1" "$C/locks/x1" "$second" "$first"
    finish one 20
    results=$output
    finish two 20
    like "$results $output" 'EDEADLK' 'the outcomes'
}

@test "no false alarm: eight processes wait for one lock, no cycle" {
    local i
    hold h "$A/locks/queue"
    for i in 1 2 3 4 5 6 7 8; do
        background "w$i" flock "$D/$(( i % 3 + 1 ))/locks/queue" true
    done
    wait_until 20 has_waiters "$A/locks/queue" 8
    let_go h
    for i in 1 2 3 4 5 6 7 8; do
        finish "w$i"
        is "$status" 0 "the status of waiter $i"
    done
}

@test "no false alarm: a shell that goes on running does not count as waiting" {
    local dir=$BATS_TEST_TMPDIR
    mkfifo "$dir/go"
    # One holds run-b and asks, later, for run-a with a bound of a second.
    background asker bash -c 'exec 9> "$1"; flock 9; : > "$3/asks"
        until [[ -e $3/now ]]; do sleep 0.01; done; flock -w 1 "$2" true' _ \
        "$A/locks/run-b" "$A/locks/run-a" "$dir"
    wait_until 10 exists "$dir/asks"
    # The other holds run-a; its child waits for run-b, and it is in the middle of something else.
    background runner bash -c 'exec 8> "$1"; flock 8; flock "$2" true & read -r _ < "$3/go"' _ \
        "$B/locks/run-a" "$B/locks/run-b" "$dir"
    wait_until 10 has_waiters "$C/locks/run-b" 1
    : > "$dir/now"
    finish asker
    is "$status" 1 'the status: time is over, rather than a deadlock'
    printf '\n' > "$dir/go"
    finish runner
}
