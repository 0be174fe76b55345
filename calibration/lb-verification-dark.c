/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-verification-private.h"

#include <glib/gi18n-lib.h>
#include <math.h>

void
lb_verification_dark_clear (LbVerificationDark *self)
{
  for (guint i = 0; i < self->count; i++)
    {
      g_clear_pointer (&self->layouts[i], lb_layout_unref);
      g_clear_pointer (&self->sums[i], g_free);
      g_clear_pointer (&self->squares[i], g_free);
    }
  self->count = 0;
}

void
lb_verification_dark_add_layout (LbVerificationDark *self, LbLayout *layout)
{
  g_return_if_fail (self->count < LB_VERIFICATION_LAYOUTS_MAX);

  self->layouts[self->count] = lb_layout_ref (layout);
  self->sums[self->count] = g_new0 (double, layout->slots);
  self->squares[self->count++] = g_new0 (double, layout->slots);
}

static void
add_reading (LbVerificationDark *self, guint nth, const LbReading *reading)
{
  const LbLayout *layout = self->layouts[nth];

  for (guint slot = 0; slot < layout->slots; slot++)
    {
      const double *electrons = reading->electrons + (gsize) slot * layout->tiles_per_slot;
      const double value = layout->tiles_per_slot == 2 ? electrons[0] - electrons[1] : electrons[0];

      self->sums[nth][slot] += value;
      self->squares[nth][slot] += value * value;
    }
}

static gboolean
dark_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  LbVerificationDark *self = data;

  self->exposure_us = frame->exposure_us;
  for (guint i = 0; i < self->count; i++)
    {
      g_autoptr (LbReading) reading = NULL;

      if (!lb_path_check_frame (self->layouts[i]->model, frame, error))
        return FALSE;
      reading = lb_readout_read (self->layouts[i], frame->data, frame->width, frame->height,
                                 frame->exposure_us, frame->gain, FALSE, error);
      if (reading == NULL)
        return FALSE;
      add_reading (self, i, reading);
    }
  return TRUE;
}

gboolean
lb_verification_dark_measure (LbVerificationDark *self,
                              LbCapture *capture,
                              GCancellable *cancellable,
                              GError **error)
{
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));

  lb_cell_probe_plan (shots, LB_CELLS_DARK, LB_CELLS_DARK, LB_VERIFICATION_DARK_FRAMES, 0);
  for (guint i = 0; i < shots->len; i++)
    g_array_index (shots, LbCaptureShot, i).dark = TRUE;
  capture->message = _ ("Frames without light");
  return lb_capture_run (capture, shots, dark_sink, self, cancellable, error);
}

double
lb_verification_dark_noise2 (const LbVerificationDark *self, const LbLayout *layout, double exposure_us)
{
  for (guint i = 0; i < self->count; i++)
    {
      const LbLayout *one = self->layouts[i];
      double noise2 = 0, dark_per_s = 0;

      if (one->length != layout->length || one->tiles_per_slot != layout->tiles_per_slot)
        continue;
      for (guint slot = 0; slot < one->slots; slot++)
        noise2 += (self->squares[i][slot] -
                   self->sums[i][slot] * self->sums[i][slot] / LB_VERIFICATION_DARK_FRAMES) /
                  (LB_VERIFICATION_DARK_FRAMES - 1) / one->slots;
      for (guint tile = 0; tile < one->n_tiles; tile++)
        dark_per_s += (double) one->tile_dark_per_s[tile] / one->slots;
      return MAX (noise2 + 1e-6 * (exposure_us - self->exposure_us) * dark_per_s, 0);
    }
  return 0;
}
