/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A word of a PDF file, in points from the upper left corner of its page. */
typedef struct
{
  guint page;
  double left, top, right, bottom;
  char *text;
} PdfWord;

static inline void
pdf_word_clear (gpointer data)
{
  g_free (((PdfWord *) data)->text);
}

static inline char *
pdf_run (const char *option, const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "pdftotext", option, path, "-", NULL);
  char *output = NULL;

  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (process, NULL, NULL, &output, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (process));
  return output;
}

/* The words of @path with their places, as pdftotext (poppler-utils) finds
 * them; asserts that none reaches beyond its page. */
static inline GArray *
pdf_read_words (const char *path, guint *pages)
{
  g_autofree char *output = pdf_run ("-bbox", path);
  g_auto (GStrv) lines = g_strsplit (output, "\n", -1);
  GArray *words = g_array_new (FALSE, TRUE, sizeof (PdfWord));
  double width = 0, height = 0;

  g_array_set_clear_func (words, pdf_word_clear);
  *pages = 0;
  for (guint i = 0; lines[i] != NULL; i++)
    {
      PdfWord word = { 0 };
      char *text;

      g_strstrip (lines[i]);
      if (sscanf (lines[i], "<page width=\"%lf\" height=\"%lf\">", &width, &height) == 2)
        (*pages)++;
      if (sscanf (lines[i], "<word xMin=\"%lf\" yMin=\"%lf\" xMax=\"%lf\" yMax=\"%lf\">", &word.left,
                  &word.top, &word.right, &word.bottom) != 4)
        continue;
      text = strchr (lines[i], '>') + 1;
      word.text = g_strndup (text, (gsize) (strstr (text, "</word>") - text));
      word.page = *pages;
      g_assert_cmpfloat (word.left, >=, 0);
      g_assert_cmpfloat (word.top, >=, -1);
      g_assert_cmpfloat (word.right, <=, width);
      g_assert_cmpfloat (word.bottom, <=, height + 1);
      g_array_append_val (words, word);
    }
  return words;
}

/* Asserts that no two words of a page lie over each other. The boxes are those
 * of the type, with room above and below the letters, which may touch. */
static inline void
pdf_assert_words_are_clear (const GArray *words)
{
  for (guint i = 0; i < words->len; i++)
    for (guint j = 0; j < i; j++)
      {
        const PdfWord *a = &g_array_index (words, PdfWord, i);
        const PdfWord *b = &g_array_index (words, PdfWord, j);
        double size =
            MIN (MIN (a->right - a->left, a->bottom - a->top), MIN (b->right - b->left, b->bottom - b->top));
        double across = MIN (a->right, b->right) - MAX (a->left, b->left);
        double along = MIN (a->bottom, b->bottom) - MAX (a->top, b->top);

        if (a->page == b->page && across > 0.3 * size && along > 0.3 * size)
          g_error ("on page %u \"%s\" at (%.1f, %.1f) lies over \"%s\" at (%.1f, %.1f)", a->page, a->text,
                   a->left, a->top, b->text, b->left, b->top);
      }
}
