/* cache/: a session of its own with the kernel, mounted in the directory of that name of the mount
 * proper; or a part of that one's, where nothing can be mounted in it. The kernel keeps the copies
 * (pages, attributes, names and listings); here is known what of them is shared with which home,
 * and here they are taken back. docs/coherence.md says why it is done as it is.
 *
 * One thread, the engine's, is in here; fs/cache_notify.c has others, which know nothing of it. */
#ifndef CFS_FS_CACHE_H
#define CFS_FS_CACHE_H

#include <pthread.h>
#include <sys/stat.h>
#include <uthash.h>

#include "coordfs/config.h"
#include "coordfs/engine.h"
#include "fs/cache_notify.h"
#include "fs/fuse.h"

struct cfs_cache;
struct cfs_cache_call;
struct cfs_cache_inode;
struct cfs_cache_listing;
struct cfs_fs; /* fs/mount.h */

/* Bytes of a file that come with its attributes, and are kept beside them. */
#define CFS_CACHE_HEAD 4096u

/* Bytes of a page of the kernel's. */
#define CFS_CACHE_PAGE 4096

/* In the session of the mount proper an inode's node id is its number and this: greater than all
 * that others have there. */
#define CFS_CACHE_IDS ((fuse_ino_t)1 << 62)

/* A name in a directory that the kernel may know, or know to be missing. */
struct cfs_cache_name {
    cfs_ino child; /* 0: there is none of that name */
    struct cfs_cache_share share;
    UT_hash_handle hh;
    char name[];
};

/* A name as a position in a listing: never forgotten while the directory is known, so that who is
 * in the middle of a listing goes on where he was. */
struct cfs_cache_cookie {
    uint64_t number;
    UT_hash_handle hh;
    char name[];
};

/* A thread that was told ESTALE, and begins its call once more. */
struct cfs_cache_told {
    uint32_t tid;
    cfs_time at;
    struct cfs_cache_told *next;
};

/* A recall that pages have to be forgotten for once more. */
struct cfs_cache_behind {
    struct cfs_cache_recalling *recalling;
    struct cfs_cache_behind *next;
};

/* The version of a file that the kernel was told the size of last, and its first bytes. */
struct cfs_cache_shown {
    bool known;
    struct cfs_content_info content;
    uint8_t *head; /* NULL: not all of it is there */
};

/* Replacement: the empty value of open(2)'s O_TRUNC, held back until the write. */
enum cfs_cache_hold { CFS_HOLD_NONE, CFS_HOLD_WAITS, CFS_HOLD_SENT };

struct cfs_cache_inode {
    cfs_ino ino;
    uint64_t lookups; /* times the kernel was told of it and has not forgotten */
    uint32_t refs;    /* of calls, jobs and recalls */
    UT_hash_handle hh;
    enum cfs_inode_type type; /* 0: not known yet */

    /* What this node shares of it; the share says whether it still does. */
    bool has_info, has_content;
    struct cfs_inode_info info;
    struct cfs_cache_share info_share;
    char *target; /* a symlink's, once known; never changes */
    struct cfs_content_info content;
    struct cfs_cache_share content_share;
    uint8_t *head; /* with the content: its first bytes */
    uint32_t head_len;

    struct cfs_cache_shown shown;
    struct {
        uint64_t came, forgotten;
    } pages; /* how often the kernel may have got some, and as of when it had forgotten all */
    struct {
        uint64_t offset;
        uint32_t times;
    } unkept; /* the last READ whose page was not kept, and how often that came since anybody was
                 told the attributes */
    struct {
        uint64_t at_least, at_most;    /* what the kernel takes the file's size to be */
        struct cfs_notify_job *asking; /* has it ask for it; NULL: none does */
        cfs_time touched;              /* when it last forgot, was told, or wrote */
        struct cfs_cache_call *parked; /* until it does not write */
    } size;

    struct cfs_cache_name *names; /* a directory's */
    struct cfs_cache_cookie *cookies, **cookie_of;
    uint64_t cookie_count;

