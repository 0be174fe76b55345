/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>
#include "lb-report-private.h"

/* The measured values of one group of a run, beside the ideal ones. */
typedef struct
{
  guint32 group;
  GArray *measured;
  GArray *uncalibrated;
  GArray *ideal;
} Group;

static Group *
group_new (guint32 number)
{
  Group *group = g_new0 (Group, 1);

  group->group = number;
  group->measured = g_array_new (FALSE, FALSE, sizeof (double));
  group->uncalibrated = g_array_new (FALSE, FALSE, sizeof (double));
  group->ideal = g_array_new (FALSE, FALSE, sizeof (double));
  return group;
}

static void
group_free (gpointer data)
{
  Group *group = data;

  g_array_unref (group->measured);
  g_array_unref (group->uncalibrated);
  g_array_unref (group->ideal);
  g_free (group);
}

static Group *
find_group (GPtrArray *groups, guint32 number)
{
  Group *group;
  guint i;

  for (i = 0; i < groups->len; i++)
    {
      group = g_ptr_array_index (groups, i);
      if (group->group == number)
        return group;
      if (group->group > number)
        break;
    }
  group = group_new (number);
  g_ptr_array_insert (groups, (gint) i, group);
  return group;
}

static GPtrArray *
group_rows (const GArray *rows)
{
  GPtrArray *groups = g_ptr_array_new_with_free_func (group_free);
  Group *group = NULL;

  for (guint i = 0; i < rows->len; i++)
    {
      const LbSessionRow *row = &g_array_index (rows, LbSessionRow, i);

      if (group == NULL || group->group != row->group)
        group = find_group (groups, row->group);
      g_array_append_val (group->measured, row->measured);
      g_array_append_val (group->uncalibrated, row->uncalibrated);
      g_array_append_val (group->ideal, row->ideal);
    }
  return groups;
}

/* Figures of a group, calibrated or not. With a pass scale of 1 all are right
 * that do not need one. */
static void
compute_figures (const Group *group, gboolean calibrated, double pass_scale, LbFiguresOfMerit *figures)
{
  const GArray *measured = calibrated ? group->measured : group->uncalibrated;

  lb_figures_of_merit ((const double *) (gconstpointer) measured->data,
                       (const double *) (gconstpointer) group->ideal->data, group->ideal->len, pass_scale,
                       figures);
}

char *
lb_report_run_title (const LbSessionRun *run)
{
  const char *title = lb_quantities_get_text (run->settings, "title");

  return title != NULL && title[0] != '\0' ? g_strdup (title) : lb_report_name (run->kind);
}

static char *
marked_name (const LbSessionRun *run, const char *name)
{
  g_autofree char *words = lb_report_name (name);

  return lb_report_is_nominal (run->settings, name) ? g_strdup_printf (_ ("%s (nominal)"), words)
                                                    : g_steal_pointer (&words);
}

/* Names and values, two pairs a row. @skip: names that are shown elsewhere. */
static void
add_quantities (LbReportPage *page,
                const LbSessionRun *run,
                const LbQuantities *quantities,
                const char *const *skip)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT, LB_REPORT_CELL_TEXT, LB_REPORT_CELL_TEXT,
                                            LB_REPORT_CELL_TEXT };
  g_autoptr (LbReportTable) table = lb_report_table_new (4, kinds);
  guint pairs = 0;

  for (guint i = 0; i < lb_quantities_get_length (quantities); i++)
    {
      const LbQuantity *quantity = lb_quantities_get_nth (quantities, i);

      if (g_strv_contains (skip, quantity->name) || g_str_has_prefix (quantity->name, "group_"))
        continue;
      lb_report_table_add (table, marked_name (run, quantity->name));
      lb_report_table_add (table, lb_report_value (quantity));
      pairs++;
    }
  if (pairs % 2 == 1)
    {
      lb_report_table_add (table, NULL);
      lb_report_table_add (table, NULL);
    }
  if (pairs > 0)
    lb_report_page_table (page, table);
}

static void
add_settings (LbReportPage *page, const LbSessionRun *run)
{
  static const char *const skip[] = { "title", "nominal", "text", NULL };
  const char *text = lb_quantities_get_text (run->settings, "text");

  if (lb_quantities_get_length (run->settings) == 0)
    return;
  lb_report_page_text (page, LB_REPORT_STYLE_SUBHEADING, _ ("Settings"));
  add_quantities (page, run, run->settings, skip);
  if (text != NULL)
    {
      g_autofree char *line = g_strdup_printf (_ ("Text: %s"), text);

      lb_report_page_text (page, LB_REPORT_STYLE_TEXT, line);
    }
  if (lb_quantities_get_text (run->settings, "nominal") != NULL)
    lb_report_page_text (
        page, LB_REPORT_STYLE_SMALL,
        _ ("Nominal: from the setup file, or resting on values from there; not measured on this bench."));
}

