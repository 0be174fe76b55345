/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-experiment-text.h"

#include <math.h>

#include <glib/gi18n-lib.h>

#include "lb-experiment.h"

/**
 * lb_experiment_default_text:
 *
 * Returns: (transfer none): the sentence that is used where none is given
 */
const char *
lb_experiment_default_text (void)
{
  return "It was a bright cold morning, and the light fell through the tall windows upon the table, where "
         "the "
         "old man had laid out his lenses and mirrors in a row, and waited for the boy to come back with the "
         "lamp.";
}

static gboolean
take_tokens (LbExperimentText *self, guint count, guint least, GError **error)
{
  const LbModelConfig *config = lb_model_get_config (self->model);

  self->tokenizer = lb_tokenizer_new (lb_model_get_directory (self->model), config->vocabulary, error);
  if (self->tokenizer == NULL)
    return FALSE;
  self->tokens = lb_tokenizer_encode (self->tokenizer, self->text, -1, error);
  if (self->tokens == NULL)
    return FALSE;
  if (count > 0 && self->tokens->len > count)
    {
      self->has_next = TRUE;
      self->next = g_array_index (self->tokens, guint32, count);
      g_array_set_size (self->tokens, count);
    }
  if (self->tokens->len < least)
    {
      g_set_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
                   _ ("the text has %u tokens, at least %u are needed: give a longer text"),
                   self->tokens->len, least);
      return FALSE;
    }
  if (self->tokens->len > config->context)
    {
      g_set_error (
          error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT,
          _ ("the text has %u tokens, the context of model %s holds %u: give a shorter text, or ask for "
             "fewer tokens"),
          self->tokens->len, lb_model_get_name (self->model), config->context);
      return FALSE;
    }
  return TRUE;
}

gboolean
lb_experiment_text_init (
    LbExperimentText *self, const char *model, const char *text, guint count, guint least, GError **error)
{
  self->model = lb_model_open_named (model, error);
  if (self->model == NULL)
    return FALSE;
  self->text = g_strdup (text != NULL ? text : lb_experiment_default_text ());
  if (!take_tokens (self, count, least, error))
    return FALSE;
  self->labels = g_new0 (char *, self->tokens->len + 1);
  for (guint i = 0; i < self->tokens->len; i++)
    self->labels[i] = lb_tokenizer_label (self->tokenizer, g_array_index (self->tokens, guint32, i));
  return TRUE;
}

void
lb_experiment_text_clear (LbExperimentText *self)
{
  g_clear_object (&self->model);
  g_clear_object (&self->tokenizer);
  g_clear_pointer (&self->tokens, g_array_unref);
  g_clear_pointer (&self->labels, g_strfreev);
  g_clear_pointer (&self->text, g_free);
}

const guint32 *
lb_experiment_text_get_tokens (const LbExperimentText *self)
{
  return (const guint32 *) (const void *) self->tokens->data;
}

gboolean
lb_experiment_text_check (const LbExperimentText *self, guint layer, guint head, GError **error)
{
  const LbModelConfig *config = lb_model_get_config (self->model);

  if (layer < config->layers && head < config->heads)
    return TRUE;
  g_set_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS,
               _ ("layer %u, head %u: model %s has layers 0 to %u with heads 0 to %u"), layer, head,
               lb_model_get_name (self->model), config->layers - 1, config->heads - 1);
  return FALSE;
}

void
lb_experiment_text_add_settings (const LbExperimentText *self, LbQuantities *settings)
{
  lb_quantities_set_text (settings, "model", lb_model_get_name (self->model));
  lb_quantities_set (settings, "tokens", self->tokens->len, "");
  lb_quantities_set_text (settings, "text", self->text);
}

LbFigure *
lb_experiment_text_new_map (const LbExperimentText *self,
                            const char *title,
                            const char *x_label,
                            GStrv columns,
                            LbMatrix *map,
                            double low,
                            double high,
                            gboolean diverging)
{
  LbFigure *figure = lb_figure_new (title, x_label, "", _ ("Token"), "");
  LbSeries *series = lb_figure_add_image (figure, NULL, map);

  /* Cells are centred on the numbers of their tokens. */
  series->x0 = series->y0 = -0.5;
  series->x1 = (double) map->columns - 0.5;
  series->y1 = (double) map->rows - 0.5;
  series->low = low;
  series->high = high;
  series->diverging = diverging;
  figure->y_axis.reversed = TRUE;
  figure->x_axis.categories = g_strdupv (columns);
  figure->y_axis.categories = g_strdupv (self->labels);
  return figure;
}

LbMatrix *
lb_experiment_difference (const LbMatrix *measured, const LbMatrix *ideal, double least, double *reach)
{
  LbMatrix *difference = lb_matrix_new (ideal->rows, ideal->columns);

  *reach = least;
  for (gsize r = 0; r < ideal->rows; r++)
    for (gsize c = 0; c < ideal->columns; c++)
      {
        float value = lb_matrix_get (measured, r, c) - lb_matrix_get (ideal, r, c);

        lb_matrix_row (difference, r)[c] = value;
        if (isfinite (value))
          *reach = fmax (*reach, fabs ((double) value));
      }
  return difference;
}