    /* While the kernel's copies are taken back, nobody is told the attributes: these wait. */
    uint32_t jobs;
    uint32_t stores; /* of these, those that store */
    struct cfs_cache_behind *behind;
    struct cfs_notify_job *ranges;      /* of these, those of pages that a recall waits for */
    bool forgetting_names;              /* one of the jobs is about names */
    struct cfs_notify_name *names_next; /* to be forgotten after those */
    struct cfs_cache_call *parked;
    struct cfs_cache_call *writes;   /* unanswered, of write(2) */
    struct cfs_cache_call *launders; /* unanswered, of mappings, which a recall must not wait for */

    struct {
        enum cfs_cache_hold state;
        uint32_t pid;       /* who has truncated it last */
        bool has_pages;     /* the kernel may have some of the old value's */
        cfs_time last_read; /* when it asked for some last */
        uint32_t opens;     /* how many did, each of whose first writes replaces all there is */
        cfs_time until;
        struct cfs_cache_inode *prev, *next; /* all that wait, in their order */
        struct cfs_cache_call *parked;
    } hold;

    uint64_t charged; /* bytes that the kernel may keep; 0: not in the list by last use */
    struct cfs_cache_inode *prev, *next;
};

/* A recall that is being done, or a lapse, or what a call waits for. */
struct cfs_cache_recalling {
    struct cfs_cache *cache;
    struct cfs_cache_call *call; /* goes on when it is done; NULL: it is a recall or a lapse */
    bool lapse;
    uint64_t id; /* of the recall; the epoch of the lapse */
    cfs_group_id group;
    uint32_t left; /* jobs */
    struct cfs_cache_recalling *next;
};

struct cfs_cache {
    struct cfs_fs *fs;
    struct cfs_engine *engine;
    const struct cfs_config *config;
    char *mountpoint;             /* of this one, not the mount proper */
    uint64_t device;              /* as makedev(3); 0: unknown */
    int proc_fd;                  /* borrowed */
    fuse_ino_t ids;               /* node ids are inode numbers and this: 0, or CFS_CACHE_IDS */
    struct fuse_session *session; /* NULL: it has none of its own */
    struct fuse_buf buffer;       /* the request being processed */
    int watch_fd;                 /* what the engine watches: all of the following */
    int done_fd;                  /* the mount was made, or a job is done */
    int timer_fd;
    cfs_time timer_at; /* CFS_NEVER: not set */
    pthread_t mounter;
    bool mounting, mount_done, mount_failed;
    bool watched, served, gone;
    cfs_time again_at;                                 /* when to mount again; 0: not */
    void (*on_ready)(struct cfs_fs *fs, bool mounted); /* NULL: it was called */

    struct cfs_notifier *notifier;
    struct cfs_cache_inode *inodes;
    struct cfs_cache_inode *held;           /* with a truncation that waits */
    struct cfs_cache_inode *by_use;         /* what the kernel may have bytes of, oldest first */
    uint64_t charged;                       /* of all these */
    struct cfs_cache_recalling *recallings; /* under way */
    struct cfs_cache_call *calls;
    struct cfs_cache_call *interrupted; /* and perhaps killed */
    bool closing;                       /* nothing goes on any more */
    struct cfs_cache_call *locked;      /* wait, perhaps with the directory's lock */
    struct cfs_cache_told *told;        /* oldest first */
    struct cfs_cache_counts counts;     /* since the start */
};

/* --- the session (cache_session.c) -------------------------------------------------------- */

/* Begins to mount, in a thread of its own, on the directory `cache` of the mount `fs`, whose own
 * session serves by now. `ready` is called once: it answers, or it cannot be mounted, and the log
 * says why. NULL after saying on the log why not. */
struct cfs_cache *cfs_cache_open(struct cfs_fs *fs, void (*ready)(struct cfs_fs *fs, bool mounted));

/* Has the session of `fs`, which serves by now, be that of cache/ too: its node ids are those from
 * CFS_CACHE_IDS on. NULL after saying on the log why not. */
