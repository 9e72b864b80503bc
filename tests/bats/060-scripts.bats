#!/usr/bin/env bats
# The scripts of mount-scripts/ and the command line: what they promise, and that they undo
# themselves.

load helper

setup_file() { cluster_up; }

setup() { cluster start 1 2 3; }

teardown() {
    if mounted "$BATS_TEST_TMPDIR/mnt"; then umount -i -l "$BATS_TEST_TMPDIR/mnt"; fi
    unlink_helpers
    common_teardown
}

mounted() { grep -qF " $1 " /proc/self/mountinfo; } # PATH

@test "cluster down: nothing there is fine too, and it removes what up made" {
    local dir=$BATS_TEST_TMPDIR/other
    succeeds "$CLUSTER" down --dir "$dir"
    succeeds "$CLUSTER" up --dir "$dir" --nodes 1 --base-port "$(free_base_port)"
    succeeds take "$dir/1/locks/alone"
    succeeds "$CLUSTER" down --dir "$dir"
    [[ ! -e $dir ]] || fail "$dir is still there: $(ls -a "$dir")"
    succeeds "$CLUSTER" down --dir "$dir"
}

@test "cluster down: a file beneath a mount point stays, and all else goes" {
    local dir=$BATS_TEST_TMPDIR/other i
    local -a options=()
    if (( EUID == 0 )) && unshare --net true 2> /dev/null; then options=(--netns); fi
    mkdir "$dir"
    succeeds "$CLUSTER" up --dir "$dir" --base-port "$(free_base_port)" "${options[@]}"
    local -a pids=("$("$CLUSTER" pid 1 --dir "$dir")" "$("$CLUSTER" pid 3 --dir "$dir")")
    succeeds "$CLUSTER" stop 2 --dir "$dir"
    printf 'mine\n' > "$dir/2/keep"
    succeeds "$CLUSTER" start 2 --dir "$dir"
    succeeds "$CLUSTER" down --dir "$dir"
    for i in 1 2 3; do
        mounted "$dir/$i" && fail "$dir/$i is mounted"
    done
    for i in "${pids[@]}"; do
        has_ended "$i" || fail "process $i runs"
    done
    is "$(cd "$dir" && find . -mindepth 1 | sort | paste -sd ' ')" './2 ./2/keep' 'what is left'
    is "$(find /run/netns -name "*$(printf %s "$dir" | md5sum | head -c 8)*" 2> /dev/null)" '' \
        'the namespaces left'
}

@test "cluster up refuses a directory with a cluster, and wrong numbers" {
    refuses 'cluster in' "$CLUSTER" up --dir "$D"
    refuses '1 to 5' "$CLUSTER" up --dir "$BATS_TEST_TMPDIR/x" --nodes 6
    refuses 'port' "$CLUSTER" up --dir "$BATS_TEST_TMPDIR/x" --base-port 65535
    refuses '--dir' "$CLUSTER" up
    refuses 'no verb' "$CLUSTER" upp --dir "$D"
    refuses 'is no node' "$CLUSTER" kill 4 --dir "$D"
    [[ ! -e $BATS_TEST_TMPDIR/x ]] || fail 'something was made'
}

@test "cluster up that fails shows the log and undoes what it did" {
    local dir=$BATS_TEST_TMPDIR/fails
    printf '#!/bin/sh\necho this is why\nexit 1\n' > "$BATS_TEST_TMPDIR/broken"
    chmod +x "$BATS_TEST_TMPDIR/broken"
    COORDFS=$BATS_TEST_TMPDIR/broken refuses 'this is why' \
        "$CLUSTER" up --dir "$dir" --base-port "$(free_base_port)"
    [[ ! -e $dir ]] || fail "$dir is still there"
    refuses 'in use' "$CLUSTER" up --dir "$dir" \
        --base-port "$(cluster url 1 | sed 's/.*:\(.*\)1$/\10/')"
    [[ ! -e $dir ]] || fail "$dir is still there"
    succeeds ls "$A/locks"
}

