/* The list of effects and what it owns. */
#include "core/effect.h"

#include <stdlib.h>

#include "core/alloc.h"

struct cfs_effect *cfs_effects_add(struct cfs_effects *effects, enum cfs_effect_type type)
{
    effects->items =
        cfs_array_room(effects->items, effects->count, &effects->capacity, sizeof *effects->items);
    struct cfs_effect *effect = &effects->items[effects->count++];
    *effect = (struct cfs_effect){.type = type};
    return effect;
}

static void effect_clear(struct cfs_effect *effect)
{
    if (effect->type == CFS_FX_PERSIST)
        cfs_entry_unref(effect->record.entry);
    else if (effect->type == CFS_FX_SEND)
        cfs_message_clear(&effect->message);
    free(effect->buffer);
    free(effect->holders);
}

void cfs_effects_clear(struct cfs_effects *effects)
{
    for (size_t i = 0; i < effects->count; i++)
        effect_clear(&effects->items[i]);
    effects->count = 0;
}

void cfs_effects_close(struct cfs_effects *effects)
{
    cfs_effects_clear(effects);
    free(effects->items);
    *effects = (struct cfs_effects){0};
}