struct cfs_cache *cfs_cache_open_within(struct cfs_fs *fs);

/* The cache/ that a request of either session is about. */
struct cfs_cache *cfs_cache_of(fuse_req_t req);

/* The mount goes, lazily where files are open. After cfs_engine_run has returned. */
void cfs_cache_unmount(struct cfs_cache *cache);

/* After cfs_engine_close. */
void cfs_cache_close(struct cfs_cache *cache);

void cfs_cache_recall(struct cfs_cache *cache, const struct cfs_cache_recall *recall);
void cfs_cache_lapse(struct cfs_cache *cache, cfs_group_id group, uint64_t epoch);

/* Has the loop come by at `at` at the latest. */
void cfs_cache_wake_at(struct cfs_cache *cache, cfs_time at);

extern const struct fuse_lowlevel_ops cfs_cache_ops;

/* --- inodes and names (cache_inode.c) ------------------------------------------------------ */

struct cfs_cache_inode *cfs_cache_find(struct cfs_cache *cache, cfs_ino ino);
struct cfs_cache_inode *cfs_cache_inode_of(struct cfs_cache *cache, cfs_ino ino); /* made if new */

/* What the kernel calls it; and what stat(2) does: its number, but for the root within another
 * mount, whose root has that. */
fuse_ino_t cfs_cache_id(const struct cfs_cache *cache, cfs_ino ino);
uint64_t cfs_cache_shown_ino(const struct cfs_cache *cache, cfs_ino ino);

struct cfs_cache_inode *cfs_cache_ref(struct cfs_cache_inode *inode);
void cfs_cache_unref(struct cfs_cache *cache, struct cfs_cache_inode *inode);
void cfs_cache_told_of(struct cfs_cache_inode *inode);
void cfs_cache_forget(struct cfs_cache *cache, cfs_ino ino, uint64_t count);
void cfs_cache_inode_free(struct cfs_cache *cache, struct cfs_cache_inode *inode);

/* For how long what is under the share is as good as asked now. */
cfs_time cfs_cache_valid(struct cfs_cache *cache, const struct cfs_cache_share *share);

/* Takes what an answer says of the inode, if it may be kept. */
void cfs_cache_keep_info(struct cfs_cache_inode *inode, const struct cfs_cache_answer *answer);
void cfs_cache_keep_content(struct cfs_cache_inode *inode, const struct cfs_cache_answer *answer);
void cfs_cache_keep_head(struct cfs_cache_inode *inode, const uint8_t *data, uint32_t len);
/* The content, and its first bytes, which the answer has. */
void cfs_cache_keep_beginning(struct cfs_cache_inode *inode, const struct cfs_cache_answer *answer);
void cfs_cache_show(struct cfs_cache_inode *inode, const struct cfs_content_info *content,
                    const uint8_t *head, uint32_t head_len);
void cfs_cache_drop_info(struct cfs_cache_inode *inode);
void cfs_cache_drop_content(struct cfs_cache_inode *inode);
bool cfs_cache_has_info(struct cfs_cache *cache, const struct cfs_cache_inode *inode);
bool cfs_cache_has_content(struct cfs_cache *cache, const struct cfs_cache_inode *inode);

struct cfs_cache_name *cfs_cache_name_find(const struct cfs_cache_inode *dir, const char *name);
void cfs_cache_name_keep(struct cfs_cache_inode *dir, const char *name, cfs_ino child,
                         const struct cfs_cache_share *share);
void cfs_cache_name_drop(struct cfs_cache_inode *dir, const char *name);

/* The position behind `name` in listings of `dir`, and the name of a position; NULL: none. */
uint64_t cfs_cache_cookie(struct cfs_cache_inode *dir, const char *name);
const char *cfs_cache_cookie_name(const struct cfs_cache_inode *dir, uint64_t cookie);

