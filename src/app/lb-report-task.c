/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-report-task.h"

#include <glib/gi18n.h>
#include <lb-report.h>

#include "lb-file-dialog.h"

#define SESSION_ENDING ".lbsession"

typedef struct
{
  LbSession *session;
  char *path;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  g_object_unref (job->session);
  g_free (job->path);
  g_free (job);
}

static char *
path_beside (LbSession *session)
{
  const char *path = lb_session_get_path (session);
  gsize length = strlen (path);

  if (g_str_has_suffix (path, SESSION_ENDING))
    length -= strlen (SESSION_ENDING);
  return g_strdup_printf ("%.*s.pdf", (int) length, path);
}

static void
write_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  LbReportOptions options = { .operator_name = g_get_real_name () };
  GError *error = NULL;

  /* A name that the system does not know is none. */
  if (g_strcmp0 (options.operator_name, "Unknown") == 0)
    options.operator_name = NULL;
  if (lb_report_write_pdf (job->session, job->path, &options, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  const Job *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_autoptr (GVariant) path = g_variant_ref_sink (g_variant_new_string (job->path));
      g_autofree char *action = g_action_print_detailed_name ("app.open-file", path);

      text = g_strdup_printf (_ ("Report written: %s"), job->path);
      lb_window_add_toast (LB_WINDOW (source), text, _ ("_Open"), action);
    }
  else
    {
      text = g_strdup_printf (_ ("The report could not be written: %s"), error->message);
      lb_window_add_toast (LB_WINDOW (source), text, NULL, NULL);
    }
}

void
lb_report_task_write (LbWindow *window, LbSession *session, const char *path)
{
  g_autoptr (GTask) task = NULL;
  Job *job;

  g_return_if_fail (LB_IS_WINDOW (window));

  if (session == NULL)
    {
      lb_window_add_toast (
          window, _ ("There is nothing to report yet: calibrate the bench or run an experiment"), NULL, NULL);
      return;
    }
  job = g_new0 (Job, 1);
  job->session = g_object_ref (session);
  job->path = path != NULL ? g_strdup (path) : path_beside (session);
  task = g_task_new (window, NULL, written_cb, NULL);
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, write_thread);
}

static void
chosen_cb (GtkWidget *widget, const char *path, gpointer data)
{
  lb_report_task_write (LB_WINDOW (widget), data, path);
}

void
lb_report_task_choose (LbWindow *window, LbSession *session)
{
  GtkFileChooserNative *dialog;
  g_autofree char *path = NULL;
  g_autofree char *name = NULL;

  g_return_if_fail (LB_IS_WINDOW (window));

  if (session == NULL)
    {
      lb_report_task_write (window, NULL, NULL);
      return;
    }
  path = path_beside (session);
  name = g_path_get_basename (path);
  dialog = lb_file_dialog_new (GTK_WIDGET (window), _ ("Save Report"), GTK_FILE_CHOOSER_ACTION_SAVE);
  lb_file_dialog_begin_beside (dialog, path);
  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), name);
  lb_file_dialog_show (dialog, GTK_WIDGET (window), chosen_cb, g_object_ref (session), g_object_unref);
}
