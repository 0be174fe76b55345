/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <lb-figure.h>
#include <lb-quantities.h>

G_BEGIN_DECLS

/*
 * LbSession: one file (SQLite) with everything that was done in a session,
 * append-only: calibrations, runs, the rows that they measured, figures, notes.
 * WAL, synchronous=FULL; rows go through a writer thread that commits in groups
 * (64 rows or 50 ms). What a durable callback or lb_session_flush() has
 * acknowledged is on disk. A clean close leaves one file. All calls are safe
 * from any thread; the writer thread alone owns the SQLite handle.
 *
 * Application id 0x4C426368 ("LBch"), user_version LB_SESSION_VERSION.
 */
#define LB_SESSION_APPLICATION_ID 0x4C426368
#define LB_SESSION_VERSION 1

#define LB_SESSION_ERROR (lb_session_error_quark ())
GQuark lb_session_error_quark (void);
typedef enum
{
  LB_SESSION_ERROR_OPEN,   /* missing, unwritable, in use by another process */
  LB_SESSION_ERROR_FORMAT, /* not a session, of a newer version, or damaged */
  LB_SESSION_ERROR_WRITE,  /* disk full, I/O error; what was acknowledged stands */
  LB_SESSION_ERROR_NOT_FOUND,
} LbSessionError;

#define LB_TYPE_SESSION (lb_session_get_type ())
G_DECLARE_FINAL_TYPE (LbSession, lb_session, LB, SESSION, GObject)

typedef enum
{
  LB_RUN_RUNNING,
  LB_RUN_FINISHED,
  LB_RUN_ABORTED, /* ended by the operator, results kept */
  LB_RUN_FAILED,
} LbRunState;

/* One dot product as it was measured. Element (row, column) of the output. */
typedef struct
{
  guint32 row;
  guint32 column;
  guint32 group;     /* of an experiment with several (lengths, signs); else 0 */
  guint32 exposures; /* that went into it */
  double measured;   /* NAN: marked unusable (saturated, not separable) */
  double ideal;
  double uncalibrated; /* decoded with the nominal values; NAN where not asked for */
  double raw[4];       /* region sums in electrons of ++ -+ +- -- ; NAN where no such pass */
  gboolean in_doubt;   /* when read: the sentinel before or after it failed */
} LbSessionRow;

/* A known product that was measured between the rows of a run. */
typedef struct
{
  gint64 rows_before; /* of the run; when read */
  gint64 time_us;     /* Unix time; when read */
  double residual, limit, slope;
  gboolean passed;
} LbSessionSentinel;

typedef struct
{
  gint64 id;
  char *kind; /* "attention", "dot-product", "multiply" */
  LbRunState state;
  gint64 started_us;  /* Unix time */
  gint64 finished_us; /* 0 while it runs */
  LbQuantities *settings;
  LbQuantities *results; /* NULL until it ended */
  gint64 rows;           /* that are stored */
  char *message;         /* why it failed, or NULL */
} LbSessionRun;

typedef struct
{
  gint64 id;
  char *step;    /* "dark" */
  char *title;   /* translated when it was made */
  char *hash;    /* SHA-256 of the stored result, hex */
  char *verdict; /* "pass", "warn", "fail" */
  char *message;
  gint64 time_us; /* Unix time */
  double residual, limit, duration_s;
  char *unit;
  LbQuantities *values;
  GBytes *data; /* the whole result as lb_calibration_to_bytes() made it */
} LbSessionCalibration;

void lb_session_run_free (LbSessionRun *self);
void lb_session_calibration_free (LbSessionCalibration *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSessionRun, lb_session_run_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbSessionCalibration, lb_session_calibration_free)

/* Creates @path, or opens it to append. Takes a lock on the file: a second
 * process gets OPEN. @setup_name and @identities (what the bench's devices say
 * of themselves) are stored when it is created, and as a note when they change. */