/* The kernel may keep `bytes` of the inode; what was used longest ago makes room. */
void cfs_cache_charge(struct cfs_cache *cache, struct cfs_cache_inode *inode, uint64_t bytes);
void cfs_cache_uncharge(struct cfs_cache *cache, struct cfs_cache_inode *inode);

/* What it has counted, and what there is. */
void cfs_cache_count(const struct cfs_cache *cache, struct cfs_cache_counts *counts);

/* --- parked requests (cache_call.c) -------------------------------------------------------- */

typedef void (*cfs_cache_step_fn)(struct cfs_cache_call *call, const struct cfs_answer *answer);
typedef void (*cfs_cache_go_fn)(struct cfs_cache_call *call);

struct cfs_cache_call {
    struct cfs_cache *cache;
    fuse_req_t req; /* NULL: replied to, or nobody's */
    uint64_t id;    /* the engine's, of what was asked last */
    cfs_cache_step_fn step;
    cfs_time received;
    cfs_cache_go_fn go; /* goes on after having been parked */
    cfs_cache_go_fn push_then;
    cfs_cache_go_fn finish;                /* what cfs_cache_attributes leads to */
    struct cfs_cache_inode *inode, *other; /* references, or NULL */
    uint32_t tid;
    uint32_t depth; /* of functions of it that run */
    uint32_t asked; /* how often */
    bool killable, in_locked;
    bool closes_gate; /* of a write: its file is not, or no longer, shared */
    bool looks_up;    /* it is a question that what is shared may answer: a hit or a miss */
    bool asks_file;   /* it is about attributes alone, and was at the gate */
    bool patient;     /* it comes from who holds no lock: a change under way may be waited for */
    bool pushed;      /* a size, into the kernel, since it was received */
    uint32_t pushes;  /* how often that was tried */
    bool passes;      /* the gate, and is told attributes that are not to be kept */
    uint32_t looks;   /* how often its thread was looked at there */
    bool was_unseen;  /* and the last time it could not be seen */
    cfs_time locked_until;

    /* What was found out about `target_inode`, as asked for by cfs_cache_attributes. */
    struct cfs_cache_inode *about; /* a reference, or NULL */
    struct cfs_inode_info info;
    struct cfs_content_info content;
    bool has_info, has_content;

    struct cfs_cache_listing *listing; /* READDIR: what it has found; its own */
    struct cfs_cache_call *lister;     /* for whose listing it asks; NULL: nobody waits for it */

    char name[CFS_NAME_MAX + 1];
    uint8_t *data; /* that go with it; its own */
    uint32_t len;
    uint64_t data_version; /* of the content that they begin */
    uint64_t tail;         /* where what was asked for last begins, to be pushed */
    union {
        struct {
            uint64_t offset;
            uint32_t size;
            bool plus; /* READDIRPLUS */
        } read;        /* READ, READDIR */
        struct {
            uint64_t offset, first_page, last_page;
            uint32_t size;
            uint64_t before; /* the version that this node shared */
            bool shared;     /* it did share one */
            bool right;      /* the pages of that are what the file is now */
            bool append, replaces;
            bool mapped;    /* it comes from a mapping */
            bool laundered; /* and a recall waits for it: it waits for none */
            struct cfs_cache_call *prev, *next;
        } write;
        struct {
            struct fuse_file_info file;
            enum cfs_inode_type type;
            mode_t mode;
            bool opens;
        } make;
        struct {
            char to[CFS_NAME_MAX + 1];
            unsigned flags;
        } rename;
        struct {
            struct stat attr;
            int fields; /* that are still to be set */
            bool opens; /* it is open(2)'s O_TRUNC */
        } setattr;
        struct {
            size_t size;
            int flags;
            bool remove;
        } xattr;
    };
    struct cfs_cache_call *next_parked;
    struct cfs_cache_call *prev, *next;               /* all */
    struct cfs_cache_call *prev_killed, *next_killed; /* interrupted */
    struct cfs_cache_call *prev_locked, *next_locked;
};

struct cfs_cache_call *cfs_cache_call_new(struct cfs_cache *cache, fuse_req_t req,
                                          struct cfs_cache_inode *inode);
