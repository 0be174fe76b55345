/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <string.h>
#include "lb-session-private.h"

/* A group is committed when it has so many rows or is so old. */
#define GROUP_ROWS 64
#define GROUP_US (50 * G_TIME_SPAN_MILLISECOND)

typedef enum
{
  JOB_ROWS,
  JOB_TASK,
  JOB_QUIT,
} JobKind;

/* Something for the thread to do. Who waits for a task owns its job. */
typedef struct
{
  JobKind kind;
  gint64 run;
  LbSessionRow *rows;
  gsize count;
  LbSessionDurableFunc durable;
  gpointer user_data;
  LbSessionTask task;
  gboolean done;
  gboolean succeeded;
  GError **error;
} Job;

struct _LbSessionWriter
{
  GThread *thread;
  GMutex mutex;
  GCond wake;     /* the queue has something */
  GCond finished; /* a task is done */
  GQueue queue;   /* of Job */
  /* The thread's own: */
  LbSessionStore store;
  GPtrArray *group; /* rows that are not yet committed */
  gsize group_rows;
  gint64 group_since_us;
  GError *loss; /* why rows were lost first, or NULL */
};

static void
free_rows_job (gpointer data)
{
  Job *job = data;

  g_free (job->rows);
  g_free (job);
}

static void
add_count (GHashTable *counts, gint64 run, gsize count)
{
  gint64 *known = g_hash_table_lookup (counts, &run);

  if (known == NULL)
    {
      gint64 *key = g_new (gint64, 1);

      *key = run;
      known = g_new0 (gint64, 1);
      g_hash_table_insert (counts, key, known);
    }
  *known += (gint64) count;
}

/* Tells whoever asked what became of the rows of the group, and empties it. */
static void
settle_group (LbSessionWriter *self, const GError *error)
{
  if (error != NULL)
    {
      if (!sqlite3_get_autocommit (self->store.handle))
        sqlite3_exec (self->store.handle, "ROLLBACK", NULL, NULL, NULL);
      if (self->loss == NULL)
        self->loss = g_error_copy (error);
    }
  for (guint i = 0; i < self->group->len; i++)
    {
      const Job *job = g_ptr_array_index (self->group, i);

      add_count (error == NULL ? self->store.rows_stored : self->store.rows_lost, job->run, job->count);
      if (job->durable != NULL)
        job->durable (job->user_data, error);
    }
  g_ptr_array_set_size (self->group, 0);
  self->group_rows = 0;
}

static void
commit_group (LbSessionWriter *self)
{
  g_autoptr (GError) error = NULL;

  if (self->group->len == 0)
    return;
  lb_session_execute (&self->store, "COMMIT", &error);
  settle_group (self, error);
}

static void
take_rows (LbSessionWriter *self, Job *job)
{
  g_autoptr (GError) error = NULL;
  gboolean begun = self->group->len > 0;

  g_ptr_array_add (self->group, job);
  if (!begun)
    {
      self->group_since_us = g_get_monotonic_time ();
      begun = lb_session_execute (&self->store, "BEGIN IMMEDIATE", &error);
    }
  if (!begun || !lb_session_insert_rows (&self->store, job->run, job->rows, job->count, &error))
    {
      settle_group (self, error);
      return;
    }
  self->group_rows += job->count;
  if (self->group_rows >= GROUP_ROWS || g_get_monotonic_time () >= self->group_since_us + GROUP_US)
    commit_group (self);
}

/* The next job; meanwhile commits a group that comes of age. */
static Job *
next_job (LbSessionWriter *self)
{
  Job *job;

  g_mutex_lock (&self->mutex);
  while ((job = g_queue_pop_head (&self->queue)) == NULL)
    {
      if (self->group->len == 0)
        {
          g_cond_wait (&self->wake, &self->mutex);
        }
      else if (!g_cond_wait_until (&self->wake, &self->mutex, self->group_since_us + GROUP_US))
        {
          g_mutex_unlock (&self->mutex);
          commit_group (self);
          g_mutex_lock (&self->mutex);
        }
    }
  g_mutex_unlock (&self->mutex);
  return job;
}

static void
finish_job (LbSessionWriter *self, Job *job, gboolean succeeded)
{
  g_mutex_lock (&self->mutex);
  job->succeeded = succeeded;
  job->done = TRUE;
  g_cond_broadcast (&self->finished);
  g_mutex_unlock (&self->mutex);
}

