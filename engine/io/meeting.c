#include "io/meeting.h"

static bool is_heartbeat(const struct cfs_message *message)
{
    return message->type == CFS_MSG_APPEND && !message->append.entry_count;
}

void cfs_meeting_note_sent(struct cfs_meeting *meeting, const struct cfs_message *message,
                           cfs_time now)
{
    if (message->patient && is_heartbeat(message))
        meeting->sent = now;
}

void cfs_meeting_note_heard(struct cfs_meeting *meeting, const struct cfs_message *message,
                            cfs_time now)
{
    if (is_heartbeat(message))
        meeting->heard = now;
}

cfs_time cfs_meeting_wait(const struct cfs_meeting *meeting, const struct cfs_outbox *outbox,
                          bool begins, cfs_time now)
{
    cfs_time slack = meeting->period / CFS_MEETING_PART, expected;
    bool acknowledges = false;

    for (size_t i = outbox->first; i < outbox->end; i++) {
        if (!outbox->messages[i].patient)
            return 0;
        acknowledges |= !is_heartbeat(&outbox->messages[i]);
    }
    if (begins && !acknowledges)
        return 0;
    expected = (acknowledges ? meeting->sent : meeting->heard) + meeting->period;
    return expected <= now + slack ? expected + slack : 0;
}
