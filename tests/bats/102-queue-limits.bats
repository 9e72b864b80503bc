#!/usr/bin/env bats
# Queues at their limits: sizes, full queues, framings, and readers that end before they are done.
# Calls wait for a majority, or for room at a close, for three seconds here.

load helper

setup_file() { cluster_up -o timeout=3; }

# --- sizes ----------------------------------------------------------------------------------------

@test "a message has up to 1 MiB - 1 bytes, however the memory lies that they come from" {
    local size sum
    for size in 1 4096 65536 1044479 1044480 1044481 1048574 1048575; do
        # Python's bytes do not begin at a page, dd's buffer does.
        sum=$(python3 -c '
import hashlib, os, sys
data = os.urandom(int(sys.argv[2]))
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
assert os.write(fd, data) == len(data)
print(hashlib.md5(data).hexdigest())' "$A/queues/size" "$size")
        is "$(md5sum < "$B/queues/size" | cut -d ' ' -f 1)" "$sum" "the sum of $size bytes"
        head -c "$size" /dev/zero |
            dd of="$A/queues/size" bs="$size" iflag=fullblock conv=notrunc status=none
        is "$(wc -c < "$C/queues/size")" "$size" "the length of $size bytes by dd"
        has "$A/queues/size" ready 0 || fail "$size bytes were more than one message"
    done
}

@test "more is EMSGSIZE, and nothing is queued" {
    local size
    touch "$A/queues/large"
    for size in 1048576 1048577 2097152 5000000; do
        succeeds python3 -c '
import errno, os, sys
for flags in 0, os.O_APPEND:
    fd = os.open(sys.argv[1], os.O_WRONLY | flags)
    try:
        print(os.write(fd, bytes(int(sys.argv[2]))))
    except OSError as error:
        print(errno.errorcode[error.errno])
    os.write(fd, b"next")' "$A/queues/large" "$size"
        is "$output" $'EMSGSIZE\nEMSGSIZE' "what $size bytes are answered"
        refuses 'Message too long' dd if=/dev/zero of="$A/queues/large" bs="$size" count=1 \
            conv=notrunc
    done
    has "$B/queues/large" ready 8 || fail 'only what followed should be queued'
    has "$B/queues/large" bytes 32 || fail 'and nothing of what was too large'
}

@test "a large message is read in one read or many" {
    local how
    for how in 'os.read(fd, 4 << 20)' 'os.read(fd, 100000)' 'os.read(fd, 1 << 20)'; do
        head -c 1048575 /dev/zero > "$BATS_TEST_TMPDIR/data"
        dd if="$BATS_TEST_TMPDIR/data" of="$A/queues/parts" bs=1M status=none
        send next "$A/queues/parts"
        succeeds python3 -c "
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
total = 0
while part := $how:
    total += len(part)
print(total, $how)" "$B/queues/parts"
        is "$output" "1048575 b'next'" "what $how gave"
    done
}

@test "a writev of many pieces is one message, of very many it says what it wrote" {
    succeeds python3 -c '
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
print(os.writev(fd, [b"ab"] * 200), os.writev(fd, [b"cd"] * 300))' "$A/queues/writev"
    like "$output" '^400 (512|600)$' 'what it says'
    is "$(wc -c < "$B/queues/writev")" 400 'the first message'
    is "$(wc -c < "$B/queues/writev")" "${output#* }" 'the second'
}

# --- full queues ----------------------------------------------------------------------------------

@test "a full queue makes the producer wait until there is room, or a signal comes" {
    touch "$A/queues/full"
    configure "$A/queues/full" max_messages=2
    send one "$A/queues/full"
    send two "$A/queues/full"
    refuses 'Resource temporarily unavailable' \
        queue-produce --nonblock "$B/queues/full" three 1
    elapsed timeout 0.5 bash -c 'echo three > "$1"' _ "$B/queues/full"
    is "$status" 124 'the status of timeout'
    between 400 "$elapsed_ms" 2000 'the time it took'
    background producer bash -c 'printf three > "$1"' _ "$B/queues/full"
    wait_until 10 has "$C/queues/full" producers 1
    is "$(cat "$A/queues/full")" one 'what is read'
    finish producer
    is "$status" 0 'the status of the producer'
    is "$(cat "$A/queues/full") $(cat "$A/queues/full")" 'two three' 'the rest'
}

@test "what is in flight counts, and acknowledging it makes room" {
    local path
    touch "$A/queues/flight"
    configure "$A/queues/flight" max_messages=1
    send one "$A/queues/flight"
    path=$(cat "$B/queues/.flight/claim")
    refuses 'Resource temporarily unavailable' \
        queue-produce --nonblock "$C/queues/flight" two 1
    background producer bash -c 'printf two > "$1"' _ "$C/queues/flight"
    wait_until 10 has "$A/queues/flight" producers 1
    rm "$B/queues/$path"
    finish producer
    is "$(cat "$A/queues/flight")" two 'the message of the producer'
}

@test "max_bytes bounds too; an empty queue takes what would not fit" {
    touch "$A/queues/bytes"
    configure "$A/queues/bytes" max_bytes=10
    send 'twenty bytes or more' "$A/queues/bytes"
    refuses 'Resource temporarily unavailable' \
        queue-produce --nonblock "$B/queues/bytes" x 1
    is "$(cat "$C/queues/bytes")" 'twenty bytes or more' 'the message'
    succeeds queue-produce --nonblock "$B/queues/bytes" x 1
}

# --- framings -------------------------------------------------------------------------------------

@test "framing=line: each newline ends a message, whichever writes the line came in" {
    touch "$A/queues/line"
    configure "$A/queues/line" framing=line
    printf 'one\ntwo\n\nthree\n' | dd of="$B/queues/line" bs=64K status=none
    is "$(contents "$C/queues/.line/ready")" 'one two three' 'the messages'
    remove_all line
    printf 'one\ntwo\nthree\n' | dd of="$B/queues/line" obs=1 status=none
    is "$(contents "$C/queues/.line/ready")" 'one two three' 'the messages, byte by byte'
    remove_all line
    printf 'one\nno newline' > "$A/queues/line"
    is "$(contents "$C/queues/.line/ready")" 'one no newline' 'the messages of a file cut short'
}

remove_all() { truncate -s 0 "$A/queues/$1"; }

@test "framing=line: 100,000 lines in a second or so" {
    local begin ms
    touch "$A/queues/fast"
    configure "$A/queues/fast" framing=line
    seq -f 'message number %g' 100000 > "$BATS_TEST_TMPDIR/lines"
    begin=$(now_ms)
    cat "$BATS_TEST_TMPDIR/lines" > "$A/queues/fast"
    ms=$(( $(now_ms) - begin ))
    printf '# 100,000 messages written in %s ms\n' "$ms" >&3
    has "$B/queues/fast" ready 100000 || fail 'some are missing'
    between 0 "$ms" 10000 'the milliseconds for 100,000 messages'
    is "$(cat "$C/queues/fast")" 'message number 1' 'the first'
    remove_queues "$A/queues/fast"
}

@test "framing=file: all between open and close is one message" {
    touch "$A/queues/file"
    configure "$A/queues/file" framing=file
    seq 1 5000 > "$BATS_TEST_TMPDIR/numbers"
    cat "$BATS_TEST_TMPDIR/numbers" > "$B/queues/file"
    succeeds cmp "$BATS_TEST_TMPDIR/numbers" "$C/queues/file"
    # Several programs, one after the other, through one open file.
    (echo first; echo second; /bin/echo third) > "$A/queues/file"
    is "$(cat "$B/queues/file")" $'first\nsecond\nthird' 'what three programs wrote'
    bash -c 'exec 3> "$1"; echo a >&3; /bin/echo b >&3; echo c >&3; exec 3>&-' _ "$A/queues/file"
    is "$(cat "$C/queues/file")" $'a\nb\nc' 'what went through a descriptor of the shell'
    has "$A/queues/file" ready 0 || fail 'there should be no more'
}

@test "framing=file: more than a message holds is EMSGSIZE, and nothing is queued" {
    touch "$A/queues/filelimit"
    configure "$A/queues/filelimit" framing=file
    head -c 1048575 /dev/zero > "$A/queues/filelimit"
    is "$(wc -c < "$B/queues/filelimit")" 1048575 'the length of the largest'
    refuses 'Message too long' bash -c 'head -c 1048576 /dev/zero > "$1"' _ "$A/queues/filelimit"
    has "$B/queues/filelimit" ready 0 || fail 'something was queued'
}

@test "a close that cannot send says so, after a while" {
    touch "$A/queues/close"
    configure "$A/queues/close" framing=file max_messages=1
    send one "$A/queues/close"
    elapsed python3 -c '
import errno, os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, b"two")
try:
    os.close(fd)
except OSError as error:
    print(errno.errorcode[error.errno])' "$B/queues/close"
    is "$output" ETIMEDOUT 'what close(2) says'
    between 2900 "$elapsed_ms" 10000 'the time it took'
    is "$(contents "$C/queues/.close/ready")" one 'what is queued'
}

