#!/usr/bin/env bats
# queues/.NAME/: work that takes longer than reading a file. claim, inflight/, dead/, ready/ and
# config, on three mounts. Each test uses queues of its own.

load helper

setup_file() { cluster_up; }

# claim QUEUE: the path of the message that it hands out, absolute.
claim() { printf '%s/%s' "${1%/*}" "$(cat "${1%/*}/.${1##*/}/claim")"; }

@test "claim answers a path, one line, and that file is the message" {
    local path
    send 'a job' "$A/queues/claim"
    succeeds cat "$B/queues/.claim/claim"
    like "$output" '^\.claim/inflight/[1-9][0-9]*$' 'what reading it answers'
    path=$output
    is "$(cat "$C/queues/$path")" 'a job' 'the content of the file, on another node'
    is "$(stat -c '%F %s' "$A/queues/$path")" 'regular file 5' 'stat'
    is "$(listed "$A/queues/.claim/inflight")" "${path##*/}" 'what is in inflight/'
    has "$A/queues/claim" ready 0 || fail 'it should not be ready'
    has "$A/queues/claim" inflight 1 || fail 'it should be in flight'
    succeeds rm "$A/queues/$path"
    has "$B/queues/claim" inflight 0 || fail 'it should be done with'
    refuses 'No such file' rm "$C/queues/$path"
    refuses 'No such file' cat "$C/queues/$path"
}

@test "several claims by one descriptor: a path, the end, the next path" {
    send one "$A/queues/claims"
    send two "$A/queues/claims"
    succeeds python3 -c '
import os, sys
claim = os.open(sys.argv[1] + "/.claims/claim", os.O_RDONLY)
for _ in range(2):
    path = os.read(claim, 4096)
    assert os.read(claim, 4096) == b""
    print(open(sys.argv[1] + "/" + path.decode().rstrip("\n")).read())' "$B/queues"
    is "$output" $'one\ntwo' 'the messages'
    has "$C/queues/claims" inflight 2 || fail 'both stay claimed'
}

@test "claim waits, answers EAGAIN, and can be polled as the queue can" {
    touch "$A/queues/wait"
    refuses 'Resource temporarily unavailable' dd if="$B/queues/.wait/claim" iflag=nonblock
    elapsed timeout 0.5 cat "$C/queues/.wait/claim"
    is "$status" 124 'the status of timeout'
    background worker cat "$B/queues/.wait/claim"
    wait_until 10 has "$A/queues/wait" consumers 1
    send job "$C/queues/wait"
    finish worker
    like "$output" '^\.wait/inflight/' 'what it answers'
    background poll queue-poll poll "$B/queues/.wait/claim" 1
    wait_until 10 has_line "$BATS_TEST_TMPDIR/poll.out" '^empty$'
    send job "$A/queues/wait"
    finish poll
    like "$output" '\.wait/inflight/' 'what poll led to'
}

@test "a worker's loop" {
    local i done=''
    for i in 1 2 3; do send "$i" "$A/queues/loop"; done
    cd "$B/queues"
    for i in 1 2 3; do
        m=$(cat .loop/claim)
        done+=$(< "$m")
        rm "$m"
    done
    cd "$ROOT"
    is "$done" 123 'the work that was done'
    succeeds rm "$A/queues/loop"
}

@test "past the timeout it returns by itself, and rm and touch answer ENOENT" {
    local path
    send late "$A/queues/timeout"
    configure "$A/queues/timeout" visibility_timeout=0.3
    path=$(claim "$B/queues/timeout")
    wait_until 5 has "$C/queues/timeout" ready 1
    refuses 'No such file' touch "$path"
    refuses 'No such file' rm "$path"
    refuses 'No such file' mv "$path" "$B/queues/timeout"
    [[ ! -e $path ]] || fail 'the file is still there'
    is "$(listed "$A/queues/.timeout/inflight")" '' 'what is in inflight/'
    is "$(cat "$A/queues/timeout")" late 'the message, which somebody else gets'
}