static char *
slope_text (double slope, double low, double high)
{
  g_autofree char *value = NULL, *half = NULL;

  if (!isfinite (slope))
    return g_strdup ("\xe2\x80\x93");
  value = lb_plot_format_fixed (slope, 4);
  if (!isfinite (low) || !isfinite (high))
    return g_steal_pointer (&value);
  half = lb_plot_format_fixed (0.5 * (high - low), 4);
  return g_strdup_printf ("%s \xc2\xb1 %s", value, half);
}

static void
add_merit (LbReportTable *table, const char *name, char *after, char *before)
{
  lb_report_table_add (table, g_strdup (name));
  lb_report_table_add (table, after);
  lb_report_table_add (table, before);
}

/* The table of figures of merit: of the run as its results give them, and
 * before calibration as the stored rows give them, where there is one group. */
static void
add_merits (LbReportPage *page, const LbSessionRun *run, const GPtrArray *groups)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT, LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER };
  const char *const header[] = { _ ("figure of merit"), _ ("after calibration"), _ ("before calibration") };
  g_autoptr (LbReportTable) table = lb_report_table_new (3, kinds);
  const LbQuantities *results = run->results;
  LbFiguresOfMerit before = { .normalised_error = NAN,
                              .bias = NAN,
                              .slope = NAN,
                              .slope_low = NAN,
                              .slope_high = NAN,
                              .relative_error = NAN,
                              .correlation = NAN,
                              .effective_bits = NAN };
  double error = lb_quantities_get (results, "normalised_error", NAN);

  if (groups->len == 1 && error > 0)
    {
      LbFiguresOfMerit after, raw;

      /* The scale of the passes is not stored, but follows from the error. */
      compute_figures (g_ptr_array_index (groups, 0), TRUE, 1, &after);
      compute_figures (g_ptr_array_index (groups, 0), FALSE, after.rms_error / error, &raw);
      if (raw.count > 1 && after.rms_error > 0)
        before = raw;
    }
  before.normalised_error =
      lb_quantities_get (results, "normalised_error_uncalibrated", before.normalised_error);
  lb_report_table_set_header (table, header);
  add_merit (table, _ ("normalised error"), lb_report_percent (error),
             lb_report_percent (before.normalised_error));
  add_merit (table, _ ("rms(e) / std(ideal)"),
             lb_report_percent (lb_quantities_get (results, "relative_error", NAN)),
             lb_report_percent (before.relative_error));
  add_merit (table, _ ("bias"), lb_report_percent (lb_quantities_get (results, "bias", NAN)),
             lb_report_percent (before.bias));
  add_merit (table, _ ("slope, with its 95 % interval"),
             slope_text (lb_quantities_get (results, "slope", NAN),
                         lb_quantities_get (results, "slope_low", NAN),
                         lb_quantities_get (results, "slope_high", NAN)),
             slope_text (before.slope, before.slope_low, before.slope_high));
  add_merit (table, _ ("correlation"),
             lb_plot_format_fixed (lb_quantities_get (results, "correlation", NAN), 5),
             lb_plot_format_fixed (before.correlation, 5));
  add_merit (table, _ ("effective bits"),
             lb_plot_format_fixed (lb_quantities_get (results, "effective_bits", NAN), 2),
             lb_plot_format_fixed (before.effective_bits, 2));
  lb_report_page_table (page, table);
}

static char *
group_name (const LbQuantities *results, guint32 group)
{
  g_autofree char *key = g_strdup_printf ("group_%u", group);
  const char *name = lb_quantities_get_text (results, key);

  return name != NULL ? g_strdup (name) : g_strdup_printf (_ ("group %u"), group + 1);
}

static char *
group_error (const LbQuantities *results, guint32 group, const char *name)
{
  g_autofree char *key = g_strdup_printf ("group_%u_%s", group, name);

  return lb_report_percent (lb_quantities_get (results, key, NAN));
}

/* One line a group: what its rows tell; errors in terms of the passes only
 * where the results have them. */
