"""Is there an order in which the calls on a name could have happened one after the other, each
between its beginning and its end, that gives every answer that was given?

The search is Wing's and Gong's, with Lowe's memory of what was tried. The model of a name is who
holds it, in the order of their coming, with which token, and the content; it begins free. Beside the
calls things happen by themselves, no sooner than something needs them to have happened: that what
may be gone goes, and that what nobody knows the outcome of happens."""

from history import LOOKS, NEVER

GIVE_UP = 300000  # states of one name


class Op:
    """A call whose answer binds the order."""

    def __init__(self, call, kind, **more):
        self.call = call
        self.begin, self.end = call.begin, call.end
        self.kind = kind
        self.__dict__.update(more)


class State:
    """Immutable, comparable. `holders` are (hold number, token or 0, and while it is not known:
    above which, below which or 0 it is); `last` is the highest known; `done` are the numbers of
    what happened by itself and cannot happen again."""

    __slots__ = ("holders", "last", "content", "done", "key")

    def __init__(self, holders=(), last=0, content="-", done=frozenset()):
        self.holders, self.last, self.content, self.done = holders, last, content, done
        self.key = (holders, last, content, done)


class Name:
    """The calls on one name, and what may happen by itself."""

    def __init__(self, name, holds, calls):
        self.name = name
        self.holds = holds
        self.number = {id(hold): at for at, hold in enumerate(holds)}
        self.owner = {hold.token: at for at, hold in enumerate(holds) if hold.token}
        self.unknown_takes = [at for at, hold in enumerate(holds) if not hold.sure]
        self.unknown_removes = []
        self.unknown_writes = []
        self.waits = [call for call in calls if call.kind == "take" and call.option("wait") and
                      call.words[1] == "exclusive"]
        self.ops = []
        for call in calls:
            self.add(call)
        self.ops.sort(key=lambda op: op.begin)

    def add(self, call):
        if call.kind == "take":
            self.add_take(call)
        elif call.kind == "write" and call.hold:
            if call.outcome == "ok":
                self.op(call, "write", hold=self.number[id(call.hold)], content=call.words[0])
            elif call.outcome == "no":
                self.op(call, "not-held", hold=self.number[id(call.hold)])
            else:  # also when the hold was lost meanwhile
                self.unknown_writes.append(call)
        elif call.kind == "drop" and call.hold:
            self.add_drop(call)
        elif call.kind == "remove":
            if call.outcome == "ok":
                self.op(call, "remove")
            elif call.outcome == "maybe":
                self.unknown_removes.append(call)
            elif call.result == ["free"]:
                self.op(call, "free")
            elif call.result == ["busy"]:
                self.op(call, "busy")
        elif call.kind in LOOKS or call.kind == "list":
            self.add_look(call)

    def op(self, call, kind, **more):
        self.ops.append(Op(call, kind, **more))

    def add_take(self, call):
        exclusive = call.words[1] == "exclusive"
        if call.outcome == "ok":
            hold = next(hold for hold in self.holds if hold.take is call)
            self.op(call, "take", hold=self.number[id(hold)])
        elif call.outcome == "no" and call.result == ["held"]:
            # Nobody overtakes a waiter that conflicts with him; one that gave up, or whose node is
            # in trouble, may be in the queue longer than its call lasted.
            waiter = not exclusive and any(
                wait.begin < call.end and (call.begin < wait.end or wait.outcome == "maybe")
                for wait in self.waits)
            self.op(call, "refused", exclusive=exclusive, waiter=waiter)

    def add_drop(self, call):
        number = self.number[id(call.hold)]
        if call is call.hold.ended_by:
            self.op(call, "delete" if call.words == ["delete"] else "drop", hold=number)
        elif call.outcome == "no" and call.result == ["free"]:
            self.op(call, "free")
        elif call.outcome == "no" and call.result == ["not-held"]:
            self.op(call, "others", hold=number)

    def add_look(self, call):
        if call.kind == "list":
            if call.outcome == "ok":
                self.op(call, "held" if self.name in call.result else "free")
        elif call.outcome == "no":
            if call.result == ["free"]:
                self.op(call, "free")
        elif call.outcome == "ok" and call.kind == "see":
            self.op(call, "held")
        elif call.outcome == "ok" and call.kind == "token":
            self.op(call, "look", token=int(call.result[0]), mode=None, content=None)
        elif call.outcome == "ok" and call.kind == "cat":
            self.op(call, "cat", content=call.result[0])
        elif call.outcome == "ok":
            self.op(call, "look", token=int(call.result[0]), mode=call.result[1],
                    content=call.result[2])

    # --- the model: what a call does to a state; None when it could not be answered so ------

    def exclusive(self, state):
        return any(self.holds[at].exclusive for at, *_ in state.holders)

    def holds_it(self, state, hold):
        return any(at == hold for at, *_ in state.holders)

    def without(self, state, hold, done=None):
        holders = tuple(holder for holder in state.holders if holder[0] != hold)
        content = state.content if holders else "-"
        return State(holders, state.last, content, state.done if done is None else done)

    def with_hold(self, state, hold, token, done=None):
        done = state.done if done is None else done
        if any(self.holds[hold].conflicts(self.holds[at]) for at, *_ in state.holders):
            return None
        if token and token <= state.last:
            return None
        before = tuple((at, known, above, below or token) for at, known, above, below in
                       state.holders) if token else state.holders
        content = state.content if self.exclusive(state) else "-"
        return State(before + ((hold, token, state.last, 0),), max(token, state.last), content,
                     done)

    def do(self, op, state):
        held = bool(state.holders)
        if op.kind == "free":
            return None if held else state
        if op.kind == "held":
            return state if held else None
        if op.kind == "cat":
            return state if op.content == (state.content if held else "-") else None
        if op.kind == "take":
            return self.with_hold(state, op.hold, self.holds[op.hold].token)
        if op.kind == "refused":
            conflict = held and (op.exclusive or op.waiter or self.exclusive(state))
            return state if conflict else None
        if op.kind == "look":
            return self.look(op, state)
        if op.kind == "write":
            if not self.holds_it(state, op.hold):
                return None
            return State(state.holders, state.last, op.content, state.done)
        if op.kind == "drop":
            return self.without(state, op.hold)
        if op.kind == "delete":
            return self.without(state, op.hold) if self.holds_it(state, op.hold) else None
        if op.kind == "not-held":
            return None if self.holds_it(state, op.hold) else state
        if op.kind == "others":
            return state if held and not self.holds_it(state, op.hold) else None
        return self.removed(op, state)

    def look(self, op, state):
        if not state.holders:
            return None
        newest, token, above, below = state.holders[-1]
        if op.mode and (op.mode == "exclusive") != self.exclusive(state):
            return None
        if op.content and op.content != state.content:
            return None
        if token:
            return state if token == op.token else None
        if self.owner.get(op.token, newest) != newest or op.token <= above or \
                below and op.token >= below:
            return None
        holders = state.holders[:-1] + ((newest, op.token, above, below),)
        return State(holders, max(op.token, state.last), state.content, state.done)

    def removed(self, op, state):
        lockfiles = [at for at, *_ in state.holders if self.holds[at].how == "lockfile"]
        if op.kind == "busy":
            return state if state.holders and not lockfiles else None
        return self.without(state, lockfiles[0]) if lockfiles else None

    # --- what happens by itself -------------------------------------------------------------

    def goers(self, state, horizon):
        """States with one holder less."""
        for at, *_ in state.holders:
            hold = self.holds[at]
            if not hold.sure or hold.lo <= horizon:
                yield self.without(state, at)
            elif hold.how == "lockfile":
                for number, call in enumerate(self.unknown_removes):
                    if call.begin <= horizon and ("remove", number) not in state.done:
                        yield self.without(state, at, state.done | {("remove", number)})

    def comers(self, state, horizon, front, shared=False):
        """States with one holder more, that nobody was told of."""
        for at in self.unknown_takes:
            hold = self.holds[at]
            if hold.take.begin <= horizon and front <= hold.hi and at not in state.done and \
                    not (shared and hold.exclusive):
                come = self.with_hold(state, at, 0, state.done | {at})
                if come:
                    yield come

    def written(self, state, horizon):
        for number, call in enumerate(self.unknown_writes):
            hold = self.number[id(call.hold)]
            if call.begin <= horizon and ("write", number) not in state.done and \
                    self.holds_it(state, hold):
                yield State(state.holders, state.last, call.words[0],
                            state.done | {("write", number)})

    def overdue(self, state, front):
        """Whether somebody holds who must be gone before anything that begins at `front`."""
        return any(self.holds[at].hi < front for at, *_ in state.holders)

    def ways(self, op, state, horizon, front):
        """The states in which `op` has happened next, preceded by no more than it needs: some go,
        then one comes or something is written."""
        front = max(front, op.begin)
        seen, layer = {state.key}, [state]
        while layer:
            fewer = []
            for one in layer:
                after = None if self.overdue(one, front) else self.do(op, one)
                if after:
                    yield after
                    continue
                if not self.overdue(one, front):
                    for other in self.comers(one, horizon, front):
                        yield from filter(None, [self.do(op, other)])
                    for other in self.written(one, horizon):
                        yield from filter(None, [self.do(op, other)])
                for other in self.goers(one, horizon):
                    if other.key not in seen:
                        seen.add(other.key)
                        fewer.append(other)
            layer = fewer


