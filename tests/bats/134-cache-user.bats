#!/usr/bin/env bats
# cache/ in an ordinary user's mount, which is closed to all others: there it is no mount of its
# own, and all the same what it is on the other nodes. $A and $B are root's, $C is the user's.

load helper

setup_file() {
    requires root
    # However busy the machine is: > is tried here, not what ends its hold.
    cluster_up -o trunc_hold=2
    give_node_3_away
}

setup() {
    a=$A/cache/$BATS_TEST_NUMBER b=$B/cache/$BATS_TEST_NUMBER u=$C/cache/$BATS_TEST_NUMBER
    mkdir -m 777 "$a"
}

teardown_file() {
    cluster_down
    if [[ -n ${FUSE_MODE:-} ]]; then chmod "$FUSE_MODE" /dev/fuse; fi
}

# Node 3 goes on as the user's, who gets a copy of the program: he may not see where we are.
give_node_3_away() {
    local uid
    uid=$(id -u nobody)
    cluster stop 3
    export FUSE_MODE
    FUSE_MODE=$(stat -c %a /dev/fuse)
    chmod 666 /dev/fuse # as it is where an ordinary user mounts
    chmod 711 "$D/.nodes" "$D/.nodes/3"
    chown -R "$uid" "$D/.nodes/3" "$D/.nodes/secret" "$C"
    cp "${COORDFS:-$ROOT/build/release/coordfs}" "$D/coordfs"
    start_node_3
}

start_node_3() {
    local pid start
    as-nobody setsid "$D/coordfs" -f -o "config=$D/.nodes/3/config" "$C" \
        < /dev/null >> "$D/.nodes/3/log" 2>&1 3>&- &
    pid=$!
    wait_until 30 as-nobody ls "$C/locks"
    read -r start < <(sed 's/.*) //' "/proc/$pid/stat" | cut -d ' ' -f 20)
    printf '%s %s\n' "$pid" "$start" > "$D/.nodes/3/pid"
}