/* Runs a task; what it left open when it failed is undone. */
static gboolean
run_task (LbSessionStore *store, Job *job)
{
  gboolean succeeded = job->task (store, job->user_data, job->error);

  if (!sqlite3_get_autocommit (store->handle))
    sqlite3_exec (store->handle, "ROLLBACK", NULL, NULL, NULL);
  return succeeded;
}

static gpointer
writer_thread (gpointer data)
{
  LbSessionWriter *self = data;

  for (;;)
    {
      Job *job = next_job (self);

      if (job->kind == JOB_ROWS)
        {
          take_rows (self, job);
          continue;
        }
      commit_group (self);
      if (job->kind == JOB_QUIT)
        {
          g_autoptr (GError) error = NULL;
          gboolean closed = lb_session_store_close (&self->store, &error);

          if (self->loss != NULL)
            g_propagate_error (job->error, g_error_copy (self->loss));
          else if (!closed)
            g_propagate_error (job->error, g_steal_pointer (&error));
          finish_job (self, job, closed && self->loss == NULL);
          return NULL;
        }
      finish_job (self, job, run_task (&self->store, job));
    }
}

static void
free_writer (LbSessionWriter *self)
{
  g_queue_clear_full (&self->queue, free_rows_job);
  g_ptr_array_unref (self->group);
  g_clear_error (&self->loss);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->wake);
  g_cond_clear (&self->finished);
  g_free (self);
}

LbSessionWriter *
lb_session_writer_new (const char *path, gboolean read_only, GError **error)
{
  LbSessionWriter *self = g_new0 (LbSessionWriter, 1);

  g_mutex_init (&self->mutex);
  g_cond_init (&self->wake);
  g_cond_init (&self->finished);
  g_queue_init (&self->queue);
  self->group = g_ptr_array_new_with_free_func (free_rows_job);
  if (lb_session_store_open (&self->store, path, read_only, error))
    self->thread = g_thread_try_new ("session", writer_thread, self, error);
  if (self->thread != NULL)
    return self;
  if (self->store.handle != NULL)
    lb_session_store_close (&self->store, NULL);
  free_writer (self);
  return NULL;
}

static gboolean
hand_over (LbSessionWriter *self, Job *job)
{
  g_mutex_lock (&self->mutex);
  g_queue_push_tail (&self->queue, job);
  g_cond_signal (&self->wake);
  while (!job->done)
    g_cond_wait (&self->finished, &self->mutex);
  g_mutex_unlock (&self->mutex);
  return job->succeeded;
}

gboolean
lb_session_writer_run (LbSessionWriter *writer, LbSessionTask task, gpointer data, GError **error)
{
  Job job = { .kind = JOB_TASK, .task = task, .user_data = data, .error = error };

  g_return_val_if_fail (g_thread_self () != writer->thread, FALSE);
  return hand_over (writer, &job);
}

void
lb_session_writer_add_rows (LbSessionWriter *writer,
                            gint64 run,
                            const LbSessionRow *rows,
                            gsize count,
                            LbSessionDurableFunc durable,
                            gpointer user_data)
{
  Job *job = g_new0 (Job, 1);

  *job = (Job){ .kind = JOB_ROWS, .run = run, .count = count, .durable = durable, .user_data = user_data };
  job->rows = g_memdup2 (rows, count * sizeof *rows);
  g_mutex_lock (&writer->mutex);
  g_queue_push_tail (&writer->queue, job);
  g_cond_signal (&writer->wake);
  g_mutex_unlock (&writer->mutex);
}

/* Everything before it in the queue has been committed when this runs. */
static gboolean
report_loss (LbSessionStore *store, gpointer data, GError **error)
{
  const LbSessionWriter *self = data;

  if (self->loss != NULL)
    g_propagate_error (error, g_error_copy (self->loss));
  return self->loss == NULL;
}

gboolean
lb_session_writer_flush (LbSessionWriter *writer, GError **error)
{
  return lb_session_writer_run (writer, report_loss, writer, error);
}

gboolean
lb_session_writer_close (LbSessionWriter *writer, GError **error)
{
  Job job = { .kind = JOB_QUIT, .error = error };
  gboolean succeeded;

  g_return_val_if_fail (g_thread_self () != writer->thread, FALSE);
  succeeded = hand_over (writer, &job);
  g_thread_join (writer->thread);
  free_writer (writer);
  return succeeded;
}
