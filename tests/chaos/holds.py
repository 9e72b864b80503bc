"""What the history says of nodes and holds: how long a session was certainly kept, and so how long
the holder of a lock could rely on it, and until when it must be gone.

The contract: a node's session lasts `session` seconds from its last renewal. The node itself stops
relying on it 2 percent earlier, and tells so, when asked (`session` in its status). When the
session has ended, all that the node held is given to others. A daemon that is started again while
it lasts keeps the lockfiles, and gives back at once what belonged to open files.

A node that is killed or paused cannot be asked; how fresh its renewal was is known if the cluster
had been calm before: a node renews each third of `session` or `timeout`, whichever is shorter."""

from history import LOOKS, NEVER

GUARD = 0.98  # what the node counts of a session
SLACK = 0.75  # for a renewal's way there and back, and for machines that are busy
CALM = 1.0  # without trouble, beyond the period of renewals, for these to be in time
FRESH = 0.6  # the age of what a node last said, to be true when the trouble begins


class Span:
    """What is known of one session: answers that named it were asked for at first_begin ...
    last_begin, and the first of them arrived at first_end."""

    def __init__(self, number, call):
        self.number = number
        self.first_begin = call.begin
        self.first_end = call.end
        self.last_begin = call.begin


class Fates:
    def __init__(self, history):
        self.session = history.settings["session"]
        self.timeout = history.settings["timeout"]
        self.period = min(self.session, self.timeout) / 3
        self.nodes = int(history.settings["nodes"])
        self.troubles = {}  # node -> [(begin, end, verb)]
        self.starts = {}  # node -> [(killed, started)]
        self.spans = {}  # node -> [Span], in order
        self.read_deeds(history.deeds)
        self.read_sessions(history.calls)
        self.storms = merge([(begin, end) for list_ in self.troubles.values()
                             for begin, end, _ in list_])

    def read_deeds(self, deeds):
        under_way = {}
        for time, verb, node in deeds:
            if verb in ("kill", "pause", "cut"):
                under_way.setdefault(node, []).append((time, verb))
            elif verb == "start":
                killed = [at for at, what in under_way.get(node, []) if what == "kill"]
                self.starts.setdefault(node, []).append((min(killed, default=time), time))
            elif verb == "well":
                for begin, what in under_way.pop(node, []):
                    self.troubles.setdefault(node, []).append((begin, time, what))
        for node, list_ in under_way.items():
            for begin, what in list_:
                self.troubles.setdefault(node, []).append((begin, NEVER, what))

    def read_sessions(self, calls):
        for call in calls:
            if call.kind != "session" or call.outcome != "ok" or call.result == ["0"]:
                continue
            if self.in_trouble(call.node, call.begin, call.end, {"pause"}):
                continue  # what a node says that has just woken up may be of before
            spans = self.spans.setdefault(call.node, [])
            if not spans or spans[-1].number != call.result[0]:
                spans.append(Span(call.result[0], call))
            spans[-1].last_begin = call.begin

    def in_trouble(self, node, begin, end, verbs=("kill", "pause", "cut")):
        return any(first <= end and begin <= last and verb in verbs
                   for first, last, verb in self.troubles.get(node, []))

    def in_storm(self, begin, end):
        return any(first <= end and begin <= last for first, last in self.storms)

    def may_elect(self, begin, end):
        """Whether some node fell into trouble or came out of it, so that there may be no leader."""
        return any(begin <= at <= end for list_ in self.troubles.values()
                   for first, last, _ in list_ for at in (first, last))

    def no_majority(self, begin, end):
        """Whether so many nodes were in trouble at once, some time in between."""
        marks = []
        for list_ in self.troubles.values():
            for first, last in merge([(first, last) for first, last, _ in list_]):
                if first <= end and begin <= last:
                    marks += [(max(first, begin), 0), (min(last, end), 1)]
        bad = 0
        for _, ends in sorted(marks):
            bad += -1 if ends else 1
            if self.nodes - bad <= self.nodes // 2:
                return True
        return False

    def kept_until(self, span):
        """The session lasted at least until then."""
        until = span.last_begin
        calm_since = -NEVER
        for begin, end in self.storms:
            calm = begin - calm_since > self.period + CALM
            if calm and span.first_begin < begin and span.last_begin > begin - FRESH:
                until = max(until, begin + GUARD * self.session - self.period - SLACK)
            calm_since = end
        return until

    def restarted(self, node, after, before):
        return any(after < started < before for _, started in self.starts.get(node, []))

    def lasts(self, node, at, lockfile):
        """(lo, hi) of what was taken in span number `at` of the node: certain until lo, gone by
        hi."""
        spans = self.spans[node]
        while True:
            span = spans[at]
            until = self.kept_until(span)
            if at + 1 == len(spans):
                return until, NEVER
            after = spans[at + 1]
            if not self.restarted(node, span.last_begin, after.first_end):
                return until, after.first_end  # another session without a restart: it was lost
            if not lockfile:
                return until, after.first_end
            if after.first_end > until:
                return until, NEVER  # taken over or lost: nobody can tell
            at += 1

    def bounds(self, call, lockfile):
        """(lo, hi) of what the take `call` got."""
        spans = self.spans.get(call.node)
        if not spans:
            return NEVER, NEVER  # nobody watched it: nothing happened to it
        found = []
        if call.begin < spans[0].first_begin:
            found.append((call.begin, NEVER))  # before anybody looked
        for at, _ in enumerate(spans):
            since = spans[at - 1].last_begin if at else -NEVER
            until = spans[at + 1].first_end if at + 1 < len(spans) else NEVER
            if since <= call.end and call.begin <= until:
                found.append(self.lasts(call.node, at, lockfile))
        lo, hi = min(lo for lo, _ in found), max(hi for _, hi in found)
        if not lockfile:
            for killed, started in self.starts.get(call.node, []):
                if killed > call.begin:
                    lo = min(lo, started)
        return max(lo, call.begin), hi


