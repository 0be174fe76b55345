/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-json-scan.h"

#include <lb-least-squares.h>
#include <string.h>

static void
test_json_passes (void)
{
  const char *const texts[] = {
    "{}",
    "[]",
    "null",
    " true\n",
    "-0.5e+10",
    "\"\\u0041\\ud83d\\ude00\\n\\\"\"",
    "{\"a\": [1, 2, {\"a\": false}], \"b\": \"日本\"}",
    "{\"a\": 1, \"A\": 1, \"\": 1, \"\\\\\": 1, \"\\/\": 1}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GError) error = NULL;

      lb_json_scan (texts[i], strlen (texts[i]), 3, &error);
      g_assert_no_error (error);
    }
}

static void
check_refused (const char *text, gsize size, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_json_scan (text, size, 3, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  if (strstr (error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", error->message, what);
}

static void
test_anything_else_is_refused_with_its_place (void)
{
  const struct
  {
    const char *text, *what;
  } cases[] = {
    { "", "line 1, column 1 " },
    { "{\n \"ä\": 1,\n}", "line 3, column 1 " },
    { "{\"ä\" 1}", "line 1, column 6 " },
    { "{\"a\": 01}", "column 8 " },
    { "{\"a\": 1} x", "column 10 " },
    { "{\"a\": nan}", "column 7 " },
    { "{\"a\": 1 /* no */}", "column 9 " },
    { "{'a': 1}", "column 2 " },
    { "[[[[1]]]]", "column 4 " },
    { "\"\\ud800\"", "not valid" },
    { "\"\\ud800\\u0041\"", "not valid" },
    { "\"\\udc00\"", "not valid" },
    { "\"\\u0000\"", "not valid" },
    { "\"\t\"", "not valid" },
    { "\"a", "not valid" },
    { "[1, \"\xff\"]", "column 6 " },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_refused (cases[i].text, strlen (cases[i].text), cases[i].what);
  check_refused ("1\0", 2, "column 2 ");
}

static void
test_names_that_stand_twice_are_told (void)
{
  const struct
  {
    const char *text, *what;
  } cases[] = {
    { "{\"a\": 1, \"b\": 2, \"a\": 1}", "“a” stands twice in one object (line 1, column 18)" },
    { "{\"x\": {\"a\": 1,\n\"\\u0061\": 2}}", "“a” stands twice in one object (line 2, column 1)" },
    { "{\"\\ud83d\\ude00\": 1, \"😀\": 2}", "“😀” stands twice" },
    { "{\"a\\n\\/\": 1, \"a\\u000a/\": 2}", "stands twice" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    check_refused (cases[i].text, strlen (cases[i].text), cases[i].what);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/numerics/json-scan/json-passes", test_json_passes);
  g_test_add_func ("/numerics/json-scan/anything-else-is-refused-with-its-place",
                   test_anything_else_is_refused_with_its_place);
  g_test_add_func ("/numerics/json-scan/names-that-stand-twice-are-told",
                   test_names_that_stand_twice_are_told);
  return g_test_run ();
}