void cfs_cache_call_close(struct cfs_cache_call *call);

/* Runs `go`, which replies, asks, or parks; as all that is called of a call. It is closed then when
 * nothing is left to do. */
void cfs_cache_run(struct cfs_cache_call *call, cfs_cache_go_fn go);

/* Asks the engine; `step` gets the answer, and replies, asks further, or parks. */
void cfs_cache_ask(struct cfs_cache_call *call, const struct cfs_request *request,
                   cfs_cache_step_fn step);

/* Puts it behind those in `list`; cfs_cache_unpark has all of a list go on. */
void cfs_cache_park(struct cfs_cache_call *call, struct cfs_cache_call **list, cfs_cache_go_fn go);
void cfs_cache_unpark(struct cfs_cache_call **list);

/* The request to reply to, for who replies now. */
fuse_req_t cfs_cache_take(struct cfs_cache_call *call);
void cfs_cache_reply_errno(struct cfs_cache_call *call, int number);
void cfs_cache_reply_error(struct cfs_cache_call *call, enum cfs_error error);

/* Looks at what was interrupted; when to come again. */
cfs_time cfs_cache_look_killed(struct cfs_cache *cache, cfs_time now);

/* --- sizes (cache_size.c) ------------------------------------------------------------------ */

/* Bytes of call->about from the beginning that are here, of the version that the call knows. */
const uint8_t *cfs_cache_head_of(const struct cfs_cache_call *call, uint32_t *len);

/* The kernel has been told to forget something of the inode, or has itself written. */
void cfs_cache_size_touched(struct cfs_cache_inode *inode);

/* It takes the file to reach to `end` at least, by itself; it is being told in a reply that
 * call->about has `size`; it is answered `len` bytes to a READ, and takes the file to end there if
 * it has asked for more. */
void cfs_cache_size_reaches(struct cfs_cache_inode *inode, uint64_t end);
void cfs_cache_size_told(const struct cfs_cache_call *call, uint64_t size);
void cfs_cache_size_read(struct cfs_cache_call *call, uint64_t len);

/* Where the page begins that the kernel may take for the last. */
uint64_t cfs_cache_size_page(const struct cfs_cache_inode *inode);

/* Whether the kernel perhaps takes the file to be shorter or longer than it is, and might not
 * believe the reply. Then it is put right, and `again` is called. */
bool cfs_cache_size_push(struct cfs_cache_call *call, cfs_cache_go_fn again);

/* Replies to a GETATTR that the kernel was made to ask; false: it is another. */
bool cfs_cache_size_answer(struct cfs_cache_inode *inode, fuse_req_t req);

/* The job that made it ask is done. */
void cfs_cache_size_asked(struct cfs_cache_inode *inode, const struct cfs_notify_job *job);

/* A write was answered: who has waited for the last of them goes on. */
void cfs_cache_size_written(struct cfs_cache_inode *inode);

/* --- taking back (cache_gate.c) ------------------------------------------------------------ */

/* Has the kernel forget the inode's attributes, pages and listing. Until it has, the inode's gate
 * is closed: GETATTR waits. */
void cfs_cache_forget_pages(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                            struct cfs_cache_recalling *recalling);
/* Whether the kernel may have some. */
bool cfs_cache_has_pages(const struct cfs_cache_inode *inode);

/* Has it forget them after one at `offset` was answered that is not to be kept. Whoever is answered
 * may not run at once, and asks once more if it is gone by then, for ever as long as the thread
 * that has it forgotten is quicker: so it stays for longer each time. */
void cfs_cache_forget_read(struct cfs_cache *cache, struct cfs_cache_inode *inode, uint64_t offset);
void cfs_cache_forget_attributes(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                                 struct cfs_cache_recalling *recalling);

/* A write of pages begins, which locks the last of them: no recall may wait for it. */
void cfs_cache_write_begins(struct cfs_cache *cache, struct cfs_cache_inode *inode);

