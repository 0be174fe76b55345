/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-session.h>

G_BEGIN_DECLS

/* A folder of its own, and the path of a session in it that is not there yet. */
typedef struct
{
  char *folder;
  char *path;
} Place;

void place_up (Place *place, gconstpointer data);
/* Fails if files cannot be removed. */
void place_down (Place *place, gconstpointer data);
guint count_files (const char *folder);

LbQuantities *identities (const char *camera);
LbSession *open_session (const char *path);
LbSession *open_read_only (const char *path);
/* Fails if closing tells that something was lost. */
void close_session (LbSession *session);

/* The row that stands for @n, with absent values now and then. */
LbSessionRow make_row (guint32 n);
void assert_row (const LbSessionRow *row, guint32 n);
gint64 begin_run (LbSession *session);
void add_rows (LbSession *session, gint64 run, guint32 first, guint32 count);
/* Counts in the gint @user_data rows that were not stored. */
void fail_durable (gpointer user_data, const GError *error);

/* A session with a calibration, an ended run of 300 rows, figures and a note. */
void fill_session (LbSession *session);
void make_session (const char *path);
void check_session (LbSession *session);

G_END_DECLS
