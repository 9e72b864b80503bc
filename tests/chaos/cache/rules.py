"""What a history of readers and writers of values must not show.

A name says which file it is, and a file has a value. Who opens a name asks the name; who reads asks
the file that was opened, whether the name still says so or not: so a descriptor keeps the old file
when another was moved over its name, and sees what is written to the old one. Therefore names and
files are registers of their own. What is written to a name is a file (by rename), and to a file a
value (by the one who makes it, before anybody can know it, and by `>`); none is ever written twice.

The calls, in the words of ../history.py. A value is W.N: who wrote it, and a number.

    new KEY VALUE       makes a file with it, to be moved to the name KEY: ok INO | maybe WHY
    rename KEY INO      moves it: ok | maybe WHY
    empty KEY VALUE     opens KEY with O_TRUNC, to write VALUE: ok INO | maybe WHY
    write KEY VALUE     writes it in one piece: ok | maybe WHY
    append LOG LINE     ok | maybe WHY

Reads are one line, at their end:

    TIME WHO saw HOW KEY BEGIN OPENED INO WHAT      by open, pread or mmap: KEY was opened from BEGIN to
                    OPENED (for the others: both are the begin), INO is what fstat says, WHAT is a
                    value, none (no such name), empty, or torn-WHY: bytes that nobody wrote so
    TIME WHO saw log LOG BEGIN OPENED INO LINES     or torn-WHY
    TIME WHO missed HOW KEY BEGIN WHY age=S         an error, of a descriptor that is S old
    TIME log LOG LINE...                            what is in the log in the end

Settings: `hold`, for how long an emptied file shows its old value, in seconds; lease; inodes=0 when
the nodes' inode numbers are not the same (of directories that are no coordfs), and the value tells
which file it is."""

from bisect import bisect_left, bisect_right

import history as histories
import holds
import registers
from history import NEVER

GRACE = 3.0  # after trouble, until a node has to answer again
KEPT = 60.0  # seconds for which a file without a name can be read
ORIGIN = "(in the beginning there is no such name)"


class Look:
    """A read."""
    __slots__ = ("who", "how", "key", "begin", "opened", "end", "ino", "what", "age")

    def __init__(self, end, who, words):
        self.who, self.end = who, end
        self.how, self.key, self.begin = words[1], words[2], float(words[3])
        self.ino = self.age = None
        if words[0] == "saw":
            self.opened, self.ino, self.what = float(words[4]), int(words[5]), words[6]
        else:
            self.opened, self.what = self.begin, words[4]
            self.age = float(words[5].partition("=")[2])

    @property
    def node(self):
        return int(self.who.split("@")[1])

    def __str__(self):
        return "%s %s %s -> %s of %s (%.9f, %.9f to %.9f)" % (
            self.who, self.how, self.key, self.what, self.ino, self.begin, self.opened, self.end)


class History(histories.History):
    def __init__(self):
        super().__init__()
        self.settings.update(hold=0.1, lease=1.0, inodes=1)
        self.looks = []
        self.missed = []
        self.logs = {}  # name -> lines, in the end

    def add_words(self, time, who, words):
        if who == "log":
            self.logs[words[0]] = words[1:]
        elif words[0] in ("saw", "missed"):
            (self.looks if words[0] == "saw" else self.missed).append(Look(time, who, words))
        else:
            super().add_words(time, who, words)


