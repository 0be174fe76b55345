/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-figure.h>
#include <lb-frame.h>

G_BEGIN_DECLS

/* A camera frame as a small figure, for a look while something is measured:
 * means of blocks, at most 320 x 200 of them, in digital numbers. Any thread;
 * transfer full. */
LbFigure *lb_frame_figure_new (const LbFrame *frame);

G_END_DECLS
