/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-field-probe-private.h"
#include "lb-settling-fit-private.h"

G_BEGIN_DECLS

/**
 * LbStepResponse: what a plane did when it was handed a pattern.
 * @samples: in order of time, @count of them
 * @presented_us: when it says that it showed it, from the handing over
 * @contrast: size of the step, relative to the blocks that stay
 */
typedef struct
{
  LbSettlingSample *samples;
  guint count;
  double presented_us;
  double contrast;
} LbStepResponse;

void lb_step_response_clear (LbStepResponse *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbStepResponse, lb_step_response_clear)

/**
 * LbStepProbe: follows one plane through a step with short frames of few rows,
 * beside blocks of the same plane that stay as they are: their light is the
 * measure, so that its jitter does not count.
 * @field: the probe below it
 * @frame_us: from one frame to the next
 * @display_us: by role, period of the plane's display
 * @age_us: longest time from the end of a frame's exposure until the frame was there
 */
typedef struct
{
  LbFieldProbe field;
  double frame_us;
  double display_us[2];
  double age_us;
  /*< private >*/
  LbFrame *placing;
  double usual_us; /* exposure that is well exposed */
  guint middle_row;
  double
      full_ratio; /* light of the blocks that change over that of those that stay, both at reference level */
  gint8 *kind;    /* per pixel of the window: 1 changes, -1 stays, 0 neither */
} LbStepProbe;

gboolean lb_step_probe_init (LbStepProbe *self,
                             LbCalibrationContext *context,
                             GCancellable *cancellable,
                             GError **error);
void lb_step_probe_clear (LbStepProbe *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (LbStepProbe, lb_step_probe_clear)

/* The shortest frame period that the camera comes to with few rows. */
double lb_step_probe_get_shortest_us (LbStepProbe *self);
/* Window and exposure for frames of about that period. */
gboolean
lb_step_probe_set_frames (LbStepProbe *self, double frame_us, GCancellable *cancellable, GError **error);
/* Which pixels of the window see the blocks of @role that change. SIGNAL if none do. */
gboolean
lb_step_probe_find_blocks (LbStepProbe *self, LbRole role, GCancellable *cancellable, GError **error);
/* Roughly, within a frame: when the plane begins to change after it was handed a
 * pattern. @settling_us: what it may need to settle. */
gboolean lb_step_probe_find_start (LbStepProbe *self,
                                   LbRole role,
                                   double settling_us,
                                   double *start_us,
                                   GCancellable *cancellable,
                                   GError **error);
/* Follows a step from level @before to @after with @frames frames that begin
 * @delay_us after the handing over; settled before and afterwards. */
gboolean lb_step_probe_follow (LbStepProbe *self,
                               LbRole role,
                               guint8 before,
                               guint8 after,
                               double delay_us,
                               double settling_us,
                               guint frames,
                               LbStepResponse *response,
                               GCancellable *cancellable,
                               GError **error);
/* Frames of the whole sensor around a step of the source that begins @start_us
 * after the handing over: when each of @bands bands of rows saw it (as if all
 * rows began together), and their middle rows; *@count of them saw it. */
gboolean lb_step_probe_watch_rows (LbStepProbe *self,
                                   double start_us,
                                   guint bands,
                                   double *seen_us,
                                   double *row,
                                   guint *count,
                                   GCancellable *cancellable,
                                   GError **error);

G_END_DECLS