/* Has the kernel take the file to be as long as `content` says, with these bytes at its end; it is
 * shown then. */
void cfs_cache_store(struct cfs_cache *cache, struct cfs_cache_inode *inode,
                     const struct cfs_content_info *content, uint64_t offset, const uint8_t *data,
                     uint32_t len);

/* Has the kernel ask for the attributes, on account of the caller who reads from his descriptor
 * `fd`; it is told what `call` has found, of which `head` are the first bytes, `len`; 0: they are
 * not known. False: there is no mount. */
bool cfs_cache_have_asked(struct cfs_cache_call *call, int fd, const uint8_t *head, uint32_t len);

/* Closes the gate for so many microseconds. */
void cfs_cache_pause(struct cfs_cache *cache, struct cfs_cache_inode *inode, cfs_time pause);

/* Has the kernel forget the pages of call->inode but those that the call, a write, has written,
 * then `go`. */
void cfs_cache_forget_others(struct cfs_cache_call *call, cfs_cache_go_fn go);

/* And a name in a directory, whose attributes are to be forgotten first. `child` is what it leads
 * to if it may go on doing so, else 0: a directory stays where those who work in it have it. */
void cfs_cache_forget_name(struct cfs_cache *cache, struct cfs_cache_inode *dir, const char *name,
                           cfs_ino child);

/* A job of the notifier is done. */
void cfs_cache_job_done(struct cfs_cache *cache, struct cfs_notify_job *job);

/* Closes the gate of call->inode until the call is over: while the kernel takes no attributes
 * because it changes the size itself, and others may change it too. */
void cfs_cache_close_gate(struct cfs_cache_call *call);
void cfs_cache_open_gate(struct cfs_cache_call *call);

/* Whether GETATTR has to wait; then it was parked or replied to. */
bool cfs_cache_gate(struct cfs_cache_call *call, cfs_cache_go_fn go);

/* Whether the thread is in read(2) or the like, which asks for attributes before it looks at pages;
 * not in a page fault. */
bool cfs_cache_in_read(const struct cfs_cache_call *call);

/* The descriptor it reads from; -1: it is in something else, or nobody can tell. */
int cfs_cache_read_fd(const struct cfs_cache_call *call);

/* Whether the thread is in truncate(2), whose request looks as that of open(2) with O_TRUNC. */
bool cfs_cache_in_truncate(const struct cfs_cache_call *call);

/* Calls that may hold a directory's lock while they wait for its attributes; when to come again. */
cfs_time cfs_cache_look_locked(struct cfs_cache *cache, cfs_time now);

/* --- who was told ESTALE (cache_told.c) ---------------------------------------------------- */

/* Whether the thread is in a call that was told ESTALE already; else it is now. */
bool cfs_cache_tell(struct cfs_cache *cache, uint32_t tid);

/* The thread is not in such a call (any more). */
void cfs_cache_untold(struct cfs_cache *cache, uint32_t tid);
void cfs_cache_told_close(struct cfs_cache *cache);

/* --- attributes (cache_attr.c) ------------------------------------------------------------- */

/* Finds out all about `inode`, by asking for what this node does not share, then `finish`; call's
 * request has been replied to when that is not called. */
void cfs_cache_attributes(struct cfs_cache_call *call, struct cfs_cache_inode *inode,
                          cfs_cache_go_fn finish);

/* The same of an inode all of which this node shares. */
void cfs_cache_be_about(struct cfs_cache_call *call, struct cfs_cache_inode *inode);

/* The S_IFMT part of a mode. */
mode_t cfs_cache_type_bits(enum cfs_inode_type type);

/* What cfs_cache_attributes has found. */
void cfs_cache_fill(const struct cfs_cache_call *call, struct stat *attr);

/* Whether what is shown is told instead, as the pages are. */
bool cfs_cache_tells_shown(const struct cfs_cache_call *call);

/* What is told now, and for how many seconds the kernel may keep it. */
double cfs_cache_stat(struct cfs_cache_call *call, struct stat *attr);

