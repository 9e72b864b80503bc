#!/usr/bin/env bats
# queues/NAME: a write is a message in, a read to the end a message out, on three mounts. Each test
# uses queues of its own.

load helper

setup_file() { cluster_up; }

@test "what is written on one node is read on another, whole and once" {
    printf 'hello\nworld\n' | dd of="$A/queues/first" bs=64K status=none
    is "$(cat "$B/queues/first")" $'hello\nworld' 'the message'
    refuses 'Resource temporarily unavailable' dd if="$C/queues/first" iflag=nonblock
}

@test "a queue is made by its first open with O_CREAT, by no other" {
    refuses 'No such file' cat "$A/queues/made"
    refuses 'No such file' stat "$B/queues/made"
    succeeds touch "$A/queues/made"
    is "$(stat -c '%F %s' "$C/queues/made")" 'regular empty file 0' 'stat on another node'
    refuses 'File exists' python3 -c '
import os, sys
os.open(sys.argv[1], os.O_CREAT | os.O_EXCL | os.O_WRONLY)' "$B/queues/made"
    succeeds rm "$B/queues/made"
    [[ ! -e $A/queues/made ]] || fail 'it exists after it was removed'
}

@test "each write(2) is a message; > and >> are the same" {
    succeeds python3 -c '
import os, sys
for flags in os.O_TRUNC, os.O_APPEND, 0:
    fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | flags)
    os.write(fd, b"one\nof %d" % flags)
    os.write(fd, b"two\n")
    os.close(fd)' "$A/queues/writes"
    has "$B/queues/writes" ready 6 || fail 'there should be six messages'
    is "$(cat "$C/queues/writes")" $'one\nof 512' 'the first'
    is "$(cat "$A/queues/writes")" two 'the second'
    remove_queues "$A/queues/writes"
}

@test "what one command writes is the command's choice: bash's printf writes line by line" {
    bash -c 'printf "one\ntwo\n" > "$1"' _ "$A/queues/printf"
    has "$A/queues/printf" ready 2 || fail 'two lines by bash should be two messages'
    dash -c 'printf "three\nfour\n" > "$1"' _ "$A/queues/printf"
    has "$A/queues/printf" ready 3 || fail 'two lines by dash should be one message'
    is "$(for _ in 1 2 3; do cat "$B/queues/printf"; done | paste -sd ' ')" 'one two three four' \
        'all of it'
}

@test "O_TRUNC does not purge" {
    send kept "$A/queues/trunc"
    : > "$B/queues/trunc"
    : > "$A/queues/trunc"
    is "$(cat "$C/queues/trunc")" kept 'the message'
}

@test "first in, first out, whoever wrote, on whichever node" {
    local i
    for i in {1..30}; do send "$i" "$D/$(( i % 3 + 1 ))/queues/order"; done
    for i in {1..30}; do
        is "$(cat "$D/$(( (i + 1) % 3 + 1 ))/queues/order")" "$i" 'the next message'
    done
}

@test "a message is read over several reads, then 0, and the next read begins the next one" {
    send hello "$A/queues/reads"
    send world "$A/queues/reads"
    succeeds python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
print([os.read(fd, size) for size in (2, 2, 2, 2, 4096, 4096)])' "$B/queues/reads"
    is "$output" "[b'he', b'll', b'o', b'', b'world', b'']" 'what six reads gave'
    has "$C/queues/reads" inflight 0 || fail 'both should be acknowledged'
}

@test "msg=\$(cat q) takes one message whole" {
    local message
    send $'several\nlines\n' "$A/queues/subst"
    send other "$A/queues/subst"
    message=$(cat "$B/queues/subst")
    is "$message" $'several\nlines' 'the message'
    is "$(cat "$B/queues/subst")" other 'the next'
}

