/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>

G_BEGIN_DECLS

/* The desktop's dialogs for files and folders. */

typedef void (*LbFileChosen) (GtkWidget *widget, const char *path, gpointer data);

GtkFileChooserNative *lb_file_dialog_new (GtkWidget *widget, const char *title, GtkFileChooserAction action);
/* Offers files like @pattern, under @name. */
void lb_file_dialog_add_pattern (GtkFileChooserNative *dialog, const char *name, const char *pattern);
/* Begins in the folder that @path is in. */
void lb_file_dialog_begin_beside (GtkFileChooserNative *dialog, const char *path);
void lb_file_dialog_show (GtkFileChooserNative *dialog,
                          GtkWidget *widget,
                          LbFileChosen chosen,
                          gpointer data,
                          GDestroyNotify destroy);

G_END_DECLS
