#!/usr/bin/env bats
# locks/NAME exists exactly while it is held: lockfiles and lock directories on three mounts.
# Each test uses names of its own and removes them.

load helper

setup_file() { cluster_up; }

@test "a lockfile made on one node is refused on all, until it is removed" {
    succeeds take "$A/locks/job" 4711
    refuses 'cannot overwrite existing file' take "$B/locks/job"
    refuses 'cannot overwrite existing file' take "$C/locks/job"
    refuses 'cannot overwrite existing file' take "$A/locks/job"
    succeeds rm "$A/locks/job"
    succeeds take "$B/locks/job"
    succeeds rm "$B/locks/job"
}

@test "a subshell with noclobber does it all in one line" {
    (set -C; echo $$ > "$A/locks/line")
    is "$(cat "$C/locks/line")" $$ 'the pid as another node reads it'
    rm "$A/locks/line"
}

@test "taking, refusing, reading and freeing take milliseconds" {
    local begin
    begin=$(now_ms)
    succeeds take "$A/locks/quick"
    refuses 'cannot overwrite' take "$B/locks/quick"
    succeeds cat "$C/locks/quick"
    succeeds rm "$A/locks/quick"
    succeeds take "$B/locks/quick"
    succeeds rm "$B/locks/quick"
    between 0 $(( $(now_ms) - begin )) 1000 'six commands, in milliseconds,'
}

@test "any node may remove what the same user holds elsewhere" {
    succeeds take "$A/locks/far"
    succeeds rm "$C/locks/far"
    refuses 'No such file' rm "$A/locks/far"
    refuses 'No such file' cat "$B/locks/far"
}

@test "mkdir acquires, rmdir releases, and a file and a directory of one name exclude each other" {
    succeeds mkdir "$A/locks/d"
    refuses 'File exists' mkdir "$B/locks/d"
    refuses 'Is a directory' take "$C/locks/d"
    succeeds test -d "$C/locks/d"
    refuses 'Is a directory' rm "$B/locks/d"
    succeeds rmdir "$B/locks/d"
    succeeds take "$C/locks/d"
    refuses 'File exists' mkdir "$A/locks/d"
    refuses 'Not a directory' rmdir "$A/locks/d"
    succeeds rm "$A/locks/d"
}

@test "a lock directory is empty, and nothing can be made in it" {
    succeeds mkdir "$A/locks/d2"
    is "$(ls -A "$B/locks/d2")" '' 'what is in the directory'
    refuses 'Operation not permitted' mkdir "$A/locks/d2/sub"
    succeeds rmdir "$A/locks/d2"
}

@test "EEXIST comes at once from O_EXCL on every node, also without the shell's look before" {
    succeeds take "$A/locks/excl"
    refuses 'FileExistsError' python3 -c '
import os, sys
os.open(sys.argv[1], os.O_CREAT | os.O_EXCL | os.O_WRONLY)' "$B/locks/excl"
    succeeds rm "$A/locks/excl"
}

@test "of many that race for one name, exactly one wins" {
    local round i winners
    for round in 1 2 3 4 5; do
        for i in 1 2 3 4 5 6; do
            background "racer$i" take "$D/$(( i % 3 + 1 ))/locks/race"
        done
        winners=0
        for i in 1 2 3 4 5 6; do
            finish "racer$i"
            if (( status == 0 )); then winners=$(( winners + 1 )); fi
        done
        is "$winners" 1 "winners in round $round"
        rm "$A/locks/race"
    done
}

@test "a name that is not held does not exist" {
    refuses 'No such file' cat "$A/locks/nobody"
    refuses 'No such file' stat "$B/locks/nobody"
    refuses 'No such file' rm "$C/locks/nobody"
    refuses 'No such file' rmdir "$C/locks/nobody"
    [[ ! -e $A/locks/nobody ]] || fail '[ -e ] says that it exists'
}

@test "opening without O_EXCL takes no lock and leaves no trace" {
    : > "$A/locks/handle"
    is_free "$A/locks/handle" || fail 'the name exists here'
    is_free "$B/locks/handle" || fail 'the name exists on another node'
    succeeds take "$C/locks/handle" kept
    : > "$A/locks/handle"
    : > "$C/locks/handle"
    is "$(cat "$B/locks/handle")" kept 'the content after others opened it with O_TRUNC'
    succeeds rm "$C/locks/handle"
}

@test "writing to a handle that holds nothing answers ENOLCK" {
    refuses 'No locks available' bash -c 'echo x > "$1"' _ "$A/locks/unheld"
    succeeds take "$B/locks/unheld" mine
    refuses 'No locks available' bash -c 'echo x > "$1"' _ "$A/locks/unheld"
    refuses 'No locks available' bash -c 'echo x >> "$1"' _ "$B/locks/unheld"
    is "$(cat "$C/locks/unheld")" mine 'the content'
    succeeds rm "$B/locks/unheld"
}