READS = {"free", "held", "cat", "refused", "not-held", "others", "busy"}


class Search:
    def __init__(self, name):
        self.name = name
        self.ops = name.ops
        self.best = 0, 0, State()  # how far it came: count, done, state
        self.gave_up = False

    def next_ops(self, done, first):
        """What may happen next, and the moment by which the first of it must have."""
        horizon, found = NEVER, []
        for at in range(first, len(self.ops)):
            op = self.ops[at]
            if op.begin > horizon:
                break
            if not done >> at & 1:
                found.append(at)
                horizon = min(horizon, op.end)
        return [at for at in found if self.ops[at].begin <= horizon], horizon

    def settle(self, done, first, front, state):
        """Takes all that changes nothing and fits: it may as well happen now."""
        while True:
            while done >> first & 1:
                first += 1
            found, horizon = self.next_ops(done, first)
            for at in found:
                op = self.ops[at]
                fits = op.kind in READS or (op.kind == "look" and state.holders and
                                            state.holders[-1][1])
                later = max(front, op.begin)
                if fits and not self.name.overdue(state, later) and self.name.do(op, state):
                    done, front = done | 1 << at, later
                    break
            else:
                return done, first, front, found, horizon

    def moves(self, node):
        """The nodes of the search that follow, the likeliest first."""
        done, first, front, state, found, horizon = node
        hard = []
        for at in found:
            op = self.ops[at]
            later = max(front, op.begin)
            after = None if self.name.overdue(state, later) else self.name.do(op, state)
            if after:
                yield done | 1 << at, first, later, after
            else:
                hard.append(at)
        for at in hard:
            op = self.ops[at]
            for after in self.name.ways(op, state, horizon, front):
                yield done | 1 << at, first, max(front, op.begin), after
        # Among readers it matters who came before whom: the one that nobody was told of may have
        # come before it was needed.
        for after in self.name.comers(state, horizon, front, shared=True):
            yield done, first, front, after

    def run(self):
        """True when there is an order."""
        full = (1 << len(self.ops)) - 1
        stack, seen = [iter([(0, 0, -NEVER, State())])], set()
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            done, first, front, state = node
            done, first, front, found, horizon = self.settle(done, first, front, state)
            if done == full:
                return True
            if (done, state.key) in seen:
                continue
            seen.add((done, state.key))
            if len(seen) > GIVE_UP:
                self.gave_up = True
                return False
            count = bin(done).count("1")
            if count >= self.best[0]:
                self.best = count, done, state
            stack.append(self.moves((done, first, front, state, found, horizon)))
        return False

    def explain(self):
        count, done, state = self.best
        found, _ = self.next_ops(done, 0)
        holders = [str(self.name.holds[at]) for at, *_ in state.holders] or ["nobody"]
        lines = ["%s: %s after %d of %d answers; held then by" % (
            self.name.name, "given up" if self.gave_up else "no order fits", count, len(self.ops))]
        lines += ["  " + text for text in holders]
        lines += ["with the content %s and %d the highest token seen; none of these fits next:" % (
            state.content, state.last)]
        lines += ["  %s" % self.ops[at].call for at in found]
        return "\n".join(lines)


def by_name(history):
    """The calls that concern each name; a list concerns all that live about its time."""
    calls, lists = {}, []
    for call in history.calls:
        if call.kind == "list":
            lists.append(call)
        elif call.name:
            calls.setdefault(call.name, []).append(call)
    spans = {}
    for name, list_ in calls.items():
        ends = [call.end for call in list_ if call.end != NEVER]
        spans[name] = list_[0].begin, max(ends, default=list_[0].begin)
    for call in lists:
        names = {name for name, (begin, end) in spans.items()
                 if begin <= call.end and call.begin <= end + 1}
        for name in names.union(call.result if call.outcome == "ok" else ()):
            calls.setdefault(name, []).append(call)
    return calls


def linearizable(history, fates, holds):
    """Every name has an order of its calls."""
    for name, calls in by_name(history).items():
        search = Search(Name(name, holds.get(name, []), calls))
        if not search.run():
            yield search.explain()
