/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-session.h>

G_BEGIN_DECLS

typedef enum
{
  LB_ENTRY_CALIBRATION,
  LB_ENTRY_RUN,
  LB_ENTRY_NOTE,
} LbEntryKind;

/* One thing that was done in a session. Immutable once it is loaded. */
#define LB_TYPE_SESSION_ENTRY (lb_session_entry_get_type ())
G_DECLARE_FINAL_TYPE (LbSessionEntry, lb_session_entry, LB, SESSION_ENTRY, GObject)

struct _LbSessionEntry
{
  GObject parent_instance;
  LbEntryKind kind;
  gint64 id;
  gint64 time_us; /* Unix time */
  char *title;
  char *subtitle;         /* a short line; NULL: none */
  char *text;             /* message or note; NULL: none */
  char *style;            /* "success", "warning", "error", or "" */
  LbQuantities *settings; /* NULL: none */
  LbQuantities *results;
};

/* Lists what is in @session, in the order of time; in a computing thread.
 * @running: whether its last run is under way. */
void lb_session_contents_load_async (LbSession *session,
                                     gboolean running,
                                     GCancellable *cancellable,
                                     GAsyncReadyCallback callback,
                                     gpointer user_data);
/* Of LbSessionEntry. */
GPtrArray *lb_session_contents_load_finish (GAsyncResult *result, GError **error);
/* Figures of one entry, of LbFigure; in a computing thread. */
void lb_session_figures_load_async (LbSession *session,
                                    LbSessionEntry *entry,
                                    GCancellable *cancellable,
                                    GAsyncReadyCallback callback,
                                    gpointer user_data);
GPtrArray *lb_session_figures_load_finish (GAsyncResult *result, GError **error);

G_END_DECLS
