/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <glib/gi18n-lib.h>
#include "lb-report-private.h"

/* A4 in points, and its margins. */
#define PAGE_WIDTH 595.28
#define PAGE_HEIGHT 841.89
#define MARGIN 48
#define BOTTOM (PAGE_HEIGHT - 58)

#define FIGURE_GAP 9

double
lb_report_page_width (void)
{
  return PAGE_WIDTH - 2 * MARGIN;
}

void
lb_report_set_ink (const LbReportPage *page, LbReportStyle style)
{
  double grey = style == LB_REPORT_STYLE_SMALL ? 0.35 : 0.05;

  cairo_set_source_rgb (page->cairo, grey, grey, grey);
}

/* A paragraph, wrapped to @width. */
PangoLayout *
lb_report_layout (const LbReportPage *page, LbReportStyle style, const char *text, double width)
{
  static const double sizes[] = { LB_REPORT_TITLE_SIZE, LB_REPORT_HEADING_SIZE, LB_REPORT_SUBHEADING_SIZE,
                                  LB_REPORT_TEXT_SIZE, LB_REPORT_SMALL_SIZE };
  PangoLayout *layout = pango_layout_new (page->pango);
  PangoFontDescription *font = pango_font_description_from_string ("Cantarell, Noto Sans, DejaVu Sans, Sans");
  g_autofree char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);

  pango_font_description_set_absolute_size (font, sizes[style] * PANGO_SCALE);
  if (style <= LB_REPORT_STYLE_SUBHEADING)
    pango_font_description_set_weight (font, PANGO_WEIGHT_BOLD);
  pango_layout_set_font_description (layout, font);
  pango_font_description_free (font);
  pango_layout_set_width (layout, (int) (width * PANGO_SCALE));
  pango_layout_set_wrap (layout, PANGO_WRAP_WORD_CHAR);
  pango_layout_set_line_spacing (layout, 1.15f);
  pango_layout_set_text (layout, valid, -1);
  return layout;
}

static void
draw_footer (LbReportPage *page)
{
  g_autofree char *number = page->pages > 0 ? g_strdup_printf (_ ("page %u of %u"), page->page, page->pages)
                                            : g_strdup_printf (_ ("page %u"), page->page);
  g_autoptr (PangoLayout) right = lb_report_layout (page, LB_REPORT_STYLE_SMALL, number, 120);
  g_autoptr (PangoLayout) left =
      lb_report_layout (page, LB_REPORT_STYLE_SMALL, page->footer, lb_report_page_width () - 130);
  double y = PAGE_HEIGHT - 40;

  cairo_set_source_rgb (page->cairo, 0.75, 0.75, 0.75);
  cairo_set_line_width (page->cairo, 0.5);
  cairo_move_to (page->cairo, MARGIN, y - 5);
  cairo_line_to (page->cairo, PAGE_WIDTH - MARGIN, y - 5);
  cairo_stroke (page->cairo);
  lb_report_set_ink (page, LB_REPORT_STYLE_SMALL);
  pango_layout_set_ellipsize (left, PANGO_ELLIPSIZE_END);
  cairo_move_to (page->cairo, MARGIN, y);
  pango_cairo_show_layout (page->cairo, left);
  pango_layout_set_alignment (right, PANGO_ALIGN_RIGHT);
  cairo_move_to (page->cairo, PAGE_WIDTH - MARGIN - 120, y);
  pango_cairo_show_layout (page->cairo, right);
}

static void
next_page (LbReportPage *page)
{
  draw_footer (page);
  cairo_show_page (page->cairo);
  page->page++;
  page->y = MARGIN;
}