@test "read -r suits one-line messages; a longer one goes back" {
    local line
    printf 'one line\n' > "$A/queues/line"
    read -r line < "$B/queues/line"
    is "$line" 'one line' 'what read has read'
    has "$A/queues/line" ready 0 || fail 'it should be gone'
    has "$A/queues/line" inflight 0 || fail 'it should be acknowledged'
    send $'first\nsecond\n' "$A/queues/line"
    read -r line < "$B/queues/line"
    is "$line" first 'what read has read'
    is "$(cat "$C/queues/line")" $'first\nsecond' 'the message, which went back whole'
}

@test "a read on an empty queue waits, and is woken by a write on another node" {
    touch "$A/queues/empty"
    background reader cat "$B/queues/empty"
    wait_until 10 has "$C/queues/empty" consumers 1
    send arrived "$A/queues/empty"
    finish reader
    is "$output" arrived 'what it read'
}

@test "several wait, each gets one message, first come, first served" {
    local i
    touch "$A/queues/several"
    for i in 1 2 3; do
        background "reader$i" cat "$D/$i/queues/several"
        wait_until 10 has "$A/queues/several" consumers "$i"
    done
    for i in 1 2 3; do send "$i" "$A/queues/several"; done
    for i in 1 2 3; do
        finish "reader$i"
        is "$output" "$i" "what reader $i read"
    done
}

@test "signals end the wait at once: timeout, and a handler that restarts" {
    touch "$A/queues/signals"
    elapsed timeout 0.5 cat "$A/queues/signals"
    is "$status" 124 'the status of timeout'
    between 400 "$elapsed_ms" 2500 'the time it took'
    # perl, because Python asks again by itself.
    succeeds perl -e '
        use POSIX;
        sigaction(SIGALRM, POSIX::SigAction->new(sub {}, POSIX::SigSet->new, SA_RESTART));
        open(my $queue, "<", $ARGV[0]) or die;
        alarm(1);
        die "read something" if defined(sysread($queue, my $data, 100));
        print $!{EINTR} ? "interrupted\n" : "$!\n";' "$B/queues/signals"
    is "$output" interrupted 'what read(2) said'
    wait_until 5 has "$C/queues/signals" consumers 0
    send 'not lost' "$C/queues/signals"
    is "$(cat "$A/queues/signals")" 'not lost' 'the message after both'
}

@test "O_NONBLOCK, set at open or later: EAGAIN" {
    touch "$A/queues/nonblock"
    refuses 'Resource temporarily unavailable' dd if="$B/queues/nonblock" iflag=nonblock
    succeeds python3 -c '
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
try:
    os.read(fd, 10)
except BlockingIOError:
    print("again")' "$C/queues/nonblock"
    is "$output" again 'what fcntl(2) has changed'
}

@test "poll, select and epoll: readable when a message is ready" {
    local how
    for how in poll select epoll edge; do
        touch "$A/queues/$how"
        background "$how" queue-poll "$how" "$B/queues/$how" 2
        wait_until 10 has_line "$BATS_TEST_TMPDIR/$how.out" '^empty$'
        send first "$C/queues/$how"
        wait_until 10 has_line "$BATS_TEST_TMPDIR/$how.out" '^first$'
        send second "$A/queues/$how"
        finish "$how"
        is "$output" $'empty\nfirst\nsecond' "what $how saw"
    done
}

@test "poll tells of a queue that is removed" {
    touch "$A/queues/polled"
    background poll queue-poll poll "$B/queues/polled" 1
    wait_until 10 has_line "$BATS_TEST_TMPDIR/poll.out" '^empty$'
    rm "$C/queues/polled"
    finish poll
    like "$output" 'ENOENT' 'what the read then said'
}

@test "lseek and pread: ESPIPE" {
    send x "$A/queues/seek"
    succeeds python3 -c '
import errno, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
for call in (lambda: os.lseek(fd, 0, os.SEEK_SET), lambda: os.pread(fd, 1, 0),
             lambda: os.pwrite(fd, b"x", 0)):
    try:
        call()
        print("no error")
    except OSError as error:
        print(errno.errorcode[error.errno])' "$A/queues/seek"
    is "$output" $'ESPIPE\nESPIPE\nESPIPE' 'what they answer'
}

