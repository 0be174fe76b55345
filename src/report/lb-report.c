/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <cairo-pdf.h>
#include <glib/gi18n-lib.h>
#include <math.h>
#include <string.h>
#include "lb-report-private.h"

#define A4_WIDTH 595.28
#define A4_HEIGHT 841.89

/* What the report is made of; read once, drawn twice. */
typedef struct
{
  LbSession *session;
  const LbReportOptions *options;
  char *title;
  char *footer;
  LbQuantities *identities;
  GPtrArray *runs;
  GPtrArray *calibrations;
  GPtrArray *notes;
  GPtrArray *hashes; /* of char *, one for each of lb_session_tables */
} Report;

static void
report_clear (Report *report)
{
  g_free (report->title);
  g_free (report->footer);
  g_clear_pointer (&report->identities, lb_quantities_free);
  g_clear_pointer (&report->runs, g_ptr_array_unref);
  g_clear_pointer (&report->calibrations, g_ptr_array_unref);
  g_clear_pointer (&report->notes, g_ptr_array_unref);
  g_clear_pointer (&report->hashes, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Report, report_clear)

static gboolean
report_read (Report *report, GError **error)
{
  const char *title = report->options != NULL ? report->options->title : NULL;
  g_autofree char *name = g_path_get_basename (lb_session_get_path (report->session));
  g_autofree char *shown = g_filename_display_name (name);

  report->title = g_strdup (title != NULL && title[0] != '\0' ? title : _ ("Session on the optical bench"));
  report->footer = g_strdup_printf ("Lightbench %s \xc2\xb7 %s", LB_VERSION, shown);
  report->identities = lb_session_get_identities (report->session);
  report->runs = lb_session_list_runs (report->session, error);
  if (report->runs == NULL)
    return FALSE;
  report->calibrations = lb_session_list_calibrations (report->session, error);
  if (report->calibrations == NULL)
    return FALSE;
  report->notes = lb_session_list_notes (report->session, error);
  if (report->notes == NULL)
    return FALSE;
  report->hashes = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; lb_session_tables[i] != NULL; i++)
    {
      char *hash = lb_session_hash_table (report->session, lb_session_tables[i], error);

      if (hash == NULL)
        return FALSE;
      g_ptr_array_add (report->hashes, hash);
    }
  return TRUE;
}

static void
add_pair (LbReportTable *table, const char *name, char *value)
{
  lb_report_table_add (table, g_strdup (name));
  lb_report_table_add (table, value);
}

static void
add_title_block (LbReportPage *page, const Report *report)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT, LB_REPORT_CELL_TEXT };
  g_autoptr (LbReportTable) table = lb_report_table_new (2, kinds);
  const char *person = report->options != NULL ? report->options->operator_name : NULL;
  g_autofree char *path = g_canonicalize_filename (lb_session_get_path (report->session), NULL);

  lb_report_page_text (page, LB_REPORT_STYLE_TITLE, report->title);
  if (person != NULL && person[0] != '\0')
    add_pair (table, _ ("operator"), g_strdup (person));
  add_pair (table, _ ("session begun"), lb_report_time (lb_session_get_created_us (report->session)));
  add_pair (table, _ ("report made"), lb_report_time (g_get_real_time ()));
  add_pair (table, _ ("session file"), g_filename_display_name (path));
  add_pair (table, _ ("software"), g_strdup ("Lightbench " LB_VERSION));
  lb_report_page_table (page, table);
}