@test "the questions: pid, mount, url, leader, status, curl" {
    local leader
    like "$(tr '\0' ' ' < "/proc/$(cluster pid 2)/cmdline")" "$D/2" 'the command line of node 2'
    is "$(cluster mount 3)" "$D/3" 'the mount point'
    like "$(cluster url 1)" '^http://127\.0\.0\.1:[0-9]+$' 'the URL'
    leader=$(cluster leader)
    like "$leader" '^[123]$' 'the leader'
    succeeds "$CLUSTER" status --dir "$D"
    is "$(grep -c running <<< "$output")" 3 'the running nodes in the table'
    is "$(grep -c ' leader ' <<< "$output")" 1 'the leaders in the table'
    is "$(cluster curl 1 /health -o /dev/null -w '%{http_code}')" 200 'the status of /health'
    is "$(stat -c %a "$D/.nodes/secret")" 600 'the mode of the secret'
}

@test "kill leaves no process and no mount; start brings both back, twice is fine" {
    local pid
    pid=$(cluster pid 2)
    cluster kill 2
    [[ ! -e /proc/$pid ]] || has_ended "$pid" || fail 'the process is there'
    mounted "$B" && fail 'the mount is there'
    refuses 'does not run' "$CLUSTER" pid 2 --dir "$D"
    cluster kill 2
    cluster start 2
    mounted "$B" || fail 'it is not mounted'
    cluster start 2
    succeeds ls "$B/locks"
}

@test "stop is clean: the log says nothing bad, the mount is gone, others go on" {
    cluster stop 3
    mounted "$C" && fail 'the mount is there'
    succeeds take "$A/locks/on"
    succeeds rm "$B/locks/on"
    cluster stop 3
}

@test "pause and resume" {
    local leader
    leader=$(cluster leader)
    local other=$(( leader % 3 + 1 ))
    cluster pause "$other"
    like "$(cluster status)" 'paused' 'the table'
    succeeds take "$D/$leader/locks/paused"
    cluster resume "$other"
    succeeds rm "$D/$other/locks/paused"
}

@test "cut and heal need --netns" {
    refuses 'netns' "$CLUSTER" cut 1 --dir "$D"
}

@test "coordfs --help names every setting, --version the version" {
    local coordfs=${COORDFS:-$ROOT/build/release/coordfs} key
    succeeds "$coordfs" --help
    for key in node member listen data secret_file timeout session insecure allow_other; do
        like "$output" "$key" 'the help'
    done
    succeeds "$coordfs" --version
    like "$output" '[0-9]+\.[0-9]+' 'the version'
}

@test "wrong settings are refused with a sentence that names them" {
    local coordfs=${COORDFS:-$ROOT/build/release/coordfs} config=$BATS_TEST_TMPDIR/config
    local dir=$BATS_TEST_TMPDIR/mnt
    mkdir "$dir"
    cp "$D/.nodes/1/config" "$config"
    refuses 'nonsense' "$coordfs" -f -o "config=$config,nonsense=1" "$dir"
    refuses 'timeout=soon' "$coordfs" -f -o "config=$config,timeout=soon" "$dir"
    refuses 'no-such-file' "$coordfs" -f -o config=/no-such-file "$dir"
    refuses 'node=9' "$coordfs" -f -o "config=$config,node=9" "$dir"
    refuses 'insecure' "$coordfs" -f -o "config=$config,listen=0.0.0.0:1234" "$dir"
    refuses 'no-such-dir' "$coordfs" -f -o "config=$config" "$dir/no-such-dir"
    cp "$D/.nodes/secret" "$BATS_TEST_TMPDIR/secret"
    chmod 644 "$BATS_TEST_TMPDIR/secret"
    local other_secret=config=$config,secret_file=$BATS_TEST_TMPDIR/secret
    refuses 'chmod 600' "$coordfs" -f -o "$other_secret" "$dir"
    printf 'short\n' > "$BATS_TEST_TMPDIR/secret"
    chmod 600 "$BATS_TEST_TMPDIR/secret"
    refuses '16' "$coordfs" -f -o "$other_secret" "$dir"
    mounted "$dir" && fail 'something was mounted'
    true
}