static void
add_groups (LbReportPage *page, const LbSessionRun *run, const GPtrArray *groups)
{
  static const LbReportCellKind kinds[] = { LB_REPORT_CELL_TEXT,   LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER, LB_REPORT_CELL_NUMBER,
                                            LB_REPORT_CELL_NUMBER };
  const char *const header[] = { _ ("group"),
                                 _ ("dot products"),
                                 _ ("normalised error"),
                                 _ ("before calibration"),
                                 _ ("rms(e) / std(ideal)"),
                                 _ ("before calibration"),
                                 _ ("slope"),
                                 _ ("correlation"),
                                 _ ("effective bits") };
  g_autoptr (LbReportTable) table = lb_report_table_new (G_N_ELEMENTS (kinds), kinds);

  lb_report_table_set_header (table, header);
  for (guint i = 0; i < groups->len; i++)
    {
      const Group *group = g_ptr_array_index (groups, i);
      LbFiguresOfMerit after, before;

      compute_figures (group, TRUE, 1, &after);
      compute_figures (group, FALSE, 1, &before);
      lb_report_table_add (table, group_name (run->results, group->group));
      lb_report_table_add (table, lb_plot_format_fixed ((double) after.count, 0));
      lb_report_table_add (table, group_error (run->results, group->group, "normalised_error"));
      lb_report_table_add (table, group_error (run->results, group->group, "normalised_error_uncalibrated"));
      lb_report_table_add (table, lb_report_percent (after.count > 1 ? after.relative_error : (double) NAN));
      lb_report_table_add (table,
                           lb_report_percent (before.count > 1 ? before.relative_error : (double) NAN));
      lb_report_table_add (table, lb_plot_format_fixed (after.slope, 4));
      lb_report_table_add (table, lb_plot_format_fixed (after.correlation, 5));
      lb_report_table_add (table, lb_plot_format_fixed (after.effective_bits, 2));
    }
  lb_report_page_text (page, LB_REPORT_STYLE_SUBHEADING, _ ("Groups"));
  lb_report_page_table (page, table);
}

static void
add_results (LbReportPage *page, const LbSessionRun *run, const GPtrArray *groups)
{
  static const char *const skip[] = { "normalised_error",
                                      "normalised_error_uncalibrated",
                                      "relative_error",
                                      "bias",
                                      "slope",
                                      "slope_low",
                                      "slope_high",
                                      "correlation",
                                      "effective_bits",
                                      NULL };

  if (run->results == NULL || lb_quantities_get_length (run->results) == 0)
    return;
  lb_report_page_keep (page, 150);
  lb_report_page_text (page, LB_REPORT_STYLE_SUBHEADING, _ ("Results"));
  if (isfinite (lb_quantities_get (run->results, "normalised_error", NAN)))
    {
      add_merits (page, run, groups);
      if (groups->len > 1)
        lb_report_page_text (page, LB_REPORT_STYLE_SMALL,
                             _ ("Figures of merit are those of the worst signed group."));
    }
  if (groups->len > 1)
    add_groups (page, run, groups);
  lb_report_page_space (page, 4);
  add_quantities (page, run, run->results, skip);
}

static void
add_state (LbReportPage *page, const LbSessionRun *run)
{
  g_autofree char *started = lb_report_time (run->started_us);
  g_autofree char *state = lb_report_state (run->state);
  g_autofree char *rows = lb_plot_format_number ((double) run->rows, 6);
  g_autofree char *line =
      run->rows > 0 ? g_strdup_printf (_ ("Begun %s; %s; %s dot products stored."), started, state, rows)
                    : g_strdup_printf (_ ("Begun %s; %s."), started, state);

  lb_report_page_text (page, LB_REPORT_STYLE_TEXT, line);
  if (run->message != NULL && run->message[0] != '\0')
    lb_report_page_text (page, LB_REPORT_STYLE_TEXT, run->message);
}

static GPtrArray *
plain_figures (const GPtrArray *stored)
{
  GPtrArray *figures = g_ptr_array_new ();

  for (guint i = 0; i < stored->len; i++)
    g_ptr_array_add (figures, ((const LbSessionFigure *) g_ptr_array_index (stored, i))->figure);
  return figures;
}

/* The section of a run; FALSE where the session cannot be read. */
gboolean
lb_report_run (LbReportPage *page, LbSession *session, const LbSessionRun *run, guint number, GError **error)
{
  g_autofree char *title = lb_report_run_title (run);
  g_autofree char *heading = g_strdup_printf (_ ("Run %u: %s"), number, title);
  g_autoptr (GArray) rows = lb_session_get_rows (session, run->id, error);
  g_autoptr (GPtrArray) stored = NULL;
  g_autoptr (GPtrArray) figures = NULL;
  g_autoptr (GPtrArray) groups = NULL;

  if (rows == NULL)
    return FALSE;
  stored = lb_session_list_figures (session, run->id, 0, error);
  if (stored == NULL)
    return FALSE;
  groups = group_rows (rows);
  figures = plain_figures (stored);
  lb_report_page_text (page, LB_REPORT_STYLE_HEADING, heading);
  add_state (page, run);
  add_settings (page, run);
  add_results (page, run, groups);
  if (figures->len > 0)
    {
      lb_report_page_space (page, 6);
      lb_report_page_figures (page, figures);
    }
  return TRUE;
}