@test "touch extends the visibility timeout" {
    local path end
    send slow "$A/queues/touch"
    configure "$A/queues/touch" visibility_timeout=1
    path=$(claim "$B/queues/touch")
    end=$(( $(now_ms) + 2500 ))
    while (( $(now_ms) < end )); do
        touch "${path/#$B/$C}" || fail 'the claim has passed although it is extended'
        sleep 0.2
    done
    like "$(attribute "$path" left)" '^(1\.000|0\.[0-9]{3})$' 'the seconds that are left'
    is "$(attribute "$path" deliveries)" 1 'deliveries'
    succeeds rm "$path"
}

@test "mv onto its queue or into ready/ gives back: to the head, deliveries + 1" {
    local path target
    send first "$A/queues/back"
    send second "$A/queues/back"
    for target in back .back/ready/; do
        path=$(claim "$B/queues/back")
        is "$(cat "$path")" first 'the message that is claimed'
        succeeds mv "$path" "$B/queues/$target"
        is "$(contents "$C/queues/.back/ready")" 'first second' 'what waits, in order'
    done
    path=$(claim "$A/queues/back")
    is "$(attribute "$path" deliveries)" 3 'deliveries'
    is "$(cat "$path")" first 'the message'
    succeeds mv "$path" "$A/queues/.back/ready/any-name"
    is "$(cat "$C/queues/back")" first 'the message, read'
    is "$(cat "$C/queues/back")" second 'the next one'
}

@test "mv onto another queue passes on: to the tail" {
    local path i
    for i in 1 2 3 4 5 6 7 8; do # of several groups
        send head "$A/queues/to$i"
        send message "$A/queues/from"
        path=$(claim "$B/queues/from")
        succeeds mv "$path" "$B/queues/to$i"
        is "$(contents "$C/queues/.to$i/ready")" 'head message' 'what is in the other queue'
        has "$A/queues/from" inflight 0 || fail 'it is still in the first'
        has "$A/queues/from" ready 0 || fail 'it went back to the first'
    done
    send message "$A/queues/from"
    path=$(claim "$B/queues/from")
    refuses 'No such file' mv "$path" "$B/queues/nowhere"
    is "$(cat "$path")" message 'the claim, which stays'
    succeeds rm "$path"
}

@test "mv onto a full queue: EAGAIN at once, and the claim stays" {
    local path
    send only "$A/queues/full"
    configure "$A/queues/full" max_messages=1
    send message "$A/queues/into-full"
    path=$(claim "$B/queues/into-full")
    elapsed mv "$path" "$B/queues/full"
    like "$output" 'Resource temporarily unavailable' 'what mv says'
    between 0 "$elapsed_ms" 2000 'the milliseconds it took'
    is "$(cat "$path")" message 'the claim, which stays'
}

@test "mv onto another's queue needs to be allowed to write to it" {
    requires root
    local path
    touch "$A/queues/private"
    chmod 600 "$A/queues/private"
    send message "$A/queues/public"
    chmod 666 "$A/queues/public"
    path=$(claim "$B/queues/public")
    refuses 'Permission denied' as-user 12345 mv -f "$path" "$B/queues/private"
    chmod 622 "$A/queues/private"
    succeeds as-user 12345 mv -f "$path" "$B/queues/private"
    has "$C/queues/private" ready 1 || fail 'it should be there now'
}

@test "nothing else is moved" {
    local path
    touch "$A/queues/other"
    send one "$A/queues/still"
    send two "$A/queues/still"
    path=$(claim "$A/queues/still")
    refuses 'Operation not permitted' mv "$path" "$A/queues/.still/dead/"
    refuses 'Operation not permitted' mv "$path" "$A/queues/.still/inflight/7"
    refuses 'Operation not permitted' mv "$path" "$A/queues/.still/config"
    refuses 'Operation not permitted' mv "$path" "$A/queues/.other/ready/"
    refuses 'Operation not permitted' mv "$path" "$A/locks/"
    refuses 'Operation not permitted' mv "$A/queues/.still/ready/"* "$A/queues/other"
    refuses 'Operation not permitted' mv "$A/queues/.still/config" "$A/queues/other"
    is "$(cat "$path")" one 'the claim, which stays'
    is "$(contents "$A/queues/.still/ready")" two 'what waits'
}

