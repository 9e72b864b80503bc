"""The rules that can be judged one by one: each gives sentences, and none when it is kept. What they
have in common with search.py is the history alone; a sentence here says more than "no order"."""

from bisect import bisect_left, bisect_right

from history import LOOKS, NEVER

GRACE = 3.0  # after trouble, until a node has to answer again


def exclusion(history, fates, holds):
    """No two that conflict hold at once."""
    for list_ in holds.values():
        sure = sorted((hold for hold in list_ if hold.sure), key=lambda hold: hold.take.begin)
        for at, one in enumerate(sure):
            for other in sure[:at]:
                if not one.conflicts(other):
                    continue
                both = max(one.take.end, other.take.end)
                during = other.take.end < one.take.begin and one.take.end < other.relied_to()
                if during or both < min(one.relied_to(), other.relied_to()):
                    yield "two hold at once:\n  %s, relied on until %.6f\n  %s, until %.6f" % (
                        other, other.relied_to(), one, one.relied_to())


def shown_wrongly(hold, call):
    """What `call`, made while `hold` was relied on, should not have said."""
    if call.kind in LOOKS and call.outcome == "no" and call.result == ["free"]:
        return "is not there"
    if call.kind == "list" and call.outcome == "ok" and hold.name not in call.result:
        return "is not in the list"
    if call.outcome != "ok" or not hold.exclusive:
        return None
    if call.kind in ("token", "get") and hold.token and int(call.result[0]) != hold.token:
        return "has another token than %d" % hold.token
    content = call.result[0] if call.kind == "cat" else None
    if call.kind == "get":
        content = call.result[2]
    before = [write for write in hold.writes if write.begin < call.end]
    if content is None or not before or hold.how == "http":
        return None
    if all(write.outcome == "ok" and write.end < call.begin for write in before) and \
            content != before[-1].words[0]:
        return "has another content than %s" % before[-1].words[0]
    return None


def forgotten(history, fates, holds):
    """What was answered is there, whoever looks."""
    looks = {}
    for call in history.calls:
        if call.kind in LOOKS or call.kind == "list":
            looks.setdefault(call.name, []).append(call)
    begins = {name: [call.begin for call in calls] for name, calls in looks.items()}
    for name, list_ in holds.items():
        for hold in list_:
            if not hold.sure or hold.take.end >= hold.relied_to():
                continue
            for where in (name, None):  # a list has no name
                first = bisect_right(begins.get(where, []), hold.take.end)
                last = bisect_left(begins.get(where, []), hold.relied_to())
                for call in looks.get(where, [])[first:last]:
                    wrong = call.end < hold.relied_to() and shown_wrongly(hold, call)
                    if wrong:
                        yield "what is held %s:\n  %s, relied on until %.6f\n  %s" % (
                            wrong, hold, hold.relied_to(), call)
    yield from lost(history)


def lost(history):
    """A holder is told that it has lost its hold although it cannot have."""
    for call in history.calls:
        hold = call.hold
        if hold is None or not hold.sure or call.end >= hold.lo:
            continue
        removed = hold.how == "lockfile" and hold.relied_until < call.end
        told = call.result[:1] in (["free"], ["not-held"])
        if call.outcome == "lost" or (call.outcome == "no" and told and not removed):
            yield "a hold was lost for nothing, before %.6f:\n  %s\n  %s" % (hold.lo, hold, call)


def tokens(history, fates, holds):
    """They grow from holder to holder."""
    for list_ in holds.values():
        known = [hold for hold in list_ if hold.token]
        by_end = sorted(known, key=lambda hold: hold.take.end)
        highest, at = None, 0
        for hold in sorted(known, key=lambda hold: hold.take.begin):
            while by_end[at].take.end < hold.take.begin:
                if highest is None or by_end[at].token > highest.token:
                    highest = by_end[at]
                at += 1
            if highest and highest.token >= hold.token:
                yield "token %d came after token %d:\n  %s\n  %s" % (
                    hold.token, highest.token, highest, hold)
        owners = {}
        for hold in known:
            other = owners.setdefault(hold.token, hold)
            if other is not hold:
                yield "one token, two acquisitions:\n  %s\n  %s" % (other, hold)


def gave_up_early(call, fates):
    """It was to wait for less time than the choice of a new leader takes, so that nobody could say
    how it stood when its time was over."""
    return call.result[:1] == ["503"] and 0 < call.option("wait") < fates.timeout and \
        fates.may_elect(call.begin - GRACE, call.end)


def available(history, fates, holds):
    """A node that is well, and a majority with it, answers, and in time."""
    for call in history.calls:
        if call.kind == "session" or call.end == NEVER:
            continue
        begin = min(call.begin, call.end - fates.timeout) - GRACE
        if fates.in_trouble(call.node, begin, call.end) or fates.no_majority(begin, call.end):
            continue
        if call.outcome == "maybe" and call.result[:1] in (["ETIMEDOUT"], ["503"]) and \
                not gave_up_early(call, fates):
            yield "no answer, though nothing was wrong:\n  %s" % call
        elif call.end - call.begin > 2 * fates.timeout + call.option("wait") + GRACE:
            yield "an answer came late, though nothing was wrong:\n  %s" % call


def healing(history, fates, holds):
    """After the last trouble everybody gets everything to work, in time."""
    if history.healed is None:
        return
    wanted = {(call.who, how) for call in history.calls if call.kind == "take"
              for how in ("lockfile", "flock", "http")}
    for call in history.calls:
        if call.kind == "take" and call.outcome == "ok" and \
                history.healed <= call.begin and call.end <= history.healed + history.bound:
            wanted.discard((call.who, call.words[0]))
    for who, how in sorted(wanted):
        yield "%s took no lock by %s within %g s after everything was healed at %.6f" % (
            who, how, history.bound, history.healed)


RULES = [exclusion, forgotten, tokens, available, healing]
