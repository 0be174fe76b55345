/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "lb-report-private.h"

#define MARGIN 48
#define CELL_GAP 10
#define ROW_GAP 2.6

/* A column is never narrower than this, however long the others are. */
#define LEAST_WIDTH 34

/* Titles of columns wrap rather than make a column wider than this. */
#define HEADER_WIDTH 50

/* A table that is not higher than this is kept on one page. */
#define WHOLE_HEIGHT 200

LbReportTable *
lb_report_table_new (guint columns, const LbReportCellKind *kinds)
{
  LbReportTable *table = g_new0 (LbReportTable, 1);

  table->columns = columns;
  table->kinds = kinds;
  table->header = g_ptr_array_new_with_free_func (g_free);
  table->cells = g_ptr_array_new_with_free_func (g_free);
  return table;
}

void
lb_report_table_set_header (LbReportTable *table, const char *const *texts)
{
  for (guint i = 0; i < table->columns; i++)
    g_ptr_array_add (table->header, g_strdup (texts[i]));
}

void
lb_report_table_add (LbReportTable *table, char *text)
{
  g_ptr_array_add (table->cells, text);
}

void
lb_report_table_free (LbReportTable *table)
{
  g_ptr_array_unref (table->header);
  g_ptr_array_unref (table->cells);
  g_free (table);
}

static PangoLayout *
cell_layout (const LbReportPage *page,
             const LbReportTable *table,
             guint column,
             const char *text,
             gboolean header,
             double width)
{
  PangoLayout *layout =
      lb_report_layout (page, header ? LB_REPORT_STYLE_SMALL : LB_REPORT_STYLE_TEXT, text, width);

  if (width < 0)
    pango_layout_set_width (layout, -1);
  if (table->kinds[column] == LB_REPORT_CELL_NUMBER)
    pango_layout_set_alignment (layout, PANGO_ALIGN_RIGHT);
  if (table->kinds[column] == LB_REPORT_CELL_CODE && !header)
    {
      PangoFontDescription *font = pango_font_description_from_string ("DejaVu Sans Mono, Monospace");

      pango_font_description_set_absolute_size (font, LB_REPORT_SMALL_SIZE * PANGO_SCALE);
      pango_layout_set_font_description (layout, font);
      pango_font_description_free (font);
    }
  return layout;
}

static double
natural_width (const LbReportPage *page, const LbReportTable *table, guint column)
{
  double widest = 0;

  for (guint i = 0; i < table->cells->len + table->header->len; i++)
    {
      gboolean header = i < table->header->len;
      const char *text = header ? g_ptr_array_index (table->header, i)
                                : g_ptr_array_index (table->cells, i - table->header->len);
      g_autoptr (PangoLayout) layout = NULL;
      PangoRectangle extents;
      int width;

      if ((header ? i : (i - table->header->len) % table->columns) != column || text == NULL)
        continue;
      layout = cell_layout (page, table, column, text, header, header ? HEADER_WIDTH : -1);
      /* Of the text itself, not of what it was given. */
      pango_layout_set_alignment (layout, PANGO_ALIGN_LEFT);
      pango_layout_get_extents (layout, NULL, &extents);
      width = extents.x + extents.width;
      /* Rounded up, else the last letter wraps. */
      widest = MAX (widest, (double) width / PANGO_SCALE + 0.5);
    }
  return MAX (widest, 1);
}

/* As wide as the texts where there is room; where not, the widest columns give
 * way to the level at which all fit, and wrap. */
static void
share_width (double *widths, guint columns, double available)
{
  double level = available;

  for (guint round = 0; round < 60; round++)
    {
      double sum = 0;

      for (guint i = 0; i < columns; i++)
        sum += MIN (widths[i], MAX (level, LEAST_WIDTH));
      if (sum <= available)
        break;
      level *= 0.94;
    }
  for (guint i = 0; i < columns; i++)
    widths[i] = MIN (widths[i], MAX (level, LEAST_WIDTH));
}

static double
row_height (const LbReportPage *page,
            const LbReportTable *table,
            GPtrArray *texts,
            guint first,
            gboolean header,
            const double *widths)
{
  double highest = 0;

  for (guint column = 0; column < table->columns && first + column < texts->len; column++)
    {
      const char *text = g_ptr_array_index (texts, first + column);
      g_autoptr (PangoLayout) layout = cell_layout (page, table, column, text, header, widths[column]);
      int height;

      pango_layout_get_size (layout, NULL, &height);
      highest = MAX (highest, (double) height / PANGO_SCALE);
    }
  return highest + 2 * ROW_GAP;
}

static void
draw_line (LbReportPage *page, double width, double grey)
{
  cairo_set_source_rgb (page->cairo, grey, grey, grey);
  cairo_set_line_width (page->cairo, 0.5);
  cairo_move_to (page->cairo, MARGIN, page->y);
  cairo_line_to (page->cairo, MARGIN + width, page->y);
  cairo_stroke (page->cairo);
}

static void
draw_row (LbReportPage *page,
          const LbReportTable *table,
          GPtrArray *texts,
          guint first,
          gboolean header,
          const double *widths)
{
  double height = row_height (page, table, texts, first, header, widths);
  double x = MARGIN;

  for (guint column = 0; column < table->columns && first + column < texts->len; column++)
    {
      const char *text = g_ptr_array_index (texts, first + column);
      g_autoptr (PangoLayout) layout = cell_layout (page, table, column, text, header, widths[column]);

      lb_report_set_ink (page, header ? LB_REPORT_STYLE_SMALL : LB_REPORT_STYLE_TEXT);
      cairo_move_to (page->cairo, x, page->y + ROW_GAP);
      pango_cairo_show_layout (page->cairo, layout);
      x += widths[column] + CELL_GAP;
    }
  page->y += height;
  draw_line (page, x - MARGIN - CELL_GAP, header ? 0.45 : 0.86);
}

static double
table_height (const LbReportPage *page, const LbReportTable *table, const double *widths)
{
  double height = 0;

  for (guint first = 0; first < table->header->len; first += table->columns)
    height += row_height (page, table, table->header, first, TRUE, widths);
  for (guint first = 0; first < table->cells->len && height <= WHOLE_HEIGHT; first += table->columns)
    height += row_height (page, table, table->cells, first, FALSE, widths);
  return height;
}

/* Draws a table; its header comes again on each page. */
void
lb_report_page_table (LbReportPage *page, const LbReportTable *table)
{
  double widths[16];

  g_return_if_fail (table->columns <= G_N_ELEMENTS (widths));

  for (guint column = 0; column < table->columns; column++)
    widths[column] = natural_width (page, table, column);
  share_width (widths, table->columns, lb_report_page_width () - CELL_GAP * (table->columns - 1.0));
  if (table_height (page, table, widths) <= WHOLE_HEIGHT)
    lb_report_page_keep (page, table_height (page, table, widths));
  if (table->header->len > 0)
    {
      lb_report_page_keep (page, 50);
      draw_row (page, table, table->header, 0, TRUE, widths);
    }
  for (guint first = 0; first < table->cells->len; first += table->columns)
    {
      guint before = page->page;

      lb_report_page_keep (page, row_height (page, table, table->cells, first, FALSE, widths));
      if (page->page != before && table->header->len > 0)
        draw_row (page, table, table->header, 0, TRUE, widths);
      draw_row (page, table, table->cells, first, FALSE, widths);
    }
  page->y += 4;
}