@test "after max_deliveries a message is a dead letter" {
    local i path
    send poison "$A/queues/dead"
    configure "$A/queues/dead" max_deliveries=3
    for i in 1 2 3; do
        path=$(claim "$B/queues/dead")
        is "$(attribute "$path" deliveries)" "$i" 'deliveries'
        succeeds mv "$path" "$B/queues/dead"
    done
    has "$C/queues/dead" ready 0 || fail 'it should not be ready'
    has "$C/queues/dead" dead 1 || fail 'it should be dead'
    is "$(contents "$A/queues/.dead/dead")" poison 'what is in dead/'
    refuses 'Directory not empty' rm "$A/queues/dead"
    succeeds rm "$B/queues/.dead/dead/"*
    succeeds rm "$A/queues/dead"
}

@test "mv of dead letters onto the queue, or several into ready/, tries them again" {
    local i path
    touch "$A/queues/again"
    configure "$A/queues/again" max_deliveries=1
    for i in one two three; do
        send "$i" "$A/queues/again"
        path=$(claim "$B/queues/again")
        succeeds mv "$path" "$B/queues/again"
    done
    has "$C/queues/again" dead 3 || fail 'all three should be dead'
    cd "$C/queues/.again"
    succeeds mv "dead/$(listed dead | head -n 1)" ../again
    has "$A/queues/again" ready 1 || fail 'one should be ready'
    succeeds mv dead/* ready/ # in one command
    cd "$ROOT"
    has "$A/queues/again" dead 0 || fail 'none should be dead'
    is "$(contents "$A/queues/.again/ready" | tr ' ' '\n' | sort | paste -sd ' ')" \
        'one three two' 'what waits'
    path=$(claim "$A/queues/again")
    is "$(attribute "$path" deliveries)" 1 'deliveries, which begin anew'
}

@test "a dead letter can be passed on to another queue" {
    local path
    touch "$A/queues/graveyard"
    send letter "$A/queues/sick"
    configure "$A/queues/sick" max_deliveries=1
    path=$(claim "$B/queues/sick")
    mv "$path" "$B/queues/sick"
    succeeds mv "$C/queues/.sick/dead/"* "$C/queues/graveyard"
    is "$(cat "$A/queues/graveyard")" letter 'what the other queue has'
    succeeds rm "$A/queues/sick"
}

@test "ready/ lists what waits, in order, readable without consuming; rm and mv are refused" {
    local i
    for i in one two three; do send "$i" "$A/queues/look"; done
    is "$(contents "$B/queues/.look/ready")" 'one two three' 'what waits'
    is "$(contents "$C/queues/.look/ready")" 'one two three' 'what waits still'
    refuses 'Operation not permitted' rm -f "$A/queues/.look/ready/"*
    refuses 'Operation not permitted' touch "$A/queues/.look/ready/1"
    refuses 'Operation not permitted' mv "$A/queues/.look/ready/"* "$BATS_TEST_TMPDIR"
    is "$(for i in 1 2 3; do cat "$A/queues/look"; echo; done | paste -sd ' ')" 'one two three' \
        'the messages, read'
    is "$(listed "$B/queues/.look/ready")" '' 'what waits at last'
}

@test "more messages than fit one answer are listed whole" {
    touch "$A/queues/long"
    configure "$A/queues/long" framing=line
    seq 70000 > "$A/queues/long"
    is "$(ls -U "$B/queues/.long/ready" | sort -u | wc -l)" 70000 'messages listed'
    remove_queues "$A/queues/long"
}

@test "config shows the five settings, and a write changes those that it names" {
    local all=$'visibility_timeout=30\nmax_deliveries=20\nmax_messages=0\nmax_bytes=0\n'
    all+=framing=write
    touch "$A/queues/config"
    is "$(cat "$B/queues/.config/config")" "$all" 'the settings at first'
    is "$(stat -c %s "$C/queues/.config/config")" "$(( ${#all} + 1 ))" 'its size'
    echo visibility_timeout=0.5 > "$C/queues/.config/config"
    is "$(head -n 1 "$A/queues/.config/config")" visibility_timeout=0.5 'on another node'
    configure "$B/queues/config" max_messages=10 framing=line '# a comment'
    is "$(paste -sd ' ' "$A/queues/.config/config")" \
        'visibility_timeout=0.5 max_deliveries=20 max_messages=10 max_bytes=0 framing=line' 'all'
    sed 's/^max_bytes=.*/max_bytes=1000/' "$A/queues/.config/config" > "$BATS_TEST_TMPDIR/new"
    succeeds cp "$BATS_TEST_TMPDIR/new" "$A/queues/.config/config"
    is "$(grep max_bytes "$B/queues/.config/config")" max_bytes=1000 'after cp'
    : > "$A/queues/.config/config"
    is "$(grep max_bytes "$B/queues/.config/config")" max_bytes=1000 'after O_TRUNC'
}