@test "what a writer leaves half done when it is killed is not sent" {
    touch "$A/queues/half"
    configure "$A/queues/half" framing=file
    background writer bash -c 'exec > "$1"; echo half; echo written >&2; exec sleep 60' _ \
        "$B/queues/half"
    wait_until 10 has_line "$BATS_TEST_TMPDIR/writer.out" written
    crash writer
    send whole "$B/queues/half"
    is "$(contents "$C/queues/.half/ready")" whole 'what is queued'
}

# --- at least once --------------------------------------------------------------------------------

# reads NAME QUEUE BYTES END...: opens QUEUE, reads BYTES of a message, says so, and ends as told.
reads() { background "$1" queue-reader "$2" "$3" "${@:4}"; }

has_read() { wait_until 10 has_line "$BATS_TEST_TMPDIR/$1.out" '^read'; }

@test "a message that is closed with bytes unread is back at the head when close returns" {
    local here
    send first "$A/queues/unread"
    send second "$A/queues/unread"
    for here in "$A" "$B" "$C"; do
        is "$(head -c 2 "$here/queues/unread")" 'fi' 'the beginning of the first'
        is "$(listed "$C/queues/.unread/ready" | wc -l)" 2 'messages that are ready again'
    done
    is "$(contents "$B/queues/.unread/ready")" 'first second' 'what waits, in order'
    is "$(attribute "$A/queues/.unread/ready/$(listed "$A/queues/.unread/ready" | head -n 1)" \
        deliveries)" 3 'deliveries of the first'
}

