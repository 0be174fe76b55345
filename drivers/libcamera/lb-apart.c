/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-apart.h"

#include <glib/gi18n-lib.h>

/* The bench wants a sign of life each 200 ms. */
#define SLICE_US (100 * 1000)

typedef struct
{
  gatomicrefcount references;
  GMutex lock;
  GCond done_cond;
  LbApartFunc func;
  gpointer data;
  GDestroyNotify destroy;
  gboolean done, result;
  GError *error;
} Job;

static void
job_unref (Job *job)
{
  if (!g_atomic_ref_count_dec (&job->references))
    return;
  g_clear_error (&job->error);
  g_cond_clear (&job->done_cond);
  g_mutex_clear (&job->lock);
  g_free (job);
}

static gpointer
job_main (gpointer user_data)
{
  Job *job = user_data;
  GError *error = NULL;
  gboolean result = job->func (job->data, &error);

  job->destroy (job->data);
  g_mutex_lock (&job->lock);
  job->result = result;
  job->error = error;
  job->done = TRUE;
  g_cond_broadcast (&job->done_cond);
  g_mutex_unlock (&job->lock);
  job_unref (job);
  return NULL;
}

/* Locked. Until it is done or @until_us is over. */
static void
wait_slice (Job *job, gint64 until_us)
{
  while (!job->done && g_cond_wait_until (&job->done_cond, &job->lock, until_us))
    ;
}

/* FALSE: it is not done, and not waited for any more. */
static gboolean
wait_done (Job *job, LbDevice *device, GCancellable *cancellable, gint64 until_us, GError **error)
{
  gboolean done = FALSE;

  while (!done)
    {
      gint64 now_us = g_get_monotonic_time ();

      g_mutex_lock (&job->lock);
      wait_slice (job, MIN (now_us + SLICE_US, until_us));
      done = job->done;
      g_mutex_unlock (&job->lock);
      if (done)
        break;
      if (device != NULL && !lb_device_waiting (device, error))
        return FALSE;
      if (device != NULL && g_cancellable_is_cancelled (cancellable))
        {
          g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_CANCELLED, _ ("cancelled"));
          return FALSE;
        }
      if (g_get_monotonic_time () >= until_us)
        {
          g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_TIMEOUT,
                               _ ("the camera's driver hangs; unplug the camera and plug it in again"));
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
lb_apart_run (LbApartFunc func,
              gpointer data,
              GDestroyNotify destroy,
              LbDevice *device,
              GCancellable *cancellable,
              gint64 until_us,
              gboolean *abandoned,
              GError **error)
{
  Job *job = g_new0 (Job, 1);
  gboolean result = FALSE;

  g_atomic_ref_count_init (&job->references);
  g_atomic_ref_count_inc (&job->references);
  g_mutex_init (&job->lock);
  g_cond_init (&job->done_cond);
  job->func = func;
  job->data = data;
  job->destroy = destroy;
  g_thread_unref (g_thread_new ("camera-call", job_main, job));
  *abandoned = !wait_done (job, device, cancellable, until_us, error);
  if (!*abandoned)
    {
      result = job->result;
      if (job->error != NULL)
        g_propagate_error (error, g_steal_pointer (&job->error));
    }
  job_unref (job);
  return result;
}
