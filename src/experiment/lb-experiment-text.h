/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-figure.h>
#include <lb-model.h>
#include <lb-quantities.h>
#include <lb-tokenizer.h>

G_BEGIN_DECLS

/**
 * LbExperimentText: a model and what it reads, private to this library.
 * @tokens: of guint32
 * @labels: the tokens as axes show them
 * @next: the token of the text after @tokens, if @has_next
 */
typedef struct
{
  LbModel *model;
  LbTokenizer *tokenizer;
  char *text;
  GArray *tokens;
  GStrv labels;
  gboolean has_next;
  guint32 next;
} LbExperimentText;

/* @model: folder, shipped name, or NULL; @text: or NULL: the built-in sentence;
 * the first @count tokens of it, 0: all. LB_MODEL_ERROR, also for fewer than
 * @least tokens and for more than the context holds. */
gboolean lb_experiment_text_init (
    LbExperimentText *self, const char *model, const char *text, guint count, guint least, GError **error);
void lb_experiment_text_clear (LbExperimentText *self);
const guint32 *lb_experiment_text_get_tokens (const LbExperimentText *self);
/* LB_EXPERIMENT_ERROR_SETTINGS if the model has no such layer or head. */
gboolean lb_experiment_text_check (const LbExperimentText *self, guint layer, guint head, GError **error);
/* "model", "tokens", "text". */
void lb_experiment_text_add_settings (const LbExperimentText *self, LbQuantities *settings);
/*
 * A figure that shows @map, (tokens, columns), row 0 at the top, with the
 * tokens' text along the vertical axis and @columns (or numbers, if NULL) along
 * the other.
 */
LbFigure *lb_experiment_text_new_map (const LbExperimentText *self,
                                      const char *title,
                                      const char *x_label,
                                      GStrv columns,
                                      LbMatrix *map,
                                      double low,
                                      double high,
                                      gboolean diverging);
/* measured - ideal, and the largest finite magnitude of it, at least @least. */
LbMatrix *
lb_experiment_difference (const LbMatrix *measured, const LbMatrix *ideal, double least, double *reach);

G_END_DECLS