@test "a daemon that is started without stdin, stdout and stderr serves as any" {
    local coordfs=${COORDFS:-$ROOT/build/release/coordfs} dir=$BATS_TEST_TMPDIR/mnt closed
    mkdir "$dir"
    cluster stop 3
    for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-'; do
        succeeds timeout 20 bash -c "exec $closed; exec \"\$@\"" _ \
            "$coordfs" -o "config=$D/.nodes/3/config" "$dir"
        wait_until 10 ls "$dir/locks"
        wait_until 10 take "$dir/locks/bare"
        succeeds rm "$A/locks/bare"
        succeeds "$coordfs" umount "$dir"
        wait_until 15 nobody_serves "$dir"
    done
}

# No process has DIRECTORY as an argument.
nobody_serves() { ! pgrep -f -- " $1( |\$)"; } # DIRECTORY

@test "what runs quietly may ask for a password where there is a terminal, and only there" {
    requires root
    local bin=$BATS_FILE_TMPDIR/bin
    local -a install=(as-user 12345 env "PATH=$bin:$PATH" bash -c
        'set -euo pipefail; source "$1"; quietly /dev/null as_root true' _ "$bin/scripts/lib.sh")
    mkdir -p "$bin/scripts"
    cp "$ROOT/mount-scripts/lib.sh" "$bin/scripts"
    printf '#!/bin/sh\n[ "$1" != -n ]\n' > "$bin/sudo"
    chmod -R a+rx "$bin"
    succeeds python3 -c '
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))' "${install[@]}"
    refuses 'as_root true' "${install[@]}"
}

@test "quickstart does not mount into the source tree" {
    refuses 'source tree' "$ROOT/mount-scripts/quickstart" "$ROOT"
    refuses 'source tree' "$ROOT/mount-scripts/quickstart" "$ROOT/mount-scripts/../demo"
}

@test "a second daemon on the same data is refused, and the first goes on" {
    local coordfs=${COORDFS:-$ROOT/build/release/coordfs} dir=$BATS_TEST_TMPDIR/second
    mkdir "$dir"
    refuses "$D/.nodes/1/data" "$coordfs" -f -o "config=$D/.nodes/1/config,listen=127.0.0.1:1" \
        "$dir"
    succeeds take "$A/locks/first"
    succeeds rm "$A/locks/first"
}

# The helpers under the names that mount(8) and umount(8) look for; COORDFS reaches them by the
# environment. An installed helper is left alone; what this makes is removed, also by tests/run.
link_helpers() {
    local name
    for name in mount.coordfs mount.fuse.coordfs umount.coordfs umount.fuse.coordfs umount.fuse; do
        if [[ ! -e /sbin/$name ]]; then
            ln -s "$ROOT/mount-scripts/${name%%.*}.coordfs" "/sbin/$name"
            printf '/sbin/%s\n' "$name" | tee -a "$BATS_TEST_TMPDIR/links" \
                >> "${COORDFS_TEST_DIR:-$BATS_TEST_TMPDIR}/links"
        fi
    done
    export COORDFS=${COORDFS:-$ROOT/build/release/coordfs}
}

unlink_helpers() {
    if [[ -f $BATS_TEST_TMPDIR/links ]]; then xargs -r rm -f < "$BATS_TEST_TMPDIR/links"; fi
}

@test "mount -t coordfs and umount, by their helpers; a dead mount is replaced" {
    requires root
    local dir=$BATS_TEST_TMPDIR/mnt pid
    mkdir "$dir"
    cluster stop 3
    link_helpers
    succeeds mount -t coordfs "$D/.nodes/3/config" "$dir" -o noauto,_netdev,timeout=3
    mounted "$dir" || fail 'it is not mounted'
    like "$(grep -F " $dir " /proc/self/mountinfo)" 'fuse\.coordfs' 'the type in mountinfo'
    wait_until 10 take "$dir/locks/by-mount"
    refuses 'mounted already' mount -t coordfs "$D/.nodes/3/config" "$dir"
    succeeds rm "$A/locks/by-mount"
    background user tail -f "$dir/.coordfs/status"
    wait_until 5 uses "$dir" "${background_pid[user]}"
    refuses "${background_pid[user]}" umount "$dir"
    mounted "$dir" || fail 'the busy mount is gone'
    crash user
    succeeds umount "$dir"
    mounted "$dir" && fail 'it is still mounted'
    # The daemon is gone too: mounting at once finds the data free.
    succeeds mount -t fuse.coordfs "$D/.nodes/3/config" "$dir"
    wait_until 10 ls "$dir/locks"
    pid=$(pgrep -f "coordfs .*$dir\$")
    kill -KILL "$pid"
    wait_until 5 has_ended "$pid"
    refuses 'not connected' ls "$dir"
    succeeds mount -t coordfs "$D/.nodes/3/config" "$dir"
    wait_until 10 ls "$dir/locks"
    succeeds umount "$dir"
}