/* One line a run: what the whole session came to. */
static void
add_summary (LbReportPage *page, const Report *report)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_TEXT,
                                            LB_REPORT_CELL_TEXT,   LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_NUMBER };
  const char *const header[] = {
    _ ("run"), _ ("what"), _ ("state"), _ ("dot products"), _ ("normalised error"), _ ("before calibration")
  };
  g_autoptr (LbReportTable) table = lb_report_table_new (G_N_ELEMENTS (kinds), kinds);

  if (report->runs->len == 0)
    return;
  lb_report_page_text (page, LB_REPORT_STYLE_HEADING, _ ("Summary"));
  lb_report_table_set_header (table, header);
  for (guint i = 0; i < report->runs->len; i++)
    {
      const LbSessionRun *run = g_ptr_array_index (report->runs, i);
      g_autoptr (LbQuantities) none = lb_quantities_new ();
      const LbQuantities *results = run->results != NULL ? run->results : none;

      lb_report_table_add (table, lb_plot_format_number (i + 1, 6));
      lb_report_table_add (table, lb_report_run_title (run));
      lb_report_table_add (table, lb_report_state (run->state));
      lb_report_table_add (table, lb_plot_format_number ((double) run->rows, 6));
      lb_report_table_add (table, lb_report_percent (lb_quantities_get (results, "normalised_error", NAN)));
      lb_report_table_add (
          table, lb_report_percent (lb_quantities_get (results, "normalised_error_uncalibrated", NAN)));
    }
  lb_report_page_table (page, table);
}

static void
add_bench (LbReportPage *page, const Report *report)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT, LB_REPORT_CELL_TEXT };
  g_autoptr (LbReportTable) table = lb_report_table_new (2, kinds);

  lb_report_page_text (page, LB_REPORT_STYLE_HEADING, _ ("Bench"));
  add_pair (table, _ ("setup"), lb_session_get_setup_name (report->session));
  for (guint i = 0; i < lb_quantities_get_length (report->identities); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (report->identities, i);
      g_autofree char *name = lb_report_name (quantity->name);

      add_pair (table, name, lb_report_value (quantity));
    }
  lb_report_page_table (page, table);
}

/* Ages count to the beginning of the last run, for which they mattered; in a
 * session without runs to the last calibration. */
static gint64
reference_time_us (const Report *report)
{
  gint64 latest = 0;

  if (report->runs->len > 0)
    return ((const LbSessionRun *) g_ptr_array_index (report->runs, report->runs->len - 1))->started_us;
  for (guint i = 0; i < report->calibrations->len; i++)
    latest =
        MAX (latest, ((const LbSessionCalibration *) g_ptr_array_index (report->calibrations, i))->time_us);
  return latest;
}

static gboolean
is_superseded (const Report *report, guint nth)
{
  const LbSessionCalibration *calibration = g_ptr_array_index (report->calibrations, nth);

  for (guint i = nth + 1; i < report->calibrations->len; i++)
    if (g_strcmp0 (((const LbSessionCalibration *) g_ptr_array_index (report->calibrations, i))->step,
                   calibration->step) == 0)
      return TRUE;
  return FALSE;
}

static const char *
calibration_title (const LbSessionCalibration *calibration)
{
  return calibration->title != NULL && calibration->title[0] != '\0' ? calibration->title : calibration->step;
}

static void
add_calibration_row (LbReportTable *table, const Report *report, guint nth)
{
  const LbSessionCalibration *calibration = g_ptr_array_index (report->calibrations, nth);
  g_autofree char *verdict = lb_report_verdict (calibration->verdict);
  double age = (double) (reference_time_us (report) - calibration->time_us) / G_TIME_SPAN_SECOND;

  lb_report_table_add (table, g_strdup (calibration_title (calibration)));
  lb_report_table_add (table, is_superseded (report, nth) ? g_strdup_printf (_ ("%s, superseded"), verdict)
                                                          : g_steal_pointer (&verdict));
  lb_report_table_add (table, lb_report_number (calibration->residual, calibration->unit));
  lb_report_table_add (table, lb_report_number (calibration->limit, calibration->unit));
  lb_report_table_add (table, lb_report_time (calibration->time_us));
  lb_report_table_add (table, age >= 0 ? lb_report_span (age) : g_strdup (_ ("after it")));
  lb_report_table_add (table, lb_report_span (calibration->duration_s));
  lb_report_table_add (table, calibration->hash != NULL ? g_strndup (calibration->hash, 12) : NULL);
}

/* "read noise 1.61 electrons; hot pixels 207". */
static char *
values_in_a_line (const LbQuantities *values)
{
  g_autoptr (GString) line = g_string_new (NULL);

  for (guint i = 0; i < lb_quantities_get_length (values); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (values, i);
      g_autofree char *name = lb_report_name (quantity->name);
      g_autofree char *value = lb_report_value (quantity);

      g_string_append_printf (line, "%s%s: %s", line->len > 0 ? "; " : "", name, value);
    }
  return g_strdup (line->str);
}