@test "a bad setting: EINVAL, and nothing is changed" {
    local before bad
    touch "$A/queues/bad"
    before=$(cat "$A/queues/.bad/config")
    for bad in nonsense colour=red visibility_timeout=0 visibility_timeout=-1 max_deliveries=0 \
        max_messages=x max_bytes=1.5 framing=words framing=; do
        refuses 'Invalid argument' bash -c 'echo "$2" > "$1"' _ "$B/queues/.bad/config" "$bad"
        refuses 'Invalid argument' dd of="$B/queues/.bad/config" bs=4K \
            if=<(printf 'max_bytes=7\n%s\n' "$bad")
    done
    is "$(cat "$C/queues/.bad/config")" "$before" 'the settings'
}

@test "config is changed by the owner and root only" {
    requires root
    as-user 12345 touch "$A/queues/owned"
    refuses 'Permission denied' as-user 23456 bash -c 'echo framing=line > "$1"' _ \
        "$B/queues/.owned/config"
    succeeds as-user 23456 cat "$B/queues/.owned/config"
    succeeds as-user 12345 bash -c 'echo framing=line > "$1"' _ "$B/queues/.owned/config"
    succeeds bash -c 'echo framing=file > "$1"' _ "$C/queues/.owned/config"
}

@test "who may read the queue may work on it, others may not even look" {
    requires root
    local path
    as-user 12345 bash -c 'umask 077; echo secret > "$1"; echo more > "$1"' _ "$A/queues/mine"
    refuses 'Permission denied' as-user 23456 cat "$B/queues/.mine/claim"
    refuses 'Permission denied' as-user 23456 ls "$B/queues/.mine/ready"
    path=$(as-user 12345 cat "$B/queues/.mine/claim")
    refuses 'Permission denied' as-user 23456 cat "$B/queues/$path"
    refuses 'Permission denied' as-user 23456 rm -f "$B/queues/$path"
    is "$(as-user 12345 cat "$C/queues/$path")" secret 'the message'
    chmod 644 "$A/queues/mine"
    succeeds as-user 23456 touch "$C/queues/$path"
    succeeds as-user 23456 rm -f "$C/queues/$path"
}

@test ".NAME/ is not listed, and is there as long as the queue is" {
    touch "$A/queues/opened"
    is "$(find "$B/queues" -mindepth 1 -maxdepth 1 -name '.*')" '' 'names with a leading dot'
    is "$(ls -A "$B/queues/.opened" | paste -sd ' ')" 'claim config dead inflight ready' 'in it'
    cd "$C/queues/.opened/ready" # a directory one is in stays
    is "$(ls)" '' 'what waits'
    send here "$A/queues/opened"
    is "$(cat ./*)" here 'what waits'
    is "$(basename "$(cd .. && pwd -P)")" .opened 'the directory above'
    cd "$ROOT"
    cat "$A/queues/opened"
    rm "$A/queues/opened"
    refuses 'No such file' ls "$B/queues/.opened"
    refuses 'No such file' cat "$C/queues/.opened/claim"
    refuses 'No such file' ls "$C/queues/.never"
}