# unmounts_after DIRECTORY: umount.coordfs ends only when nobody serves $dir any more. Without a
# majority the daemon takes its time to leave.
unmounts_after() {
    local gone=no
    cluster pause 1 2
    try "$ROOT/mount-scripts/umount.coordfs" "$1"
    if nobody_serves "$dir" && nobody_serves "$link"; then gone=yes; fi
    cluster resume 1 2
    is "$status, gone: $gone" '0, gone: yes' 'how umount ended'
}

@test "umount finds the daemon whichever way it was started, and ends once it is gone" {
    requires root
    local dir=$BATS_TEST_TMPDIR/mnt link=$BATS_TEST_TMPDIR/link
    export COORDFS=${COORDFS:-$ROOT/build/release/coordfs}
    mkdir "$dir"
    ln -s mnt "$link"
    cluster stop 3
    succeeds "$COORDFS" "$dir" -o "config=$D/.nodes/3/config"
    wait_until 10 ls "$dir/locks"
    unmounts_after "$dir"
    succeeds "$COORDFS" -o "config=$D/.nodes/3/config" "$link"
    wait_until 10 ls "$dir/locks"
    unmounts_after "$dir"
    succeeds "$COORDFS" -o "config=$D/.nodes/3/config" "$dir"
    wait_until 10 ls "$dir/locks"
    unmounts_after "$link"
}

@test "umount -f cuts off who has files open, and ends once the daemon is gone" {
    requires root
    local dir=$BATS_TEST_TMPDIR/mnt
    mkdir "$dir"
    cluster stop 3
    link_helpers
    succeeds mount -t coordfs "$D/.nodes/3/config" "$dir"
    wait_until 10 ls "$dir/locks"
    hold user "$dir/locks/cut-off"
    succeeds umount -f "$dir"
    mounted "$dir" && fail 'it is still mounted'
    nobody_serves "$dir" || fail 'the daemon still runs'
    crash user
    wait_until 15 is_free "$A/locks/cut-off"
}

uses() { readlink "/proc/$2/fd/"* | grep -q "^$1/"; } # DIRECTORY PID

@test "the unit file is understood by systemd, where there is one" {
    type -P systemd-analyze > /dev/null || skip 'needs systemd-analyze'
    mkdir "$BATS_TEST_TMPDIR/unit"
    sed "s,/usr/local/bin/coordfs,${COORDFS:-$ROOT/build/release/coordfs}," \
        "$ROOT/mount-scripts/coordfs@.service" > "$BATS_TEST_TMPDIR/unit/coordfs@.service"
    succeeds systemd-analyze verify "$BATS_TEST_TMPDIR/unit/coordfs@.service"
    is "$output" '' 'what it complains about'
}

@test "the unit leaves alone what is mounted: the daemon itself removes a dead mount" {
    refuses '' grep -n umount "$ROOT/mount-scripts/coordfs@.service"
    succeeds grep '^ExecStartPre=-.*mkdir -p /mnt/%i$' "$ROOT/mount-scripts/coordfs@.service"
}

@test "cmake --install puts every file where programs look for it" {
    local to=$BATS_TEST_TMPDIR/root file
    [[ -d $ROOT/build/release ]] || skip 'needs the release build'
    DESTDIR=$to succeeds cmake --install "$ROOT/build/release"
    for file in usr/local/bin/coordfs sbin/mount.coordfs sbin/mount.fuse.coordfs \
        sbin/umount.coordfs sbin/umount.fuse.coordfs \
        usr/local/lib/systemd/system/coordfs@.service usr/local/share/doc/coordfs/README.md; do
        [[ -f $to/$file ]] || fail "$file is missing"
    done
    like "$(< "$to/usr/local/lib/systemd/system/coordfs@.service")" '=/usr/local/bin/coordfs -f' \
        'the unit'
}
