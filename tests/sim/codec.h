/* In some runs every message goes through the bytes that real nodes exchange: what comes out has to
 * be what went in, and is what arrives. */
#ifndef SIM_CODEC_H
#define SIM_CODEC_H

#include "core/message.h"

struct sim;

/* Takes the message apart and puts it together again. */
void sim_codec_pass(struct sim *sim, struct cfs_message *message);

#endif