class Run:
    """The history, by name and by file."""

    def __init__(self, history):
        self.fates = holds.Fates(history)
        self.settings = history.settings
        self.looks, self.missed, self.logs = history.looks, history.missed, history.logs
        self.calls = history.calls
        self.names = {}  # key -> {inode number or "none": Value}
        self.files = {}  # inode number -> {value: Value}
        self.file_of = {}  # value -> inode number
        self.emptied = {}  # key -> [(empty, write or None)]
        self.emptyings = {}  # (key, inode number) -> Emptyings
        self.excused = 0  # reads of values that were long in the making
        self.strangers = []  # what nobody wrote
        self.astray = []
        self.under_way = {}  # (key or inode number, node) -> UnderWay
        self.read_writes()
        self.read_looks()

    def name(self, key):
        return self.names.setdefault(key, {"none": registers.Value(-NEVER, -NEVER, ORIGIN)})

    def read_writes(self):
        opened = {}  # who -> its last `empty`
        for call in self.calls:
            done = call.outcome == "ok"
            if call.kind == "new" and done:
                self.add_value(call, int(call.result[0]), call.words[0])
            elif call.kind == "rename":
                self.name(call.name)[int(call.words[0])] = registers.Value(
                    call.begin, call.end if done else NEVER, call)
                self.under_way.setdefault((call.name, call.node), UnderWay()).add(call)
            elif call.kind == "empty":
                opened[call.who] = pair = [call, None]
                self.emptied.setdefault(call.name, []).append(pair)
            elif call.kind == "write":
                opened[call.who][1] = call
                self.add_value(call, int(opened[call.who][0].result[0]), call.words[0])
        for list_ in self.emptied.values():
            for call, _ in list_:
                if call.outcome == "ok":
                    self.see_name(call.name, int(call.result[0]), call.begin, call.end, call)

    def add_value(self, call, ino, value):
        end = call.end if call.outcome == "ok" else NEVER
        self.files.setdefault(ino, {})[value] = registers.Value(call.begin, end, call)
        self.file_of[value] = ino
        self.under_way.setdefault((ino, call.node), UnderWay()).add(call)

    def see(self, place, value, begin, end, call):
        writes = self.under_way.get((place, call.node))
        value.see(begin, end, call, writes.since(begin) if writes else begin)

    def see_name(self, key, ino, begin, end, call):
        known = self.name(key).get(ino)
        if known:
            self.see(key, known, begin, end, call)
        else:
            self.strangers.append("a file that nobody moved there:\n  %s" % call)

    def read_looks(self):
        troubles = {node: self.mapping_troubles(node) for node in self.fates.troubles}
        for look in self.looks:
            if look.how == "log" or look.what.startswith("torn"):
                continue
            ino = look.ino
            if look.what not in ("none", "empty"):
                if look.what not in self.file_of:
                    self.strangers.append("a value that nobody wrote:\n  %s" % look)
                    continue
                if not self.settings["inodes"]:
                    ino = self.file_of[look.what]
                if self.file_of[look.what] != ino:
                    self.astray.append(look)
                    continue
                if look.how != "mmap" or not overlaps(troubles.get(look.node), look):
                    self.see(ino, self.files[ino][look.what], look.opened, look.end, look)
            if look.how == "open" and (look.what != "empty" or self.settings["inodes"]):
                self.see_name(look.key, "none" if look.what == "none" else ino, look.begin,
                              look.opened, look)

    def mapping_troubles(self, node):
        """While a node is paused, cut off or dead its mappings may show old values; those of a dead
        mount are given up after a lease."""
        return holds.merge([(begin, end + 1.5 * self.settings["lease"])
                            for begin, end, _ in self.fates.troubles[node]])

    def in_trouble(self, node, begin, end):
        return self.fates.in_trouble(node, begin - GRACE, end) or \
            self.fates.no_majority(begin - GRACE, end)

    def is_beside(self, look):
        """Whether a process of its node is emptying and writing the name meanwhile."""
        for empty, write in self.emptied.get(look.key, []):
            end = write.end if write else NEVER if empty.outcome != "ok" else empty.end
            if empty.node == look.node and empty.begin <= look.end and look.begin <= end:
                self.excused += 1
                return True
        return False

    def is_excused(self, look):
        """Who empties a file and does not write at once shows it empty, and writes into whatever is
        there by then: until somebody empties it anew and writes at once."""
        place = look.key, look.ino if self.settings["inodes"] else None
        if place not in self.emptyings:
            self.emptyings[place] = Emptyings([
                pair for pair in self.emptied.get(look.key, [])
                if pair[0].outcome != "ok" or place[1] in (None, int(pair[0].result[0]))
            ], self.settings["hold"])
        excused = self.emptyings[place].excuse(look)
        self.excused += excused
        return excused


class UnderWay:
    """The writes of one node to one register."""

    def __init__(self):
        self.begins = []  # in order, as calls are
        self.ends = []
        self.latest = []  # of the ends up to each

    def add(self, call):
        self.begins.append(call.begin)
        self.ends.append(call.end)
        self.latest.append(max(call.end, self.latest[-1]) if self.latest else call.end)

    def since(self, time):
        """The begin of the first of those that are under way at the time; the time if there is
        none."""
        first = time
        at = bisect_right(self.begins, time) - 1
        while at >= 0 and self.latest[at] >= time:
            if self.ends[at] >= time:
                first = self.begins[at]
            at -= 1
        return first


class Emptyings:
    """Of one file, those who emptied it to write."""

    def __init__(self, pairs, hold):
        self.slow = []  # (begin, the latest end of those up to here)
        self.quick = []  # (end, the latest begin of those up to here)
        slow, quick = [], []
        for empty, write in pairs:
            if write is None or write.outcome != "ok":
                slow.append((empty.begin, NEVER))
            elif write.end - empty.begin >= hold:
                slow.append((empty.begin, write.end))
            else:
                quick.append((write.end, empty.begin))
        for all_, latest in ((slow, self.slow), (quick, self.quick)):
            for at, other in sorted(all_):
                latest.append((at, max(other, latest[-1][1]) if latest else other))

    def excuse(self, look):
        slow = bisect_right(self.slow, (look.end, NEVER)) - 1
        quick = bisect_left(self.quick, (look.opened, -NEVER)) - 1
        return slow >= 0 and (quick < 0 or self.slow[slow][1] >= self.quick[quick][1])


