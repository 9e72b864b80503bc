/* Descriptors that a new process has and should not have. */
#ifndef CFS_FS_DESCRIPTORS_H
#define CFS_FS_DESCRIPTORS_H

/* /dev/null in place of stdin, stdout and stderr, which are open. */
void cfs_leave_terminal(void);

/* Closes all from 3 on but these two, which may be the same. */
void cfs_close_all_but(int one, int other);

#endif
