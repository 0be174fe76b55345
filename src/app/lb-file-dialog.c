/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-file-dialog.h"

#include <glib/gi18n.h>

typedef struct
{
  LbFileChosen chosen;
  gpointer data;
  GDestroyNotify destroy;
} Answer;

static void
answer_free (gpointer data)
{
  Answer *answer = data;

  if (answer->destroy != NULL)
    answer->destroy (answer->data);
  g_free (answer);
}

/**
 * lb_file_dialog_new:
 * @widget: in the window that asks
 * @title: of the dialog
 * @action: opens or saves a file, or selects a folder
 *
 * Returns: (transfer full): a dialog that is not shown yet
 */
GtkFileChooserNative *
lb_file_dialog_new (GtkWidget *widget, const char *title, GtkFileChooserAction action)
{
  GtkFileChooserNative *dialog = gtk_file_chooser_native_new (
      title, GTK_WINDOW (gtk_widget_get_root (widget)), action,
      action == GTK_FILE_CHOOSER_ACTION_SAVE ? _ ("_Save") : _ ("_Open"), _ ("_Cancel"));

  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  return dialog;
}

void
lb_file_dialog_add_pattern (GtkFileChooserNative *dialog, const char *name, const char *pattern)
{
  g_autoptr (GtkFileFilter) filter = gtk_file_filter_new ();

  gtk_file_filter_set_name (filter, name);
  gtk_file_filter_add_pattern (filter, pattern);
  gtk_file_chooser_add_filter (GTK_FILE_CHOOSER (dialog), filter);
}

void
lb_file_dialog_begin_beside (GtkFileChooserNative *dialog, const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GFile) file = g_file_new_for_path (folder);

  gtk_file_chooser_set_current_folder (GTK_FILE_CHOOSER (dialog), file, NULL);
}

static void
response_cb (GtkNativeDialog *dialog, int response, GtkWidget *widget)
{
  const Answer *answer = g_object_get_data (G_OBJECT (dialog), "answer");
  g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
  g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;

  /* A file on another computer may have none. */
  if (response == GTK_RESPONSE_ACCEPT && path != NULL)
    answer->chosen (widget, path, answer->data);
  g_object_unref (dialog);
}

/**
 * lb_file_dialog_show:
 * @dialog: (transfer full): the dialog
 * @widget: who asks; once it is gone nothing is called any more
 * @chosen: is called if a file was chosen
 * @data: for @chosen
 * @destroy: (nullable): frees @data with the dialog
 *
 * Shows the dialog, which goes with the answer.
 */
void
lb_file_dialog_show (GtkFileChooserNative *dialog,
                     GtkWidget *widget,
                     LbFileChosen chosen,
                     gpointer data,
                     GDestroyNotify destroy)
{
  Answer *answer = g_new (Answer, 1);

  *answer = (Answer){ chosen, data, destroy };
  g_object_set_data_full (G_OBJECT (dialog), "answer", answer, answer_free);
  g_signal_connect_object (dialog, "response", G_CALLBACK (response_cb), widget, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}