@test "ftruncate to 0 purges, by the owner or root; to anything else it is EINVAL" {
    requires root
    (umask 0; as-user 12345 bash -c 'umask 0; echo x > "$1"; echo y > "$1"' _ "$A/queues/purge")
    refuses 'Invalid argument' truncate -s 1 "$A/queues/purge"
    refuses 'Operation not permitted' as-user 23456 truncate -s 0 "$B/queues/purge"
    has "$C/queues/purge" ready 2 || fail 'nothing should have been purged'
    succeeds as-user 12345 truncate -s 0 "$B/queues/purge"
    has "$C/queues/purge" ready 0 || fail 'it should be purged'
    send x "$A/queues/purge"
    succeeds python3 -c '
import os, sys
os.ftruncate(os.open(sys.argv[1], os.O_WRONLY), 0)' "$C/queues/purge"
    has "$A/queues/purge" ready 0 || fail 'root should have purged it'
}

@test "unlink: ENOTEMPTY while messages are in it, by the owner and root only" {
    requires root
    local claim
    as-user 12345 bash -c 'echo x > "$1"' _ "$A/queues/rm"
    refuses 'Directory not empty' rm "$B/queues/rm"
    claim=$(cat "$C/queues/.rm/claim")
    refuses 'Directory not empty' rm "$B/queues/rm" # it is in flight
    succeeds rm "$A/queues/$claim"
    refuses 'Operation not permitted' as-user 23456 rm -f "$B/queues/rm"
    succeeds as-user 12345 rm "$C/queues/rm"
    refuses 'No such file' rm "$A/queues/rm"
}

@test "blocked readers of a queue that is removed get ENOENT" {
    touch "$A/queues/gone"
    background reader cat "$A/queues/gone"
    background other cat "$B/queues/gone"
    wait_until 10 has "$C/queues/gone" consumers 2
    succeeds rm "$C/queues/gone"
    finish reader
    like "$output" 'No such file or directory' 'what the reader says'
    finish other
    like "$output" 'No such file or directory' 'what the reader on another node says'
}

@test "mv of a file onto a queue destroys nothing" {
    send precious "$A/queues/target"
    printf 'new\n' > "$BATS_TEST_TMPDIR/file"
    refuses 'Directory not empty' mv "$BATS_TEST_TMPDIR/file" "$B/queues/target"
    exists "$BATS_TEST_TMPDIR/file" || fail 'the file is gone'
    is "$(cat "$C/queues/target")" precious 'the message'
}

@test "mv of a queue to elsewhere takes nothing out of it" {
    send precious "$A/queues/moved"
    send second "$A/queues/moved"
    refuses 'Directory not empty' mv "$B/queues/moved" "$BATS_TEST_TMPDIR/copy"
    has "$C/queues/moved" ready 2 || fail 'both messages should be there'
    refuses 'Operation not permitted' mv "$A/queues/moved" "$A/queues/other"
}

@test "stat is that of an empty file in /proc, the same on all nodes" {
    local begin here
    begin=$(date +%s)
    send 'some bytes' "$A/queues/stat"
    for here in "$A" "$B" "$C"; do
        is "$(stat -c '%F %s %b %h' "$here/queues/stat")" 'regular empty file 0 0 1' 'stat'
        is "$(stat -c %i "$here/queues/stat")" "$(stat -c %i "$A/queues/stat")" 'the inode number'
        between "$begin" "$(stat -c %Y "$here/queues/stat")" $(( $(date +%s) + 1 )) 'mtime'
    done
    is "$(stat -c %a "$A/queues")" 777 'the mode of queues/'
}