@test "all bytes read, and closed or exited in an orderly way: acknowledged" {
    local how
    for how in close 'exit 0' 'exit 3' 'threads 0' 'threads 3'; do
        send message "$A/queues/orderly"
        # shellcheck disable=SC2086
        reads reader "$B/queues/orderly" 7 $how
        finish reader
        like "$output" '^read 7' "what the reader says that ends by $how"
        has "$C/queues/orderly" inflight 0 || fail "it is in flight after $how"
        has "$C/queues/orderly" ready 0 || fail "it went back after $how"
    done
}

@test "all bytes read, and killed: delivered again" {
    local how
    for how in KILL TERM ABRT; do
        send message "$A/queues/killed"
        reads reader "$B/queues/killed" 7 "kill $how"
        finish reader
        is "$(cat "$C/queues/killed")" message "the message after SIG$how"
    done
    send message "$A/queues/killed"
    reads reader "$B/queues/killed" 7 wait
    has_read reader
    has "$A/queues/killed" inflight 1 || fail 'it should be in flight'
    crash reader
    is "$(cat "$C/queues/killed")" message 'the message after kill -9 from outside'
}

@test "a cat killed half way loses nothing" {
    head -c 200000 /dev/zero | dd of="$A/queues/cat" bs=1M iflag=fullblock status=none
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    background cat bash -c 'exec cat "$1" > "$2"' _ "$B/queues/cat" "$BATS_TEST_TMPDIR/pipe"
    exec 8< "$BATS_TEST_TMPDIR/pipe" # nobody reads it: cat blocks
    wait_until 10 has "$C/queues/cat" inflight 1
    crash cat
    exec 8<&-
    is "$(wc -c < "$C/queues/cat")" 200000 'the message, whole'
}