LbSession *
lb_session_open (const char *path, const char *setup_name, const LbQuantities *identities, GError **error);
/* Writes nothing, not even beside the file. */
LbSession *lb_session_open_read_only (const char *path, GError **error);
/* A path for a new session in the user's data folder (XDG; created if need
 * be): sessions/2026-11-24-103000.lbsession. */
char *lb_session_default_path (GError **error);
const char *lb_session_get_path (LbSession *self);
char *lb_session_get_setup_name (LbSession *self);
LbQuantities *lb_session_get_identities (LbSession *self);
gint64 lb_session_get_created_us (LbSession *self);
/* Flushes, checkpoints, leaves one file. FALSE: something was not written. */
gboolean lb_session_close (LbSession *self, GError **error);
/* Blocks until everything handed over so far is on disk. */
gboolean lb_session_flush (LbSession *self, GError **error);

/* Bench time (virtual on the simulated bench) at which the last run ended, and
 * the ordinal for the next run (1 more than there are runs and calibrations):
 * the key of its noise. */
gint64 lb_session_get_bench_time_us (LbSession *self);
gboolean lb_session_set_bench_time_us (LbSession *self, gint64 time_us, GError **error);
guint64 lb_session_get_next_ordinal (LbSession *self);

/* These return when it is on disk. */
gboolean lb_session_add_calibration (LbSession *self,
                                     const LbSessionCalibration *calibration,
                                     gint64 *id,
                                     GError **error);
gboolean lb_session_begin_run (
    LbSession *self, const char *kind, const LbQuantities *settings, gint64 *run, GError **error);
gboolean lb_session_finish_run (LbSession *self,
                                gint64 run,
                                LbRunState state,
                                const LbQuantities *results,
                                const char *message,
                                GError **error);
gboolean
lb_session_add_figure (LbSession *self, gint64 run, const char *name, const LbFigure *figure, GError **error);
gboolean lb_session_add_figure_of_calibration (
    LbSession *self, gint64 calibration, const char *name, const LbFigure *figure, GError **error);
gboolean lb_session_add_note (LbSession *self, const char *text, GError **error);

/* Queues rows; @durable (may be NULL) is called in the writer thread when they
 * are on disk, with NULL, or with why they are not. */
typedef void (*LbSessionDurableFunc) (gpointer user_data, const GError *error);
void lb_session_add_rows (LbSession *self,
                          gint64 run,
                          const LbSessionRow *rows,
                          gsize count,
                          LbSessionDurableFunc durable,
                          gpointer user_data);

/* After all rows that were handed over before; returns when it is on disk. */
gboolean
lb_session_add_sentinel (LbSession *self, gint64 run, const LbSessionSentinel *sentinel, GError **error);

/* Reading. Lists are in the order in which things were added. */
GPtrArray *lb_session_list_runs (LbSession *self, GError **error); /* of LbSessionRun */
GPtrArray *
lb_session_list_calibrations (LbSession *self, GError **error); /* of LbSessionCalibration, without data */
GBytes *lb_session_get_calibration_data (LbSession *self, gint64 id, GError **error);
GArray *lb_session_get_rows (LbSession *self, gint64 run, GError **error);       /* of LbSessionRow */
GArray *lb_session_list_sentinels (LbSession *self, gint64 run, GError **error); /* of LbSessionSentinel */
/* Names and figures of a run (calibration 0) or a calibration (run 0). */
typedef struct
{
  char *name;
  LbFigure *figure;
} LbSessionFigure;
GPtrArray *lb_session_list_figures (LbSession *self, gint64 run, gint64 calibration, GError **error);
typedef struct
{
  gint64 time_us;
  char *text;
} LbSessionNote;
GPtrArray *lb_session_list_notes (LbSession *self, GError **error);
/* Checks structure (integrity_check), version, that every run has its rows;
 * FALSE and why if it is not whole. */
gboolean lb_session_verify (LbSession *self, GError **error);
/* SHA-256 over the contents of a table, in the order of its ids; hex. The
 * tables: see lb_session_tables (NULL-terminated). */
extern const char *const lb_session_tables[];
char *lb_session_hash_table (LbSession *self, const char *table, GError **error);

G_END_DECLS
