/* Requests to the cache; a part of machine.c. Only error, id and token of an answer are remembered:
 * who asks again hears no more. */
#include "core/machine_internal.h"

void cfs_machine_apply_cache(struct cfs_machine *machine, struct cfs_asker asker,
                             const struct cfs_request *request)
{
    struct cfs_answer answer = {0};

    if (cfs_op_is_of_names(request->op))
        cfs_names_apply(machine->names, machine->moment, request, &answer);
    else
        cfs_contents_apply(machine->contents, machine->moment, request, &answer);
    cfs_machine_finish(machine, asker, &answer);
}