def merge(intervals):
    merged = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


class Hold:
    """What a take got, or, when its outcome is `maybe`, may have got."""

    def __init__(self, take, fates):
        self.take = take
        self.name = take.name
        self.how, self.mode = take.words[0], take.words[1]
        self.exclusive = self.mode == "exclusive"
        self.sure = take.outcome == "ok"
        self.token = int(take.result[0]) if self.sure and take.result else 0
        self.relied_until = NEVER  # its holder began to give it up, or somebody to remove it
        self.writes = []
        self.ended_by = None  # the call that certainly gave it back
        if self.how == "http":
            self.lo, self.hi = take.begin + GUARD * take.option("ttl"), NEVER
        else:
            self.lo, self.hi = fates.bounds(take, self.how == "lockfile")

    def relied_to(self):
        """From the end of its take until then nobody else may have the lock."""
        return min(self.lo, self.relied_until)

    def conflicts(self, other):
        """Lockfile and flock of one process get along; here a client is a process."""
        kin = self.take.who == other.take.who and {self.how, other.how} == {"lockfile", "flock"}
        return (self.exclusive or other.exclusive) and not kin

    def __str__(self):
        return str(self.take)


def follow(hold, call, fates):
    """A later call of the holder concerns the hold."""
    if call.kind == "write":
        call.hold = hold
        hold.writes.append(call)
    elif call.kind == "drop":
        call.hold = hold
        hold.relied_until = min(hold.relied_until, call.begin)
        if call.outcome != "ok":
            hold.lo = min(hold.lo, call.begin) if call.outcome != "no" else hold.lo
            return
        # close(2) says nothing of a node that may not reach the others; the rest was answered.
        certain = call.words != ["close"] or not (
            fates.in_trouble(call.node, call.begin, call.end) or
            fates.no_majority(call.begin, call.end) or
            call.end - call.begin > 0.9 * fates.timeout)
        if not certain:
            hold.lo = min(hold.lo, call.begin)
        elif hold.sure:
            hold.ended_by = hold.ended_by or call
        else:
            hold.hi = min(hold.hi, call.end)
    elif call.kind == "remove" and call.name == hold.name and hold.how == "lockfile":
        hold.relied_until = min(hold.relied_until, call.begin)


def learn_token(hold, call):
    """The holder looked itself, while nobody else could hold."""
    if call.kind in ("token", "get") and call.outcome == "ok" and hold.exclusive and \
            hold.sure and not hold.token and call.name == hold.name and \
            call.end <= hold.relied_to():
        hold.token = int(call.result[0])


def doubt(history, fates):
    """The 423 that ends a wait over HTTP is the node's own word: in a storm nobody may have told it
    yet whether the lock is held, and what it is granted meanwhile is given back."""
    for call in history.calls:
        if call.kind == "take" and call.words[0] == "http" and call.option("wait") and \
                call.result == ["held"] and fates.in_storm(call.begin - CALM, call.end):
            call.outcome = "maybe"


def read_holds(history, fates):
    """All holds, by name; writes and drops get their `hold`."""
    doubt(history, fates)
    holds, latest = {}, {}
    for call in history.calls:
        call.hold = None
        if call.kind == "take":
            latest[call.who] = None
            if call.outcome in ("ok", "maybe"):
                hold = latest[call.who] = Hold(call, fates)
                holds.setdefault(call.name, []).append(hold)
        elif latest.get(call.who):
            follow(latest[call.who], call, fates)
    for call in history.calls:
        if call.kind == "remove" and call.outcome in ("ok", "maybe"):
            for hold in holds.get(call.name, []):
                if hold.how == "lockfile" and call.end >= hold.take.begin:
                    hold.relied_until = min(hold.relied_until, call.begin)
    latest = {}
    by_take = {id(hold.take): hold for list_ in holds.values() for hold in list_}
    for call in history.calls:
        if call.kind == "take":
            latest[call.who] = by_take.get(id(call))
        elif call.kind in LOOKS and latest.get(call.who):
            learn_token(latest[call.who], call)
    return holds