/* @pages: how many there will be, or 0 for a first pass that counts them. */
void
lb_report_page_begin (LbReportPage *page, cairo_t *cairo, const char *footer, guint pages)
{
  cairo_font_options_t *options = cairo_font_options_create ();

  *page = (LbReportPage){ .cairo = cairo, .footer = footer, .page = 1, .pages = pages, .y = MARGIN };
  page->pango = pango_cairo_create_context (cairo);
  cairo_font_options_set_hint_metrics (options, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_hint_style (options, CAIRO_HINT_STYLE_NONE);
  pango_cairo_context_set_font_options (page->pango, options);
  pango_context_set_round_glyph_positions (page->pango, FALSE);
  cairo_font_options_destroy (options);
}

void
lb_report_page_end (LbReportPage *page)
{
  draw_footer (page);
  cairo_show_page (page->cairo);
  g_clear_object (&page->pango);
}

void
lb_report_page_space (LbReportPage *page, double height)
{
  if (page->y > MARGIN)
    page->y += height;
}

void
lb_report_page_keep (LbReportPage *page, double height)
{
  if (page->y > MARGIN && page->y + height > BOTTOM)
    next_page (page);
}

/* Wrapped to the page, line by line over as many pages as it takes. */
void
lb_report_page_text (LbReportPage *page, LbReportStyle style, const char *text)
{
  g_autoptr (PangoLayout) layout = lb_report_layout (page, style, text, lb_report_page_width ());
  PangoLayoutIter *lines = pango_layout_get_iter (layout);

  /* A heading stays with what it heads. */
  if (style <= LB_REPORT_STYLE_SUBHEADING)
    {
      lb_report_page_space (page, style == LB_REPORT_STYLE_SUBHEADING ? 7 : 14);
      lb_report_page_keep (page, style == LB_REPORT_STYLE_SUBHEADING ? 60 : 90);
    }
  do
    {
      PangoLayoutLine *line = pango_layout_iter_get_line_readonly (lines);
      int top, bottom;

      pango_layout_iter_get_line_yrange (lines, &top, &bottom);
      lb_report_page_keep (page, (double) (bottom - top) / PANGO_SCALE);
      lb_report_set_ink (page, style);
      cairo_move_to (page->cairo, MARGIN,
                     page->y + (double) (pango_layout_iter_get_baseline (lines) - top) / PANGO_SCALE);
      pango_cairo_show_layout_line (page->cairo, line);
      page->y += (double) (bottom - top) / PANGO_SCALE;
    }
  while (pango_layout_iter_next_line (lines));
  pango_layout_iter_free (lines);
  page->y += style <= LB_REPORT_STYLE_SUBHEADING ? 3 : 2;
}

/* How many of @left figures go into one row. */
static guint
figures_in_row (guint left)
{
  if (left <= 3)
    return left;
  return left % 3 == 0 ? 3 : 2;
}

static double
figure_width (guint in_row)
{
  /* A single one is as wide as one of two. */
  double columns = MAX (in_row, 2);

  return (lb_report_page_width () - FIGURE_GAP * (columns - 1)) / columns;
}

static double
figure_height (guint in_row)
{
  return figure_width (in_row) * (in_row == 3 ? 0.84 : 0.72);
}

/* Height of the first row of so many figures: what goes before it stays with it. */
double
lb_report_page_first_row (guint figures)
{
  return figures > 0 ? figure_height (figures_in_row (figures)) : 0;
}

/* Side by side, two or three in a row; drawn larger and reduced where they are
 * narrow, so that their type stays in proportion. */
void
lb_report_page_figures (LbReportPage *page, const GPtrArray *figures)
{
  for (guint i = 0; i < figures->len;)
    {
      guint count = figures_in_row (figures->len - i);
      double width = figure_width (count);
      double height = figure_height (count);
      double scale = count == 3 ? 0.76 : 0.94;

      lb_report_page_keep (page, height);
      for (guint j = 0; j < count && page->pages > 0; j++)
        {
          cairo_save (page->cairo);
          cairo_translate (page->cairo, MARGIN + j * (width + FIGURE_GAP), page->y);
          cairo_scale (page->cairo, scale, scale);
          lb_plot_draw (g_ptr_array_index (figures, i + j), page->cairo, width / scale, height / scale,
                        LB_PLOT_THEME_PRINT, NULL, NULL);
          cairo_restore (page->cairo);
        }
      page->y += height + FIGURE_GAP;
      i += count;
    }
}