@test "the backlog is in the attributes" {
    send 12345 "$A/queues/attr"
    send 678 "$A/queues/attr"
    succeeds cat "$B/queues/.attr/claim"
    has "$C/queues/attr" ready 1 || fail 'ready'
    has "$C/queues/attr" inflight 1 || fail 'inflight'
    has "$C/queues/attr" dead 0 || fail 'dead'
    has "$C/queues/attr" bytes 8 || fail 'bytes'
    # In a Redis nobody is: 0.
    on_redis || like "$(attribute "$A/queues/attr" node)" '^[123]$' 'the node that is responsible'
    is "$(attribute "$A/queues/attr" node)" "$(attribute "$B/queues/attr" node)" 'the same'
    succeeds getfattr --absolute-names -m '^user\.coordfs\.' "$B/queues/attr"
    like "$output" 'user.coordfs.ready' 'the list of attributes'
    refuses 'No such attribute' getfattr -n user.coordfs.nonsense "$A/queues/attr"
    refuses 'Operation not permitted' setfattr -n user.coordfs.ready -v 7 "$A/queues/attr"
}

@test "ls lists the queues, on every node, and .NAME not" {
    local here
    touch "$A/queues/"{l1,l2,l3}
    for here in "$A" "$B" "$C"; do
        is "$(cd "$here/queues" && find . -name '*l[123]' | sort | paste -sd ' ')" \
            './l1 ./l2 ./l3' "in $here"
    done
    rm "$B/queues/"{l1,l2,l3}
    is "$(find "$C/queues" -name 'l[123]')" '' 'those that are left'
}

@test "many queues are listed whole" {
    local i
    (cd "$A/queues" && touch many{1..300})
    is "$(find "$B/queues" -name 'many*' | wc -l)" 300 'queues listed'
    is "$(find "$C/queues" | sort | uniq -d)" '' 'queues listed twice'
    (cd "$C/queues" && rm many*)
}

@test "grep -r, find -type f, tar, cp -r, rsync and a backup pass by" {
    send precious "$A/queues/passed"
    is "$(find "$A/queues" -type f | wc -l)" 0 'regular files that find sees'
    is "$(find "$A/queues" -type p -name passed | wc -l)" 1 'FIFOs of that name'
    try grep -r precious "$A/queues"
    is "$status" 1 'the status of grep -r'
    succeeds tar -cf /dev/null -C "$B" queues
    succeeds tar -cf "$BATS_TEST_TMPDIR/archive" --atime-preserve=system -C "$B" queues
    succeeds cp -r "$C/queues" "$BATS_TEST_TMPDIR/copy"
    succeeds cp -a "$C/queues" "$BATS_TEST_TMPDIR/copy2"
    if command -v rsync > /dev/null; then
        succeeds rsync -a "$A/queues" "$BATS_TEST_TMPDIR/copy3"
    fi
    succeeds python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NOATIME)
assert os.read(fd, 100) == b"" and os.read(fd, 100) == b""' "$A/queues/passed"
    succeeds file "$B/queues/passed"
    has "$C/queues/passed" ready 1 || fail 'somebody took the message'
    is "$(cat "$C/queues/passed")" precious 'the message'
}

@test "owner, mode and umask are kept and enforced" {
    requires root
    as-user 12345 bash -c 'umask 027; echo secret > "$1"' _ "$A/queues/perm"
    is "$(stat -c '%u %g %a' "$B/queues/perm")" '12345 12345 640' 'stat'
    refuses 'Permission denied' as-user 23456 cat "$B/queues/perm"
    refuses 'Permission denied' as-user 23456 bash -c 'echo x > "$1"' _ "$C/queues/perm"
    refuses 'Permission denied' as-user 23456 bash -c 'echo x > "$1"' _ "$A/queues/perm"
    refuses 'Operation not permitted' as-user 23456 chmod 666 "$A/queues/perm"
    succeeds as-user 12345 chmod 622 "$B/queues/perm"
    succeeds as-user 23456 bash -c 'echo from others > "$1"' _ "$C/queues/perm"
    refuses 'Permission denied' as-user 23456 cat "$C/queues/perm"
    is "$(as-user 12345 cat "$A/queues/perm")" secret 'the first'
    is "$(as-user 12345 cat "$A/queues/perm")" 'from others' 'the second'
    succeeds chown 23456 "$A/queues/perm"
    is "$(stat -c %u "$B/queues/perm")" 23456 'the owner'
    succeeds as-user 23456 touch -d @1000000000 "$B/queues/perm"
    is "$(stat -c %Y "$C/queues/perm")" 1000000000 'mtime'
    succeeds as-user 23456 rm "$C/queues/perm"
}

