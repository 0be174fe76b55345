/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-random.h>

#include "lb-engine.h"

G_BEGIN_DECLS

/* What random numbers of a product are for; each has streams of its own. */
typedef enum
{
  LB_DRAW_SHOT_PP, /* shot noise of the passes ++ -- +- -+, source sign first */
  LB_DRAW_SHOT_NN,
  LB_DRAW_SHOT_PN,
  LB_DRAW_SHOT_NP,
  LB_DRAW_GAUSSIAN,
  LB_DRAW_ROUNDING,
} LbDraw;

/* Key, stream and index of the number for one value of a result: functions of
 * seed, layer, operator, window, head, token and output alone. @head: counted
 * from the first of the product; @row: of that head, @columns outputs each. */
LbRandomKey lb_product_random_key (const LbProduct *product);
guint64 lb_product_random_stream (const LbProduct *product, guint head, LbDraw draw);
guint64 lb_product_random_index (const LbProduct *product, gsize row, gsize columns);

/* Whether there are ranges, finite ones that are not upside down; an error that
 * names @engine and the remedy else. */
gboolean lb_product_check_ranges (const LbProduct *product, const char *engine, GError **error);

/* The error of engines that multiply every row with every row only. */
void lb_product_set_diagonal_error (const char *engine, GError **error);

/* Tells of a whole result, row by row, if anybody listens. */
void lb_engine_emit_result (LbEngine *self, const LbMatrix *out);
/* Dot products and MACs of the whole result. */
void lb_engine_counts_add_products (LbEngineCounts *counts, const LbProduct *product, const LbMatrix *out);

G_END_DECLS