@test "the creator's handle writes the content, which starts empty with every acquisition" {
    bash -c 'set -C; exec 9> "$1"; printf one >&9; printf two >&9' _ "$A/locks/content"
    is "$(cat "$B/locks/content")" onetwo 'the content'
    rm "$A/locks/content"
    bash -c 'set -C; : > "$1"' _ "$B/locks/content"
    is "$(cat "$A/locks/content")" '' 'the content of the next acquisition'
    is "$(stat -c %s "$C/locks/content")" 0 'its size'
    rm "$B/locks/content"
}

@test "a content has at most 64 KiB" {
    bash -c 'set -C; head -c 65536 /dev/zero | tr "\0" x > "$1"' _ "$A/locks/full"
    is "$(stat -c %s "$B/locks/full")" 65536 'the size on another node'
    is "$(tr -d x < "$C/locks/full" | wc -c)" 0 'bytes that are not what was written'
    rm "$A/locks/full"
    refuses 'File too large' bash -c 'set -C; head -c 65537 /dev/zero > "$1"' _ "$A/locks/full"
    rm -f "$A/locks/full"
}

@test "ls lists what is held, from every node" {
    local here
    is "$(ls "$A/locks")" '' 'what is held at first'
    succeeds take "$A/locks/l1"
    succeeds mkdir "$B/locks/l2"
    hold three "$C/locks/l3"
    for here in "$A" "$B" "$C"; do
        is "$(ls "$here/locks" | paste -sd ' ')" 'l1 l2 l3' "what is held, seen in $here"
    done
    is "$(find "$B/locks" -mindepth 1 -type d -printf '%f ')" 'l2 ' 'the directories among them'
    rm "$B/locks/l1"
    rmdir "$C/locks/l2"
    let_go three
    is "$(ls "$B/locks")" '' 'what is held at last'
}

@test "more names than fit one answer are listed whole, by everybody" {
    requires root
    local i
    many-locks 4400 246 "$A" "$B" "$C"
    is "$(ls -U "$B/locks" | sort -u | wc -l)" 4400 'different names listed'
    is "$(as-user 12345 ls "$C/locks" | wc -l)" 4400 'names listed to another user'
    for i in 1 2 3; do # which gives back all that the node holds, faster than rm
        cluster stop "$i"
        cluster start "$i"
    done
    is "$(ls "$A/locks" | wc -l)" 0 'names left'
}

@test "names: 255 bytes of anything but a slash" {
    local name
    local -a names=('two words' $'tab\tand\nnewline' 'Grüße' $'\xff\xfe' '.hidden' '-rf' '%2F' '*')
    printf -v name '%0255d' 0
    for name in "$name" "${names[@]}"; do
        succeeds take "$A/locks/$name" found
        is "$(cat "$B/locks/$name")" found "the content of $(printf %q "$name")"
        succeeds rm "$C/locks/$name"
    done
    printf -v name '%0256d' 0
    refuses 'File name too long' mkdir "$A/locks/$name"
    refuses 'File name too long' cat "$A/locks/$name"
}

@test "owner, group, mode and umask are kept and shown on every node" {
    requires root
    succeeds as-user 12345 bash -c 'umask 027; set -C; : > "$1"' _ "$A/locks/owned"
    is "$(stat -c '%u %g %a %F %h' "$B/locks/owned")" '12345 12345 640 regular empty file 1' 'stat'
    succeeds as-user 12345 bash -c 'umask 077; mkdir "$1"' _ "$A/locks/owned-dir"
    is "$(stat -c '%u %g %a %F' "$C/locks/owned-dir")" '12345 12345 700 directory' 'stat'
    refuses 'Permission denied' as-user 23456 cat "$C/locks/owned"
    succeeds as-user 12345 cat "$C/locks/owned"
    succeeds chmod 644 "$B/locks/owned"
    is "$(stat -c %a "$A/locks/owned")" 644 'the mode after chmod on another node'
    rm "$A/locks/owned"
    rmdir "$A/locks/owned-dir"
}

@test "an ordinary user takes locks, and only the owner and root may remove one" {
    requires root
    succeeds as-user 12345 take "$A/locks/hers"
    refuses 'cannot overwrite existing file' as-user 23456 take "$B/locks/hers"
    refuses 'Operation not permitted' as-user 23456 rm -f "$B/locks/hers"
    refuses 'Operation not permitted' as-user 23456 rm -f "$A/locks/hers"
    refuses 'Operation not permitted' as-user 23456 chmod 777 "$A/locks/hers"
    succeeds as-user 12345 rm -f "$C/locks/hers"
    succeeds as-user 12345 mkdir "$A/locks/hers"
    refuses 'Operation not permitted' as-user 23456 rmdir "$B/locks/hers"
    succeeds rmdir "$B/locks/hers"
}