@test "nothing can be made in .NAME/, and touch makes no claim" {
    touch "$A/queues/closed"
    refuses 'Operation not permitted' touch "$A/queues/.closed/more"
    refuses 'Operation not permitted' mkdir "$A/queues/.closed/more"
    refuses 'Operation not permitted' rm "$A/queues/.closed/claim"
    refuses 'Operation not permitted' rmdir "$A/queues/.closed"
    refuses 'Operation not permitted' rmdir "$A/queues/.closed/ready"
    refuses 'No such file' touch "$A/queues/.closed/inflight/17"
    refuses 'No such file' touch "$A/queues/.closed/inflight/name"
    refuses 'Operation not permitted' bash -c 'echo x > "$1"' _ "$A/queues/.closed/dead/17"
}

@test "a message is not written to" {
    local path
    send fixed "$A/queues/fixed"
    path=$(claim "$A/queues/fixed")
    refuses 'Operation not permitted' bash -c 'echo x > "$1"' _ "$path"
    refuses 'Operation not permitted' bash -c 'echo x >> "$1"' _ "$path"
    refuses 'Operation not permitted' chmod 600 "$path"
    is "$(cat "$path")" fixed 'the message'
}

@test "a claim dies with the process that is killed while it has claim open" {
    send held "$A/queues/held"
    # shellcheck disable=SC2016
    background worker bash -c 'exec 3< "$1"; read -r path <&3; echo "$path"; exec sleep 60' _ \
        "$B/queues/.held/claim"
    wait_until 10 has_line "$BATS_TEST_TMPDIR/worker.out" inflight
    has "$A/queues/held" inflight 1 || fail 'it should be in flight'
    crash worker
    is "$(cat "$C/queues/held")" held 'the message, back at once'
}

@test "a claim outlives the process that has closed claim before it ended" {
    local path
    send kept "$A/queues/kept"
    path=$(bash -c 'read -r path < "$1"; echo "$path"; kill -KILL $$' _ "$B/queues/.kept/claim" \
        || true)
    has "$C/queues/kept" inflight 1 || fail 'it should be in flight'
    succeeds rm "$A/queues/$path"
}

@test "a claim whose path nobody has read goes back" {
    send unread "$A/queues/unread"
    is "$(head -c 3 "$B/queues/.unread/claim")" .un 'the beginning of the path'
    has "$C/queues/unread" ready 1 || fail 'it should be ready again'
}

@test "a backup of .NAME/ claims nothing" {
    send precious "$A/queues/backup"
    succeeds cp -r "$B/queues/.backup" "$BATS_TEST_TMPDIR/copy"
    succeeds tar -cf "$BATS_TEST_TMPDIR/archive" -C "$B/queues" .backup
    try grep -r nothing "$B/queues/.backup"
    is "$status" 1 'the status of grep -r'
    has "$C/queues/backup" ready 1 || fail 'somebody claimed the message'
    is "$(cat "$BATS_TEST_TMPDIR/copy/ready/"*)" precious 'the copy of the message'
}

@test "attributes tell of a message" {
    local path
    send told "$A/queues/told"
    path=$(claim "$B/queues/told")
    is "$(attribute "$path" deliveries)" 1 'deliveries'
    is "$(attribute "$path" node)" 2 'the node that claimed it'
    like "$(attribute "$path" left)" '^(30\.000|2[0-9]\.[0-9]{3})$' 'the seconds that are left'
    like "$(attribute "$path" sent)" '^20[0-9-]+T[0-9:.]+Z$' 'when it was sent'
    like "$(attribute "$path" id)" '^[1-9][0-9]*$' 'its id'
    mv "$path" "$B/queues/told"
    is "$(ls "$A/queues/.told/ready")" "$(attribute "$A/queues/.told/ready/"* id)" 'the id of it'
}
