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

void cfs_part_clear(struct cfs_part *part)
{
    free(part->head.data);
    free(part->pieces.data);
    *part = (struct cfs_part){0};
}

void cfs_checkpoint_clear(struct cfs_checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < checkpoint->part_count; i++)
        cfs_part_clear(&checkpoint->parts[i]);
    free(checkpoint->parts);
    *checkpoint = (struct cfs_checkpoint){0};
}

static void effect_clear(struct cfs_effect *effect)
{
    if (effect->type == CFS_FX_PERSIST)
        cfs_entry_unref(effect->record.entry);
    else if (effect->type == CFS_FX_SEND)
        cfs_message_clear(&effect->message);
    else if (effect->type == CFS_FX_CHECKPOINT)
        cfs_checkpoint_clear(&effect->checkpoint);
    else if (effect->type == CFS_FX_STAGE)
        cfs_part_clear(&effect->stage.part);
    else if (effect->type == CFS_FX_READ)
        free(effect->read.keys.data);
    else if (effect->type == CFS_FX_RECALL)
        free(effect->recall);
    free(effect->buffer);
    free(effect->owned);
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
