/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-modulator.h"

#include <glib/gi18n-lib.h>

#include "lb-device-private.h"

typedef struct
{
  GMutex lock; /* over a call of the alarm */
  LbModulatorAlarm alarm;
  gpointer data;
} LbModulatorPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (LbModulator, lb_modulator, LB_TYPE_DEVICE)

#define PRIVATE(self) ((LbModulatorPrivate *) lb_modulator_get_instance_private (self))

static void
lb_modulator_finalize (GObject *object)
{
  g_mutex_clear (&PRIVATE (LB_MODULATOR (object))->lock);
  G_OBJECT_CLASS (lb_modulator_parent_class)->finalize (object);
}

static void
lb_modulator_class_init (LbModulatorClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lb_modulator_finalize;
}

static void
lb_modulator_init (LbModulator *self)
{
  g_mutex_init (&PRIVATE (self)->lock);
}

/**
 * lb_modulator_get_caps:
 *
 * What the open plane can do.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_modulator_get_caps (
    LbModulator *self, LbModulatorCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "get caps", cancellable, deadline_us, error))
    return FALSE;
  done = LB_MODULATOR_GET_CLASS (self)->get_caps (self, caps, cancellable, deadline_us, error);
  if (done)
    caps->ahead = LB_MODULATOR_GET_CLASS (self)->show_at != NULL;
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_modulator_show:
 * @sequence: rises with each call
 *
 * Hands a pattern over and returns.
 *
 * Returns: %FALSE with SIZE if it does not fit the plane
 */