static gboolean
add_calibration_details (LbReportPage *page, const Report *report, guint nth, GError **error)
{
  const LbSessionCalibration *calibration = g_ptr_array_index (report->calibrations, nth);
  g_autoptr (GPtrArray) stored = lb_session_list_figures (report->session, 0, calibration->id, error);
  g_autoptr (GPtrArray) figures = g_ptr_array_new ();
  g_autofree char *values = values_in_a_line (calibration->values);
  g_autofree char *time = lb_report_time (calibration->time_us);
  g_autofree char *heading = g_strdup_printf ("%s, %s", calibration_title (calibration), time);

  if (stored == NULL)
    return FALSE;
  for (guint i = 0; i < stored->len; i++)
    g_ptr_array_add (figures, ((const LbSessionFigure *) g_ptr_array_index (stored, i))->figure);
  /* Figures of superseded results are in the session. */
  if (is_superseded (report, nth))
    g_ptr_array_set_size (figures, 0);
  lb_report_page_keep (page, 75 + lb_report_page_first_row (figures->len));
  lb_report_page_text (page, LB_REPORT_STYLE_SUBHEADING, heading);
  if (calibration->message != NULL && calibration->message[0] != '\0')
    lb_report_page_text (page, LB_REPORT_STYLE_TEXT, calibration->message);
  if (values[0] != '\0')
    lb_report_page_text (page, LB_REPORT_STYLE_SMALL, values);
  lb_report_page_space (page, 3);
  lb_report_page_figures (page, figures);
  return TRUE;
}

static gboolean
add_calibrations (LbReportPage *page, const Report *report, GError **error)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT,   LB_REPORT_CELL_TEXT, LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_TEXT, LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_CODE };
  const char *const header[] = { _ ("step"), _ ("verdict"), _ ("residual"), _ ("limit"),
                                 _ ("made"), _ ("age"),     _ ("took"),     _ ("hash") };
  g_autoptr (LbReportTable) table = lb_report_table_new (G_N_ELEMENTS (kinds), kinds);

  lb_report_page_text (page, LB_REPORT_STYLE_HEADING, _ ("Calibration"));
  if (report->calibrations->len == 0)
    {
      lb_report_page_text (page, LB_REPORT_STYLE_TEXT, _ ("Nothing was calibrated in this session."));
      return TRUE;
    }
  lb_report_table_set_header (table, header);
  for (guint i = 0; i < report->calibrations->len; i++)
    add_calibration_row (table, report, i);
  lb_report_page_table (page, table);
  lb_report_page_text (page, LB_REPORT_STYLE_SMALL,
                       report->runs->len > 0 ? _ ("Ages are at the beginning of the last run.")
                                             : _ ("Ages are at the last calibration."));
  for (guint i = 0; i < report->calibrations->len; i++)
    if (!add_calibration_details (page, report, i, error))
      return FALSE;
  return TRUE;
}

static void
add_notes (LbReportPage *page, const Report *report)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT, LB_REPORT_CELL_TEXT };
  g_autoptr (LbReportTable) table = lb_report_table_new (2, kinds);

  if (report->notes->len == 0)
    return;
  lb_report_page_text (page, LB_REPORT_STYLE_HEADING, _ ("Notes"));
  for (guint i = 0; i < report->notes->len; i++)
    {
      const LbSessionNote *note = g_ptr_array_index (report->notes, i);

      lb_report_table_add (table, lb_report_time (note->time_us));
      lb_report_table_add (table, g_strdup (note->text));
    }
  lb_report_page_table (page, table);
}