@test "a descriptor kept from an earlier hold does not read what another user then writes" {
    requires root
    local how go
    for how in removed converted; do
        go=$BATS_FILE_TMPDIR/$how.go
        background "$how" as-user 12345 old-reader "$how" "$A/locks/$how" "$go"
        wait_until 10 has_line "$BATS_TEST_TMPDIR/$how.out" '^let go$'
        wait_until 10 is_free "$B/locks/$how"
        succeeds bash -c 'umask 077; take "$1" secret' _ "$B/locks/$how"
        : > "$go"
        finish "$how"
        like "$output" 'read EACCES$' 'what the old descriptor says'
        succeeds rm "$C/locks/$how"
    done
}

@test "locks/ shows mode 0777 and is not sticky" {
    is "$(stat -c %a "$A/locks")" 777 'the mode of locks/'
}

@test "what locks/ does not offer answers EPERM" {
    succeeds take "$A/locks/from"
    refuses 'Operation not permitted' mv "$A/locks/from" "$A/locks/to"
    refuses 'Operation not permitted' mkfifo "$A/locks/pipe"
    refuses 'Operation not permitted' mkdir "$A/nothing"
    refuses 'Operation not permitted' rmdir "$A/locks"
    succeeds rm "$A/locks/from"
}

@test "stat is truthful: the inode number is the same on all nodes, mtime is the acquisition's" {
    local begin here
    begin=$(date +%s)
    succeeds take "$A/locks/stat"
    for here in "$B" "$C"; do
        is "$(stat -c %i "$here/locks/stat")" "$(stat -c %i "$A/locks/stat")" \
            "the inode number in $here"
        between "$begin" "$(stat -c %Y "$here/locks/stat")" $(( $(date +%s) + 1 )) 'mtime'
        between "$begin" "$(stat -c %Z "$here/locks/stat")" $(( $(date +%s) + 1 )) 'ctime'
    done
    is "$(stat -c %Y "$A/locks/stat")" "$(stat -c %Y "$C/locks/stat")" 'mtime here and there'
    succeeds rm "$A/locks/stat"
}

@test "the owner sets mtime, as lock managers do that refresh it; nobody else does" {
    requires root
    succeeds as-user 12345 take "$A/locks/touched"
    succeeds as-user 12345 touch -d @1000000000.25 "$B/locks/touched"
    is "$(stat -c %.2Y "$C/locks/touched")" 1000000000.25 'mtime on the third node'
    refuses 'Operation not permitted' as-user 23456 touch -c -d @1100000000 "$B/locks/touched"
    is "$(stat -c %Y "$A/locks/touched")" 1000000000 'mtime afterwards'
    succeeds rm "$A/locks/touched"
}

@test "each acquisition has a greater token than the one before, on whichever node" {
    local i before=0 now
    for i in 1 2 3 4 5 6; do
        succeeds take "$D/$(( i % 3 + 1 ))/locks/fenced"
        now=$(token "$D/$(( (i + 1) % 3 + 1 ))/locks/fenced")
        (( now > before )) || fail "token $now after token $before"
        before=$now
        succeeds rm "$D/$(( i % 3 + 1 ))/locks/fenced"
    done
}

@test "attributes say how the lock is held, by whom, since when and who waits" {
    local node
    succeeds take "$B/locks/told"
    is "$(attribute "$A/locks/told" mode)" exclusive 'mode'
    is "$(attribute "$A/locks/told" waiters)" 0 'waiters'
    node=$(attribute "$A/locks/told" holder)
    like "$node" '^2:[0-9]+$' 'holder'
    like "$(attribute "$A/locks/told" since)" '[0-9]' 'since'
    succeeds getfattr --absolute-names -m '^user\.coordfs\.' "$C/locks/told"
    like "$output" 'user.coordfs.token' 'the list of attributes'
    refuses 'No such attribute' getfattr -n user.coordfs.nonsense "$C/locks/told"
    succeeds rm "$B/locks/told"
}

@test "removing a lock that is held through flock answers EBUSY" {
    hold flocked "$A/locks/busy"
    refuses 'Device or resource busy' rm "$A/locks/busy"
    refuses 'Device or resource busy' rm "$B/locks/busy"
    let_go flocked
}

@test "the status page says who leads and who is there" {
    succeeds cat "$A/.coordfs/status"
    like "$output" 'leader' 'the page'
    succeeds python3 -m json.tool "$B/.coordfs/status.json"
    refuses 'ermi' bash -c 'echo x > "$1"' _ "$A/.coordfs/status"
    refuses 'ermi' mkdir "$A/.coordfs/more"
}