/* Does what follows from `seconds` having been promised at `asked`, once the reply is out: when
 * that took long, the kernel counts from a later moment, and has to forget. */
void cfs_cache_replied(struct cfs_cache_call *call, cfs_time asked);

/* Seconds that the kernel may keep what is under the share. */
double cfs_cache_seconds(struct cfs_cache *cache, const struct cfs_cache_share *share);

/* Replies to `call` with what cfs_cache_attributes has found, as an entry of directory call->inode
 * (LOOKUP, MKDIR, ...). */
void cfs_cache_reply_entry(struct cfs_cache_call *call);

void cfs_cache_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void cfs_cache_op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void cfs_cache_op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int fields,
                          struct fuse_file_info *fi);
void cfs_cache_op_readlink(fuse_req_t req, fuse_ino_t ino);
void cfs_cache_op_statfs(fuse_req_t req, fuse_ino_t ino);

/* --- directories (cache_dir.c) ------------------------------------------------------------- */

void cfs_cache_op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                         struct fuse_file_info *fi);
void cfs_cache_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                        dev_t rdev);
void cfs_cache_op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void cfs_cache_op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void cfs_cache_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void cfs_cache_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void cfs_cache_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
                         const char *new_name, unsigned flags);

/* --- listings (cache_list.c) --------------------------------------------------------------- */

void cfs_cache_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                          struct fuse_file_info *fi);
void cfs_cache_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                              struct fuse_file_info *fi);

/* Who asked is being killed: it is let go when it waits for contents. */
void cfs_cache_listing_kill(struct cfs_cache_call *call);
void cfs_cache_listing_free(struct cfs_cache *cache, struct cfs_cache_listing *listing);

/* --- contents (cache_data.c, cache_hold.c) ------------------------------------------------- */

void cfs_cache_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi);
void cfs_cache_op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                        struct fuse_file_info *fi);
void cfs_cache_op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* Truncation by open(2): replied to at once, and held back. `call` has the attributes. */
void cfs_cache_hold(struct cfs_cache_call *call);

/* Likewise of the file call->about, which CREATE opens; then `reply`. */
void cfs_cache_hold_opened(struct cfs_cache_call *call, cfs_cache_go_fn reply);

/* Whether a held truncation has to take effect before `call`; then it was parked until it has. */
bool cfs_cache_end_hold(struct cfs_cache_call *call, cfs_cache_go_fn go);

/* Whether `call`, which asks for attributes, has to wait for it; then it was parked. */
bool cfs_cache_await_hold(struct cfs_cache_call *call, cfs_cache_go_fn go);

/* Whether it is for the one who truncated it, who sees it empty. */
bool cfs_cache_hold_is_of(const struct cfs_cache_call *call, const struct cfs_cache_inode *inode);

/* Whether a write at the beginning is what such a truncation was held back for; it is over when
 * that is answered. */
bool cfs_cache_hold_is_met(struct cfs_cache *cache, struct cfs_cache_inode *inode);
void cfs_cache_hold_over(struct cfs_cache *cache, struct cfs_cache_inode *inode);

/* Whether a write, which is about to begin, has to wait until the old value's pages are gone; then
 * `call` was parked. */
bool cfs_cache_clear_for_write(struct cfs_cache_call *call, cfs_cache_go_fn go);

/* Has what has been held for long enough take effect; when to come again. */
cfs_time cfs_cache_look_held(struct cfs_cache *cache, cfs_time now);

/* --- extended attributes (cache_xattr.c) --------------------------------------------------- */

void cfs_cache_op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void cfs_cache_op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void cfs_cache_op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                           size_t size, int flags);
void cfs_cache_op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* The inode, or NULL after a reply. And likewise a directory, when `name` is no longer than a name
 * may be. */
struct cfs_cache_inode *cfs_cache_op_inode(fuse_req_t req, fuse_ino_t ino);
struct cfs_cache_inode *cfs_cache_op_dir(fuse_req_t req, fuse_ino_t parent, const char *name);

#endif