static void
add_hashes (LbReportPage *page, const Report *report)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_CODE, LB_REPORT_CELL_CODE };
  const char *const header[] = { _ ("table of the session file"), "SHA-256" };
  g_autoptr (LbReportTable) table = lb_report_table_new (2, kinds);

  lb_report_page_keep (page, 240);
  lb_report_page_text (page, LB_REPORT_STYLE_HEADING, _ ("Data"));
  lb_report_page_text (
      page, LB_REPORT_STYLE_TEXT,
      _ ("This report was made from data whose hashes are these. Whoever has the session file can compute "
         "them again: they show whether it is the one that this report is about."));
  lb_report_table_set_header (table, header);
  for (guint i = 0; i < report->hashes->len; i++)
    {
      lb_report_table_add (table, g_strdup (lb_session_tables[i]));
      lb_report_table_add (table, g_strdup (g_ptr_array_index (report->hashes, i)));
    }
  lb_report_page_table (page, table);
}

/* Everything, from the first page to the last; @pages is in and out. */
static gboolean
compose (const Report *report, cairo_t *cairo, guint *pages, GError **error)
{
  LbReportPage page;
  gboolean complete;

  lb_report_page_begin (&page, cairo, report->footer, *pages);
  add_title_block (&page, report);
  add_summary (&page, report);
  add_bench (&page, report);
  complete = add_calibrations (&page, report, error);
  for (guint i = 0; complete && i < report->runs->len; i++)
    complete = lb_report_run (&page, report->session, g_ptr_array_index (report->runs, i), i + 1, error);
  add_notes (&page, report);
  add_hashes (&page, report);
  *pages = page.page;
  lb_report_page_end (&page);
  return complete;
}

static cairo_status_t
append_bytes (void *closure, const unsigned char *data, unsigned int length)
{
  if (closure != NULL)
    g_byte_array_append (closure, data, length);
  return CAIRO_STATUS_SUCCESS;
}

/* One pass; with @bytes NULL only to count the pages. */
static gboolean
draw (const Report *report, GByteArray *bytes, guint *pages, GError **error)
{
  cairo_surface_t *surface = cairo_pdf_surface_create_for_stream (append_bytes, bytes, A4_WIDTH, A4_HEIGHT);
  cairo_t *cairo = cairo_create (surface);
  cairo_status_t status;
  gboolean complete;

  cairo_pdf_surface_set_metadata (surface, CAIRO_PDF_METADATA_TITLE, report->title);
  cairo_pdf_surface_set_metadata (surface, CAIRO_PDF_METADATA_CREATOR, "Lightbench " LB_VERSION);
  if (report->options != NULL && report->options->operator_name != NULL)
    cairo_pdf_surface_set_metadata (surface, CAIRO_PDF_METADATA_AUTHOR, report->options->operator_name);
  complete = compose (report, cairo, pages, error);
  status = cairo_status (cairo);
  cairo_destroy (cairo);
  cairo_surface_finish (surface);
  if (status == CAIRO_STATUS_SUCCESS)
    status = cairo_surface_status (surface);
  cairo_surface_destroy (surface);
  if (complete && status != CAIRO_STATUS_SUCCESS)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, _ ("the report could not be drawn: %s"),
                   cairo_status_to_string (status));
      return FALSE;
    }
  return complete;
}

/**
 * lb_report_write_pdf:
 * @session: to report; open, for writing or for reading
 * @path: of the report
 * @options: (nullable): what it says of itself
 * @error: LB_SESSION_ERROR where the session cannot be read, G_FILE_ERROR where
 *   the report cannot be written
 *
 * Blocks for as long as drawing takes: not for the main thread.
 */
gboolean
lb_report_write_pdf (LbSession *session, const char *path, const LbReportOptions *options, GError **error)
{
  g_auto (Report) report = { .session = session, .options = options };
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  guint pages = 0;

  g_return_val_if_fail (LB_IS_SESSION (session), FALSE);
  g_return_val_if_fail (path != NULL, FALSE);

  if (!report_read (&report, error) || !draw (&report, NULL, &pages, error) ||
      !draw (&report, bytes, &pages, error))
    return FALSE;
  if (!g_file_set_contents_full (path, (const char *) bytes->data, bytes->len,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0666, error))
    {
      g_prefix_error (error, _ ("%s: the report cannot be written: "), path);
      return FALSE;
    }
  return TRUE;
}