@test "a child that inherited the descriptor, and read nothing, may be killed" {
    send message "$A/queues/child"
    succeeds bash -c '
        exec 3< "$1"
        sleep 60 & child=$!
        head -c 7 <&3
        exec 3<&-
        kill -KILL $child; wait $child 2> /dev/null; true' _ "$B/queues/child"
    is "$output" message 'what was read'
    wait_until 5 has "$C/queues/child" inflight 0
    has "$C/queues/child" ready 0 || fail 'it went back'
}

@test "programs that share a descriptor share the message" {
    send 'one two' "$A/queues/share"
    is "$(bash -c '(head -c 4; cat) < "$1"' _ "$B/queues/share")" 'one two' 'in a subshell'
    has "$C/queues/share" inflight 0 || fail 'it is in flight'
    has "$C/queues/share" ready 0 || fail 'it went back'
    send 'three four' "$A/queues/share"
    is "$(bash -c 'exec 3< "$1"; head -c 6 <&3; cat <&3; exec 3<&-' _ "$C/queues/share")" \
        'three four' 'through a descriptor of the shell'
    has "$B/queues/share" inflight 0 || fail 'it is in flight'
}

@test "past the visibility timeout the read of the end, or the close, answers EIO" {
    local how
    touch "$A/queues/late"
    configure "$A/queues/late" visibility_timeout=0.3
    for how in end close; do
        send late "$A/queues/late"
        reads "$how" "$B/queues/late" 4 "$how" "$BATS_TEST_TMPDIR/$how.go"
        has_read "$how"
        wait_until 5 has "$C/queues/late" ready 1
        : > "$BATS_TEST_TMPDIR/$how.go"
        finish "$how"
        like "$output" 'EIO$' "what the reader is told by its $how"
        is "$(cat "$C/queues/late")" late 'the message, which is back'
    done
}

@test "a poisonous message is given up after max_deliveries" {
    local i
    send poison "$A/queues/poison"
    configure "$A/queues/poison" max_deliveries=4
    for i in 1 2 3 4; do is "$(head -c 1 "$B/queues/poison")" p "delivery $i"; done
    refuses 'Resource temporarily unavailable' dd if="$B/queues/poison" iflag=nonblock
    has "$C/queues/poison" dead 1 || fail 'it should be dead'
    succeeds rm "$A/queues/.poison/dead/"*
}

@test "an interrupted read takes nothing, though a message comes at that moment" {
    local i got=0
    touch "$A/queues/race"
    for i in {1..40}; do
        background reader timeout 0.05 cat "$B/queues/race"
        sleep "0.0$(( RANDOM % 10 ))"
        printf '%s\n' "$i" > "$C/queues/race"
        finish reader
        cat "$BATS_TEST_TMPDIR/reader.out" >> "$BATS_TEST_TMPDIR/all"
    done
    wait_until 5 has "$A/queues/race" inflight 0
    while ! has "$A/queues/race" ready 0; do cat "$A/queues/race" >> "$BATS_TEST_TMPDIR/all"; done
    got=$(sort -nu "$BATS_TEST_TMPDIR/all" | wc -l)
    is "$got" 40 'different messages read'
}