def overlaps(intervals, look):
    """Whether the read falls in one of the intervals, which are sorted and do not overlap."""
    at = bisect_right(intervals, (look.end, NEVER)) - 1 if intervals else -1
    return at >= 0 and look.begin <= intervals[at][1]


def whole(run):
    """No torn value, and no empty one: nobody writes either. Where a process of the same node is
    emptying and writing that name the kernel may show both: docs/semantics.md says so."""
    for look in run.looks:
        if look.how != "log" and (look.what == "empty" or look.what.startswith("torn")) and \
                not run.is_excused(look) and not run.is_beside(look):
            yield "nobody wrote that:\n  %s" % look


def invented(run):
    """What is read was written, and to that file."""
    yield from run.strangers
    for look in run.astray:
        yield "the value of file %d in another:\n  %s" % (run.file_of[look.what], look)


def judge_registers(run, lenient):
    """{(what, key): sentences} of those whose calls have no order."""
    found = {}
    for what, registers_ in (("name", run.names), ("file", run.files)):
        for key, values in registers_.items():
            for one, other in registers.conflicts(values.values(), lenient):
                found.setdefault((what, key), []).append(
                    "%s %s: read before it was written:\n  %s" % (what, key, one) if other is None
                    else "%s %s: no order explains both\n  %s\nand\n  %s" % (
                        what, key, one, other))
    return found


def linearizable(run):
    """The calls on a name, and those on a file, have an order that explains every answer. While a
    write of a node is under way, that node may show the old value though another has shown the
    new one: it is not answered."""
    for sentences in judge_registers(run, True).values():
        yield from sentences


def kept(run):
    """A file that lost its name can be read for a while."""
    for look in run.missed:
        if look.what == "ESTALE" and look.age < KEPT:
            yield "gone too soon:\n  %s" % look


def appended(run):
    """Each line that was answered is in the log, once, behind all that were answered before it
    began; who looks sees whole lines."""
    logs = logs_of(run)
    for log, lines in run.logs.items():
        yield from judge_log(log, lines, logs.get(log, {}))
    for look in run.looks:
        if look.how == "log" and look.what.startswith("torn"):
            yield "half a line:\n  %s" % look


def logs_of(run):
    logs = {}
    for call in run.calls:
        if call.kind == "append":
            logs.setdefault(call.name, {})[call.words[0]] = call
    return logs


def sizes(run):
    """Who looks at a log sees all lines that were answered, and none before its time."""
    for log, calls in logs_of(run).items():
        calls = calls.values()
        ends = sorted(call.end for call in calls if call.outcome == "ok")
        begins = sorted(call.begin for call in calls)
        for look in run.looks:
            if look.how != "log" or look.key != log or look.what.startswith("torn"):
                continue
            least, most = bisect_left(ends, look.begin), bisect_right(begins, look.end)
            if not least <= int(look.what) <= most:
                yield "it should be %d to %d lines:\n  %s" % (least, most, look)


def judge_log(log, lines, calls):
    seen, latest = set(), None
    for line in lines:
        call = calls.get(line)
        if call is None or line in seen:
            yield "%s in %s: %s" % (line, log, "twice" if call else "nobody wrote that")
            continue
        seen.add(line)
        if latest and call.outcome == "ok" and call.end < latest.begin:
            yield "behind a later one:\n  %s\n  %s" % (call, latest)
        if latest is None or call.begin > latest.begin:
            latest = call
    for line, call in calls.items():
        if call.outcome == "ok" and line not in seen:
            yield "answered, and not in the log:\n  %s" % call


def begin_of(run, call):
    """Since when its fate may have been decided. A descriptor whose daemon was killed is dead for
    good, however late somebody reads from it."""
    age = getattr(call, "age", None)
    begin = min(call.begin, call.end - run.fates.timeout)
    return min(begin, call.end - age) if age and call.what == "ENOTCONN" else begin


def available(run):
    """Everybody is answered when nothing is wrong, and in time. A mapping of a file that is shown
    empty, as `whole` allows, has no byte to give: SIGBUS."""
    bound = 2 * run.fates.timeout + GRACE
    asked = [(call, call.outcome == "maybe") for call in run.calls if call.end != NEVER]
    asked += [(look, look.what != "ESTALE") for look in run.missed if look.what != "SIGBUS" or
              not (run.is_excused(look) or run.is_beside(look))]
    asked += [(look, False) for look in run.looks]
    for call, failed in asked:
        late = call.end - call.begin > bound
        if (failed or late) and not run.in_trouble(call.node, begin_of(run, call), call.end):
            yield "%s, though nothing was wrong:\n  %s" % (
                "an error" if failed else "an answer came late", call)


RULES = [whole, invented, linearizable, kept, appended, sizes, available]
