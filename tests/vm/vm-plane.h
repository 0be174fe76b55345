/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-modulator.h>

G_BEGIN_DECLS

/*
 * The two planes of a bench in the machine, which has no display: what they show
 * goes to the emulated camera as the product of their levels (planes.pgm).
 */
#define VM_PLANE_WIDTH 32
#define VM_PLANE_HEIGHT 24

/* Both at once: what one shows is multiplied with what the other does. They are
 * black until something is shown. The caller owns them. */
void vm_planes_new (LbDevice *planes[2]);

G_END_DECLS