gboolean
lb_modulator_show (LbModulator *self,
                   LbPattern *pattern,
                   guint64 sequence,
                   GCancellable *cancellable,
                   gint64 deadline_us,
                   GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "show", cancellable, deadline_us, error))
    return FALSE;
  done = LB_MODULATOR_GET_CLASS (self)->show (self, pattern, sequence, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_modulator_show_at:
 * @from_us: bench time before which it must not stand on the display
 * @time_us: (out): bench time from which it will
 *
 * Hands a pattern over ahead of time and returns.
 *
 * Returns: %FALSE with SIZE if it does not fit the plane, or UNSUPPORTED
 */
gboolean
lb_modulator_show_at (LbModulator *self,
                      LbPattern *pattern,
                      guint64 sequence,
                      gint64 from_us,
                      gint64 *time_us,
                      GCancellable *cancellable,
                      gint64 deadline_us,
                      GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_MODULATOR (self) && time_us != NULL, FALSE);
  if (LB_MODULATOR_GET_CLASS (self)->show_at == NULL)
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_UNSUPPORTED,
                           _ ("show ahead: the plane cannot say when a pattern will stand on its display"));
      return FALSE;
    }
  if (!lb_device_begin_call (LB_DEVICE (self), "show ahead", cancellable, deadline_us, error))
    return FALSE;
  done = LB_MODULATOR_GET_CLASS (self)->show_at (self, pattern, sequence, from_us, time_us, cancellable,
                                                 deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_modulator_wait_presented:
 * @time_us: (out): bench time at which the pattern stood on the display
 *
 * Waits until the pattern of @sequence is shown; it may still be settling.
 *
 * Returns: %FALSE with COVERED or LOST
 */
gboolean
lb_modulator_wait_presented (LbModulator *self,
                             guint64 sequence,
                             gint64 *time_us,
                             GCancellable *cancellable,
                             gint64 deadline_us,
                             GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "wait presented", cancellable, deadline_us, error))
    return FALSE;
  done = LB_MODULATOR_GET_CLASS (self)->wait_presented (self, sequence, time_us, cancellable, deadline_us,
                                                        error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_modulator_blank:
 *
 * Level 0 everywhere, presented when it returns; never refused.
 *
 * Returns: %FALSE with an LbDeviceError
 */
gboolean
lb_modulator_blank (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  lb_device_begin_closing (LB_DEVICE (self), deadline_us);
  done = LB_MODULATOR_GET_CLASS (self)->blank (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_modulator_blank_now:
 *
 * Black as soon as may be; any thread, without waiting.
 *
 * Returns: %FALSE if the device has no second way for it: its worker blanks it then
 */
gboolean
lb_modulator_blank_now (LbModulator *self)
{
  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (LB_MODULATOR_GET_CLASS (self)->blank_now == NULL)
    return FALSE;
  LB_MODULATOR_GET_CLASS (self)->blank_now (self);
  return TRUE;
}

/**
 * lb_modulator_read_back:
 *
 * Returns: (transfer full): what really stands on the display; %NULL with UNSUPPORTED where that cannot be
 * known
 */
LbPattern *
lb_modulator_read_back (LbModulator *self, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  LbPattern *result;

  g_return_val_if_fail (LB_IS_MODULATOR (self), NULL);
  if (!lb_device_begin_call (LB_DEVICE (self), "read back", cancellable, deadline_us, error))
    return NULL;
  result = LB_MODULATOR_GET_CLASS (self)->read_back (self, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return result;
}

/**
 * lb_modulator_check:
 * @faults: (out): what is wrong with the display now
 *
 * Returns: %FALSE with an LbDeviceError if that could not be found out
 */
gboolean
lb_modulator_check (LbModulator *self,
                    LbModulatorFaults *faults,
                    GCancellable *cancellable,
                    gint64 deadline_us,
                    GError **error)
{
  gboolean done;

  g_return_val_if_fail (LB_IS_MODULATOR (self), FALSE);
  if (!lb_device_begin_call (LB_DEVICE (self), "check", cancellable, deadline_us, error))
    return FALSE;
  done = LB_MODULATOR_GET_CLASS (self)->check (self, faults, cancellable, deadline_us, error);
  lb_device_end_call (LB_DEVICE (self));
  return done;
}

/**
 * lb_modulator_peek:
 * @text: (out): what is wrong and what to do about it; "" without faults
 *
 * What the device has told of by itself; any thread, without waiting.
 *
 * Returns: the faults that hold, and those that came and went since it was last asked
 */
LbModulatorFaults
lb_modulator_peek (LbModulator *self, char **text)
{
  LbModulatorFaults faults = LB_MODULATOR_FAULT_NONE;

  g_return_val_if_fail (LB_IS_MODULATOR (self) && text != NULL, LB_MODULATOR_FAULT_NONE);
  *text = NULL;
  if (LB_MODULATOR_GET_CLASS (self)->peek != NULL)
    faults = LB_MODULATOR_GET_CLASS (self)->peek (self, text);
  if (*text == NULL)
    *text = g_strdup ("");
  return faults;
}

/**
 * lb_modulator_set_alarm:
 * @alarm: (nullable): called in any thread when there are new faults; must not wait
 *
 * None of an earlier alarm runs any more once this returns.
 */
void
lb_modulator_set_alarm (LbModulator *self, LbModulatorAlarm alarm, gpointer data)
{
  g_return_if_fail (LB_IS_MODULATOR (self));
  g_mutex_lock (&PRIVATE (self)->lock);
  PRIVATE (self)->alarm = alarm;
  PRIVATE (self)->data = data;
  g_mutex_unlock (&PRIVATE (self)->lock);
}

/**
 * lb_modulator_alarm:
 *
 * For drivers, from any thread, with no lock held: lb_modulator_peek() has
 * something new to say.
 */
void
lb_modulator_alarm (LbModulator *self)
{
  g_return_if_fail (LB_IS_MODULATOR (self));
  g_mutex_lock (&PRIVATE (self)->lock);
  if (PRIVATE (self)->alarm != NULL)
    PRIVATE (self)->alarm (PRIVATE (self)->data);
  g_mutex_unlock (&PRIVATE (self)->lock);
}
