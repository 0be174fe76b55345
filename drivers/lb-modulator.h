/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-device.h"
#include "lb-pattern.h"

G_BEGIN_DECLS

typedef struct
{
  guint width, height;        /* pixels */
  guint levels;               /* 256 */
  double rate_hz;             /* of its display */
  LbTimeStampKind time_stamp; /* of lb_modulator_wait_presented() */
  gboolean ahead;             /* has lb_modulator_show_at(); filled in by lb_modulator_get_caps() */
} LbModulatorCaps;

typedef enum
{
  LB_MODULATOR_FAULT_NONE = 0,
  LB_MODULATOR_FAULT_COVERED = 1 << 0,
  LB_MODULATOR_FAULT_GAMMA = 1 << 1,
  LB_MODULATOR_FAULT_LOST = 1 << 2,
  LB_MODULATOR_FAULT_STOP = 1 << 3, /* the keys of STOP were pressed at the plane */
} LbModulatorFaults;

#define LB_TYPE_MODULATOR (lb_modulator_get_type ())
G_DECLARE_DERIVABLE_TYPE (LbModulator, lb_modulator, LB, MODULATOR, LbDevice)

struct _LbModulatorClass
{
  LbDeviceClass parent_class;
  gboolean (*get_caps) (LbModulator *self,
                        LbModulatorCaps *caps,
                        GCancellable *cancellable,
                        gint64 deadline_us,
                        GError **error);
  gboolean (*show) (LbModulator *self,
                    LbPattern *pattern,
                    guint64 sequence,
                    GCancellable *cancellable,
                    gint64 deadline_us,
                    GError **error);
  gboolean (*wait_presented) (LbModulator *self,
                              guint64 sequence,
                              gint64 *time_us,
                              GCancellable *cancellable,
                              gint64 deadline_us,
                              GError **error);
  gboolean (*blank) (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  LbPattern *(*read_back) (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
  gboolean (*check) (LbModulator *self,
                     LbModulatorFaults *faults,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error);
  /* Any thread, no lock, does not wait; NULL where there is no second way to the
   * device: the worker blanks it then, as soon as it is free. */
  void (*blank_now) (LbModulator *self);
  /* Any thread, does not wait; NULL: the device never tells of faults by itself. */
  LbModulatorFaults (*peek) (LbModulator *self, char **text);
  /* NULL: the device shows a pattern as soon as it can, and cannot say when. */
  gboolean (*show_at) (LbModulator *self,
                       LbPattern *pattern,
                       guint64 sequence,
                       gint64 from_us,
                       gint64 *time_us,
                       GCancellable *cancellable,
                       gint64 deadline_us,
                       GError **error);
  gpointer padding[5];
};

gboolean lb_modulator_get_caps (
    LbModulator *self, LbModulatorCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* Hands the pattern over and returns; SIZE if it does not fit. @sequence rises. */
gboolean lb_modulator_show (LbModulator *self,
                            LbPattern *pattern,
                            guint64 sequence,
                            GCancellable *cancellable,
                            gint64 deadline_us,
                            GError **error);
/* Hands a pattern over ahead of time and returns: it takes the place of the last that
 * was handed over, which may still be to come, on the first frame of the display at or
 * after @from_us (bench time), or as soon as the display can. *@time_us: when that
 * will be. SIZE; UNSUPPORTED where caps.ahead is not set. */
gboolean lb_modulator_show_at (LbModulator *self,
                               LbPattern *pattern,
                               guint64 sequence,
                               gint64 from_us,
                               gint64 *time_us,
                               GCancellable *cancellable,
                               gint64 deadline_us,
                               GError **error);
/* Waits until the pattern of @sequence stands on the display (it may still be
 * settling); *@time_us: bench time of that. COVERED, LOST. */
gboolean lb_modulator_wait_presented (LbModulator *self,
                                      guint64 sequence,
                                      gint64 *time_us,
                                      GCancellable *cancellable,
                                      gint64 deadline_us,
                                      GError **error);
/* Level 0 everywhere, presented when it returns. */
gboolean
lb_modulator_blank (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
/* Black as soon as may be, from any thread, without waiting. FALSE: the device
 * has no such way. */
gboolean lb_modulator_blank_now (LbModulator *self);
/* What really stands on the display. UNSUPPORTED where that cannot be known. */
LbPattern *
lb_modulator_read_back (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error);
gboolean lb_modulator_check (LbModulator *self,
                             LbModulatorFaults *faults,
                             GCancellable *cancellable,
                             gint64 deadline_us,
                             GError **error);
/* Faults that the device has told of by itself and that hold, or came and went
 * since it was last asked; any thread, without waiting. *@text: what to do about
 * them, owned by the caller. */
LbModulatorFaults lb_modulator_peek (LbModulator *self, char **text);
/* Has @alarm called, in any thread, when lb_modulator_peek() has something new.
 * It must not wait. NULL: no more; none runs then once this returns. */
typedef void (*LbModulatorAlarm) (gpointer data);
void lb_modulator_set_alarm (LbModulator *self, LbModulatorAlarm alarm, gpointer data);
/* For drivers, from any thread, with no lock held. */
void lb_modulator_alarm (LbModulator *self);

G_END_DECLS
