/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-random.h"

G_BEGIN_DECLS

/*
 * How numbers lie in Philox's blocks of four words. A group is 64 numbers of 16
 * blocks: first the words 0 of the blocks, then the words 1, 2 and 3. So a
 * register of 4, 8 or 16 neighbouring numbers needs no shuffling. Counter:
 * block (two words), stream (two words).
 */
#define LB_PHILOX_GROUP 64
#define LB_PHILOX_LANES 16

#define LB_PHILOX_ROUNDS 10
#define LB_PHILOX_MULTIPLIER_0 0xD2511F53u
#define LB_PHILOX_MULTIPLIER_1 0xCD9E8D57u
#define LB_PHILOX_WEYL_0 0x9E3779B9u
#define LB_PHILOX_WEYL_1 0xBB67AE85u

/* One block, word by word as in the paper; for tests. */
void lb_philox_reference (const guint32 counter[4], const guint32 key[2], guint32 words[4]);

G_END_DECLS