# put VALUE PATH: as whoever may.
put() {
    if [[ $2 == "$C"/* ]]; then
        as-nobody bash -c 'printf "%s\n" "$1" > "$2"' _ "$@"
    else
        printf '%s\n' "$1" > "$2"
    fi
}

@test "the log says once that cache/ is no mount of its own, and why" {
    is "$(grep -c 'cache/ is no mount of its own' "$D/.nodes/3/log")" 1 'in the log of node 3'
    is "$(grep -c 'cache/ is no mount of its own' "$D/.nodes/1/log")" 0 'in that of node 1'
    is "$(grep -c " $C" /proc/self/mountinfo)" 1 'mounts'
    is "$(as-nobody ls -A "$C" | paste -sd ' ')" '.coordfs cache locks queues' 'the root'
    succeeds as-nobody find "$C" # no directory is two
}

@test "what was written on one node is read on all, by whatever call" {
    local i path
    put 0 "$u/k"
    as-nobody chmod 666 "$u/k"
    for i in {1..30}; do
        case $(( i % 3 )) in 0) path=$a ;; 1) path=$b ;; 2) path=$u ;; esac
        put "$i" "$path/k"
        is "$(cat "$a/k")" "$i" 'node 1'
        is "$(cat "$b/k")" "$i" 'node 2'
        is "$(as-nobody cat "$u/k")" "$i" 'node 3'
        is "$(as-nobody stat -c %s "$u/k")" "$(( ${#i} + 1 ))" 'its size there'
    done
}

# What each of the two processes does is told to the other by a pipe.
@test "descriptors and mappings that are open already see each write, in both directions" {
    local writer reader
    printf '0000000000\n' > "$a/k"
    chmod 666 "$a/k"
    mkfifo -m 666 "$BATS_TEST_TMPDIR/written" "$BATS_TEST_TMPDIR/seen"
    writer='
import os, sys
out = os.open(sys.argv[1], os.O_WRONLY)
with open(sys.argv[2], "w") as written, open(sys.argv[3]) as seen:
    for i in range(200):
        os.pwrite(out, b"%010d\n" % i, 0)
        print(i, file=written, flush=True)
        assert int(seen.readline()) == i'
    reader='
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
memory = mmap.mmap(fd, 11, prot=mmap.PROT_READ)
with open(sys.argv[2]) as written, open(sys.argv[3], "w") as seen:
    for line in written:
        value = b"%010d\n" % int(line)
        assert memory[:] == value, ("mapping", memory[:], value)
        assert os.pread(fd, 11, 0) == value, ("descriptor", value)
        with open(sys.argv[1], "rb") as file: assert file.read() == value, ("open", value)
        print(int(line), file=seen, flush=True)'
    chmod 755 "$BATS_TEST_TMPDIR"
    background reader as-nobody python3 -c "$reader" "$u/k" "$BATS_TEST_TMPDIR"/{written,seen}
    succeeds python3 -c "$writer" "$a/k" "$BATS_TEST_TMPDIR"/{written,seen}
    finish reader
    is "$status" 0 'the reader on node 3'
    background reader python3 -c "$reader" "$b/k" "$BATS_TEST_TMPDIR"/{written,seen}
    succeeds as-nobody python3 -c "$writer" "$u/k" "$BATS_TEST_TMPDIR"/{written,seen}
    finish reader
    is "$status" 0 'the reader on node 2'
}

@test "names that come and go are seen by stat, open and ls" {
    local i
    for i in {1..10}; do
        refuses 'No such file' as-nobody cat "$u/x"
        : > "$a/x"
        succeeds as-nobody cat "$u/x"
        is "$(as-nobody ls "$u")" x 'the listing'
        as-nobody rm -f "$u/x"
        [[ ! -e $b/x ]] || fail 'it is gone'
        is "$(ls "$a")$(as-nobody ls "$u")" '' 'the listings, afterwards'
    done
}

@test "> is atomic: readers there and elsewhere see neither the empty file nor a mixture" {
    local reader i
    put v "$u/k"
    as-nobody chmod 666 "$u/k"
    reader='
import os, sys
while not os.path.exists(sys.argv[2]):
    fd = os.open(sys.argv[1], os.O_RDONLY)
    value = os.read(fd, 4096)
    os.close(fd)
    assert value and value[:1] == b"v" and value.endswith(b"\n") and value.count(b"\n") == 1, value'
    chmod 755 "$BATS_TEST_TMPDIR"
    background one python3 -c "$reader" "$b/k" "$BATS_TEST_TMPDIR/stop"
    background two as-nobody python3 -c "$reader" "$u/k" "$BATS_TEST_TMPDIR/stop"
    for i in {1..60}; do printf 'v%*d\n' $(( RANDOM % 200 )) "$i" > "$a/k"; done
    : > "$BATS_TEST_TMPDIR/stop"
    finish one
    is "$status" 0 'the reader on node 2'
    finish two
    is "$status" 0 'the reader on node 3'
    rm "$BATS_TEST_TMPDIR/stop"
    background one python3 -c "$reader" "$b/k" "$BATS_TEST_TMPDIR/stop"
    as-nobody bash -c 'for i in {1..60}; do printf "v%*d\n" $(( RANDOM % 200 )) "$i" > "$1"; done' \
        _ "$u/k"
    : > "$BATS_TEST_TMPDIR/stop"
    finish one
    is "$status" 0 'the reader on node 2, of what node 3 writes'
}

# trunc_hold is long here: who waited for its end would have truncated the value for all.
@test "whoever empties a value is its process, though the thread that opened it has ended" {
    printf old > "$a/k"
    succeeds python3 -c '
import os, sys, threading
fds = []
opener = threading.Thread(target=lambda: fds.append(os.open(sys.argv[1], os.O_WRONLY | os.O_TRUNC)))
opener.start()
opener.join()
size = os.fstat(fds[0]).st_size
elsewhere = open(sys.argv[2]).read()
os.write(fds[0], b"new")
print(size, elsewhere, open(sys.argv[2]).read())' "$a/k" "$b/k"
    is "$output" '0 old new' 'the size there, the value elsewhere before and after the write'
}

@test "rename, mkdir, rmdir and symlinks, from there and from elsewhere" {
    put one "$u/one"
    put two "$a/two"
    as-nobody mv -f "$u/one" "$u/two"
    is "$(cat "$b/two" && ls "$b")" $'one\ntwo' 'renamed over'
    put three "$a/three"
    mv "$a/three" "$a/two"
    is "$(as-nobody cat "$u/two")" three 'renamed over elsewhere'
    as-nobody mkdir -p "$u/p/q"
    put deep "$u/p/q/k"
    chmod 777 "$b/p" "$b/p/q"
    is "$(cat "$b/p/q/k")" deep 'in a directory'
    refuses 'not empty' as-nobody rmdir "$u/p/q"
    rm "$a/p/q/k"
    succeeds as-nobody rmdir "$u/p/q"
    refuses 'No such file' ls "$b/p/q"
    as-nobody ln -s two "$u/l"
    is "$(readlink "$b/l")$(cat "$a/l")" twothree 'a symlink'
    ln -s l "$a/m"
    is "$(as-nobody readlink "$u/m")$(as-nobody cat "$u/m")" lthree 'one from elsewhere'
    succeeds as-nobody python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def renameat2(old, new, flags):
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) == 0: return "done"
    return os.strerror(ctypes.get_errno())
print(renameat2(sys.argv[1], sys.argv[2], 1), renameat2(sys.argv[1], sys.argv[2], 2))
' "$u/l" "$u/two"
    is "$output" 'File exists done' 'RENAME_NOREPLACE and RENAME_EXCHANGE'
}

@test "O_EXCL and mkdir succeed on one of two nodes" {
    local i
    for i in {1..15}; do
        background one bash -c 'set -C; : > "$1"' _ "$a/x$i"
        background two as-nobody bash -c 'set -C; : > "$1"' _ "$u/x$i"
        one_of_two_has 'made the file'
        background one as-nobody mkdir "$u/d$i"
        background two mkdir "$b/d$i"
        one_of_two_has 'made the directory'
    done
}

@test "appends lose nothing; writes at any offset, truncation, mappings, attributes" {
    touch "$a/log"
    chmod 666 "$a/log"
    background one bash -c 'for i in {1..60}; do echo "one $i" >> "$1"; done' _ "$a/log"
    background two as-nobody bash -c 'for i in {1..60}; do echo "two $i" >> "$1"; done' _ "$u/log"
    finish one
    finish two
    is "$(as-nobody sort -u "$u/log" | wc -l)" 120 'lines'
    is "$(as-nobody cat "$u/log" | md5sum)" "$(md5sum < "$b/log")" 'the same on both'

    as-nobody bash -c 'printf abcdef > "$1/k"; chmod 666 "$1/k"' _ "$u"
    printf 'XY' | dd of="$b/k" bs=1 seek=2 conv=notrunc status=none
    is "$(as-nobody cat "$u/k")" abXYef 'the middle'
    as-nobody truncate -s 3 "$u/k"
    is "$(cat "$a/k")" abX 'cut'
    as-nobody python3 -c 'import os, sys; os.truncate(sys.argv[1], 0)' "$u/k"
    is "$(stat -c %s "$b/k")" 0 'by path, to nothing, at once'
    truncate -s 5000 "$a/k"
    is "$(as-nobody stat -c %s "$u/k")" 5000 'grown'
    as-nobody python3 -c '
import mmap, os, sys
memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 5000)
memory[:4] = b"mmap"
memory.flush()' "$u/k"
    is "$(head -c 4 "$b/k")" mmap 'what a mapping wrote'
    as-nobody setfattr -n user.color -v blue "$u/k"
    is "$(getfattr --absolute-names --only-values -n user.color "$b/k")" blue 'an attribute'
    is "$(as-nobody df --output=size "$u/k")" "$(df --output=size "$a/k")" df
}

@test "a descriptor of a file that is unlinked keeps it, and permissions are enforced" {
    printf 'old\n' > "$a/k"
    succeeds as-nobody bash -c 'exec 7< "$1/k"; rm -f "$1/k"; [[ ! -e $1/k ]] && cat <&7' _ "$u"
    is "$output" old 'what was open'
    [[ ! -e $b/k ]] || fail 'it is gone'
    printf 'secret\n' > "$a/s"
    chmod 600 "$a/s"
    refuses 'Permission denied' as-nobody cat "$u/s"
    chmod 644 "$a/s"
    is "$(as-nobody cat "$u/s")" secret 'allowed'
    refuses 'Permission denied' as-nobody bash -c 'echo x > "$1"' _ "$u/s"
    refuses 'No locks available' as-nobody flock "$u/s" true
    refuses 'not permitted' as-nobody ln "$u/s" "$u/l"
}

# There open(2) with O_TRUNC comes as a truncation of its own.
@test "> sends to queues and purges none, as elsewhere; truncate does; locks are locks" {
    as-nobody bash -c 'for i in 1 2 3; do echo "$i" > "$1/queues/q"; done' _ "$C"
    chmod 666 "$A/queues/q"
    is "$(attribute "$A/queues/q" ready)" 3 'messages'
    is "$(cat "$B/queues/q")$(as-nobody cat "$C/queues/q")" 12 'the first ones'
    as-nobody truncate -s 0 "$C/queues/q"
    is "$(attribute "$A/queues/q" ready)" 0 'purged by ftruncate'
    echo 4 > "$A/queues/q"
    as-nobody python3 -c 'import os, sys; os.truncate(sys.argv[1], 0)' "$C/queues/q"
    is "$(attribute "$A/queues/q" ready)" 0 'purged by truncate'
    as-nobody bash -c 'echo max_messages=7 > "$1/queues/.q/config"' _ "$C"
    like "$(cat "$B/queues/.q/config")" 'max_messages=7' 'the settings'
    as-nobody bash -c 'set -C; echo mine > "$1/locks/l"' _ "$C"
    is "$(cat "$A/locks/l")" mine 'a lockfile'
    refuses 'cannot overwrite' as-nobody bash -c 'set -C; : > "$1/locks/l"' _ "$C"
    as-nobody bash -c ': > "$1/locks/l"' _ "$C"
    is "$(cat "$A/locks/l")" mine 'not truncated by another open'
    as-nobody rm "$C/locks/l"
    as-nobody rm "$C/queues/q"
    refuses 'cross-device' as-nobody python3 -c 'import os, sys; os.rename(*sys.argv[1:])' \
        "$u" "$C/queues/moved"
}

@test "coordfs put and get know the directory; the mount goes and comes back" {
    succeeds as-nobody bash -c 'printf value | "$1" put -p "$2/p/k" && "$1" get "$2/p/k"' _ \
        "$D/coordfs" "$u"
    is "$output" value 'what get says'
    is "$(cat "$b/p/k")" value 'what node 2 reads'
    refuses 'in no mount' as-nobody bash -c 'printf value | "$1" put "$2/queues/k"' _ \
        "$D/coordfs" "$C"
    rm "$D/.nodes/3/pid" # it ends, and has not crashed
    succeeds as-nobody "$D/coordfs" umount "$C"
    wait_until 10 eval '! grep -q " $C " /proc/self/mountinfo'
    start_node_3
    is "$(as-nobody cat "$u/p/k")" value 'after that'
}

@test "who is at work there is let go when the daemon is killed, and others get on" {
    local i pid
    read -r pid _ < "$D/.nodes/3/pid"
    for i in 1 2; do
        background "w$i" as-nobody bash -c 'while echo x > "$1"; do :; done' _ "$u/w$i"
    done
    wait_until 10 exists "$a/w1"
    wait_until 10 exists "$a/w2"
    rm "$D/.nodes/3/pid"
    kill -KILL "$pid"
    finish w1
    finish w2
    put after "$a/w1"
    is "$(cat "$b/w1")" after 'node 2'
    umount -l "$C"
    start_node_3
    is "$(as-nobody cat "$u/w1")" after 'node 3 again'
}
