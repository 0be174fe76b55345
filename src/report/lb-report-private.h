/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <cairo.h>
#include <lb-plot.h>
#include <pango/pangocairo.h>
#include "lb-report.h"

G_BEGIN_DECLS

/* Sizes of type in points. */
#define LB_REPORT_TITLE_SIZE 19
#define LB_REPORT_HEADING_SIZE 13
#define LB_REPORT_SUBHEADING_SIZE 10.5
#define LB_REPORT_TEXT_SIZE 8.8
#define LB_REPORT_SMALL_SIZE 7.4

typedef enum
{
  LB_REPORT_STYLE_TITLE,
  LB_REPORT_STYLE_HEADING,
  LB_REPORT_STYLE_SUBHEADING,
  LB_REPORT_STYLE_TEXT,
  LB_REPORT_STYLE_SMALL, /* grey */
} LbReportStyle;

/* Looks of a cell of a table. */
typedef enum
{
  LB_REPORT_CELL_TEXT,
  LB_REPORT_CELL_NUMBER, /* to the right */
  LB_REPORT_CELL_CODE,   /* fixed pitch */
} LbReportCellKind;

/* Where the report is being written: pages of A4 that fill from the top. */
typedef struct
{
  cairo_t *cairo;
  PangoContext *pango;
  const char *footer;
  guint page;  /* from 1 */
  guint pages; /* 0: not known yet; figures are left out then */
  double y;    /* where the next thing goes */
} LbReportPage;

/* A table: cells row by row; a cell may be NULL. Its texts belong to it. */
typedef struct
{
  guint columns;
  const LbReportCellKind *kinds;
  GPtrArray *header; /* of char *, or empty */
  GPtrArray *cells;  /* of char * */
} LbReportTable;

/* lb-report-page.c */
void lb_report_page_begin (LbReportPage *page, cairo_t *cairo, const char *footer, guint pages);
void lb_report_page_end (LbReportPage *page);
double lb_report_page_width (void);
void lb_report_page_space (LbReportPage *page, double height);
/* Makes sure that so much room is left on the page, else begins another. */
void lb_report_page_keep (LbReportPage *page, double height);
void lb_report_page_text (LbReportPage *page, LbReportStyle style, const char *text);
double lb_report_page_first_row (guint figures);
void lb_report_page_figures (LbReportPage *page, const GPtrArray *figures);

/* lb-report-table.c */
LbReportTable *lb_report_table_new (guint columns, const LbReportCellKind *kinds);
void lb_report_table_set_header (LbReportTable *table, const char *const *texts);
/* Takes @text; NULL is an empty cell. */
void lb_report_table_add (LbReportTable *table, char *text);
void lb_report_page_table (LbReportPage *page, const LbReportTable *table);
void lb_report_table_free (LbReportTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LbReportTable, lb_report_table_free)

/* lb-report-words.c: what names, numbers and times look like to people. */
char *lb_report_name (const char *name);
char *lb_report_value (const LbQuantity *quantity);
char *lb_report_percent (double ratio);
char *lb_report_number (double value, const char *unit);
char *lb_report_time (gint64 time_us);
char *lb_report_span (double seconds);
char *lb_report_state (LbRunState state);
char *lb_report_verdict (const char *verdict);
gboolean lb_report_is_nominal (const LbQuantities *settings, const char *name);

/* lb-report-page.c */
PangoLayout *lb_report_layout (const LbReportPage *page, LbReportStyle style, const char *text, double width);
void lb_report_set_ink (const LbReportPage *page, LbReportStyle style);

/* lb-report-run.c */
gboolean
lb_report_run (LbReportPage *page, LbSession *session, const LbSessionRun *run, guint number, GError **error);
char *lb_report_run_title (const LbSessionRun *run);

G_END_DECLS
