/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-lookup-table.h"

#include <glib/gstdio.h>
#include <lb-least-squares.h>
#include <lb-random.h>
#include <string.h>

#include "german-locale.h"

static void
check_table (const char *text, const float *expected, guint levels)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLookupTable) table = lb_lookup_table_parse (text, strlen (text), "slm.tsv", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (table->levels, ==, levels);
  for (guint i = 0; i < levels; i++)
    g_assert_cmpfloat (table->transmission[i], ==, expected[i]);
}

static void
test_second_column_is_the_transmission (void)
{
  check_table ("0\t0.02004\n1\t0.5\n2\t1\n", (float[]){ 0.02004f, 0.5f, 1 }, 3);
  check_table ("12.5\t0\n-3e2\t1e-3\t0.7\tremark\n", (float[]){ 0, 1e-3f }, 2);
  check_table ("0\t1\n1\t0.25", (float[]){ 1, 0.25f }, 2);
}

static void
test_spaces_comments_and_foreign_line_ends_are_allowed (void)
{
  const float expected[] = { 0.125f, 0.75f };

  check_table ("0\t0.125\r\n1\t0.75\r\n", expected, 2);
  check_table ("0\t0.125\r1\t0.75\r", expected, 2);
  check_table ("\n# level\ttransmission\n\n  0 \t 0.125 \n1\t0.75\t\n \t \n\n", expected, 2);
  check_table ("\xef\xbb\xbf"
               "0\t0.125\n1\t0.75\n",
               expected, 2);
}

static void
check_refused (const char *text, gsize size, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_lookup_table_parse (text, size, "slm.tsv", &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_assert_true (g_str_has_prefix (error->message, "slm.tsv"));
  if (strstr (error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", error->message, what);
}

static void
test_bad_tables_are_refused_with_line_and_cause (void)
{
  const struct
  {
    const char *text, *what;
  } cases[] = {
    { "", "empty" },
    { "\n# nothing\n", "there are 0" },
    { "0\t1\n", "there are 1" },
    { "level\ttransmission\n0\t0\n1\t1\n", "line 1: “level” is not a number" },
    { "0\t0\n1 0.5\n", "line 2: there is no second column" },
    { "0\t0\n1\t\n", "line 2: “” is not a number" },
    { "0\t0\n\t0.5\n", "line 2: “” is not a number" },
    { "0\t0\n\n1\t0,5\n", "line 3: “0,5” is not a number" },
    { "0\t0\n1\t0.5x\n", "line 2: “0.5x”" },
    { "0\t0\n1\t0x1p-2\n", "line 2: “0x1p-2”" },
    { "0\t0\n1\tnan\n", "line 2: the transmission nan is outside" },
    { "0\t0\n1\tinf\n", "line 2: the transmission inf is outside" },
    { "0\t0\n1\t-0.01\n", "line 2: the transmission -0.01 is outside" },
    { "0\t0\r\n1\t1.001\r\n", "line 2: the transmission 1.001 is outside" },
    { "0\t0\n1\t255\n", "divide the column" },
    { "0\t0\n1\t0.5 0.6\n", "line 2: “0.5 0.6” is not a number" },
    { "0\t0\n1\t\xff\xfe\n", "line 2" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_refused (cases[i].text, strlen (cases[i].text), cases[i].what);
  check_refused ("0\t0\n1\t0\0.5\n", 12, "line 2");
}

/* A table of so many levels, a straight line. */
static GString *
new_ramp (guint levels)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < levels; i++)
    {
      char buffer[G_ASCII_DTOSTR_BUF_SIZE];

      g_string_append_printf (text, "%u\t%s\n", i,
                              g_ascii_dtostr (buffer, sizeof buffer, (double) i / (levels - 1)));
    }
  return text;
}

static void
test_tables_hold_up_to_65536_levels (void)
{
  g_autoptr (GString) largest = new_ramp (LB_LOOKUP_TABLE_MAX_LEVELS);
  g_autoptr (GString) beyond = new_ramp (LB_LOOKUP_TABLE_MAX_LEVELS + 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbLookupTable) table = lb_lookup_table_parse (largest->str, largest->len, "slm.tsv", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (table->levels, ==, LB_LOOKUP_TABLE_MAX_LEVELS);
  for (guint i = 0; i < table->levels; i++)
    g_assert_cmpfloat (table->transmission[i], ==, (float) (i / 65535.0));
  check_refused (beyond->str, beyond->len, "line 65537: there are more than 65536 rows");
}

/* Each byte changed to each of some values: a table with values in range, or an
 * error. */
static void
test_damage_does_no_harm (void)
{
  const char replacements[] = { '\0', '\t', '\n', '\r', ' ', '-', '9', '.', 'e', '#', '\xff' };
  g_autoptr (GString) text = new_ramp (40);
  guint read = 0, refused = 0;

  for (gsize i = 0; i < text->len * G_N_ELEMENTS (replacements); i++)
    {
      g_autofree char *damaged = g_memdup2 (text->str, text->len);
      g_autoptr (LbLookupTable) table = NULL;
      g_autoptr (GError) error = NULL;

      damaged[i % text->len] = replacements[i / text->len];
      table = lb_lookup_table_parse (damaged, text->len, "slm.tsv", &error);
      if (table == NULL)
        g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
      else
        for (guint j = 0; j < table->levels; j++)
          g_assert_true (table->transmission[j] >= 0 && table->transmission[j] <= 1);
      read += table != NULL;
      refused += table == NULL;
    }
  g_assert_cmpuint (read, >, 100);
  g_assert_cmpuint (refused, >, 100);
}

static void
test_files_are_read_and_named (void)
{
  g_autofree char *folder = g_dir_make_tmp ("test-lookup-table-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "slm.tsv", NULL);
  g_autoptr (LbLookupTable) table = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_lookup_table_new_from_file (path, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, "slm.tsv"));
  g_clear_error (&error);
  g_assert_null (lb_lookup_table_new_from_file (folder, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "0\t0\n1\t2\n", -1, NULL));
  g_assert_null (lb_lookup_table_new_from_file (path, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "slm.tsv, line 2"));
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_null (lb_lookup_table_new_from_file (path, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "0\t0.5\n1\t1\n", -1, NULL));
  table = lb_lookup_table_new_from_file (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (table->levels, ==, 2);
  g_assert_cmpfloat (table->transmission[0], ==, 0.5f);
  g_assert_cmpint (g_unlink (path), ==, 0);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char *argv[])
{
  use_german_locale ();
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine/lookup-table/second-column-is-the-transmission",
                   test_second_column_is_the_transmission);
  g_test_add_func ("/engine/lookup-table/spaces-comments-and-foreign-line-ends-are-allowed",
                   test_spaces_comments_and_foreign_line_ends_are_allowed);
  g_test_add_func ("/engine/lookup-table/bad-tables-are-refused-with-line-and-cause",
                   test_bad_tables_are_refused_with_line_and_cause);
  g_test_add_func ("/engine/lookup-table/tables-hold-up-to-65536-levels",
                   test_tables_hold_up_to_65536_levels);
  g_test_add_func ("/engine/lookup-table/damage-does-no-harm", test_damage_does_no_harm);
  g_test_add_func ("/engine/lookup-table/files-are-read-and-named", test_files_are_read_and_named);
  return g_test_run ();
}