@test "names: 255 bytes of anything but a slash, and no leading dot" {
    local name
    local -a names=('two words' $'tab\tand\nnewline' 'Grüße' $'\xff\xfe' '-rf' '%2F' '*')
    printf -v name '%0255d' 0
    for name in "$name" "${names[@]}"; do
        send found "$A/queues/$name"
        is "$(cat "$B/queues/.$name/ready/"*)" found "what .NAME/ shows of $(printf %q "$name")"
        is "$(cat "$B/queues/$name")" found "the message of $(printf %q "$name")"
        succeeds rm "$C/queues/$name"
    done
    refuses 'Invalid argument' touch "$A/queues/.hidden"
    refuses 'Invalid argument' touch "$A/queues/..hidden"
    printf -v name '%0256d' 0
    refuses 'File name too long' touch "$A/queues/$name"
}

@test "what queues/ does not offer answers EPERM, and locks ENOLCK" {
    touch "$A/queues/has"
    refuses 'Operation not permitted' mkdir "$A/queues/dir"
    refuses 'Operation not permitted' ln "$A/queues/has" "$A/queues/link"
    refuses 'Operation not permitted' ln -s has "$A/queues/link"
    refuses 'Operation not permitted' mkfifo "$A/queues/pipe"
    refuses 'Operation not permitted' mv "$A/queues/has" "$A/queues/had"
    refuses 'No locks available' flock "$A/queues/has" true
    refuses 'Operation not permitted' rmdir "$A/queues"
}

@test "two processes that share an open file read one stream, and both can be interrupted" {
    touch "$A/queues/shared"
    # Both wait; the second is ended first, although the first one's read is in its way.
    background sharers bash -c '
        exec 3< "$1"
        cat <&3 & first=$!
        cat <&3 & second=$!
        echo "$first $second"
        wait $second; echo "second $?"
        wait $first; echo "first $?"' _ "$B/queues/shared"
    wait_until 10 has "$A/queues/shared" consumers 1
    wait_until 10 has_line "$BATS_TEST_TMPDIR/sharers.out" '^[0-9]'
    read -r first second < "$BATS_TEST_TMPDIR/sharers.out"
    wait_until 10 is_reading "$second"
    kill "$second"
    wait_until 5 has_line "$BATS_TEST_TMPDIR/sharers.out" '^second 143$'
    wait_until 10 is_reading "$first"
    kill "$first"
    finish sharers
    like "$output" 'first 143' 'the end of the first'
    wait_until 5 has "$C/queues/shared" consumers 0
}

is_reading() { [[ $(< "/proc/$1/syscall") == "0 "* ]]; } # PID

@test "producers and consumers on all nodes: everything arrives, and once" {
    local i
    touch "$A/queues/load"
    for i in 1 2 3; do
        background "consumer$i" queue-consume "$D/$i/queues/load" 100
        background "producer$i" queue-produce "$D/$i/queues/load" "$i" 100
    done
    for i in 1 2 3; do
        finish "producer$i"
        is "$status" 0 "the status of producer $i"
    done
    for i in 1 2 3; do
        finish "consumer$i"
        is "$status" 0 "the status of consumer $i"
    done
    cat "$BATS_TEST_TMPDIR"/consumer?.out > "$BATS_TEST_TMPDIR/all"
    is "$(wc -l < "$BATS_TEST_TMPDIR/all")" 300 'messages consumed'
    is "$(sort -u "$BATS_TEST_TMPDIR/all" | wc -l)" 300 'different ones'
    # Of each producer, each consumer got what it got in order.
    for i in 1 2 3; do
        awk -F. '$2 <= last[$1] { bad = 1 } { last[$1] = $2 } END { exit bad }' \
            "$BATS_TEST_TMPDIR/consumer$i.out" || fail "consumer $i was not served in order"
    done
    has "$A/queues/load" inflight 0 || fail 'some are not acknowledged'
}
