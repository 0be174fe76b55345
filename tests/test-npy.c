/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-npy.h"

#include <glib/gstdio.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "lb-least-squares.h"
#include "lb-random.h"

static char *folder;

static char *
path_of (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* A file of version 1 or 2 with the given header and values. */
static GByteArray *
new_file (guint8 version, const char *header, gconstpointer values, gsize size)
{
  GByteArray *bytes = g_byte_array_new ();
  gsize length = strlen (header);
  const guint8 lengths[4] = { length & 255, length >> 8 & 255, length >> 16 & 255, length >> 24 };

  g_byte_array_append (bytes, (const guint8 *) "\x93NUMPY", 6);
  g_byte_array_append (bytes, (const guint8[]){ version, 0 }, 2);
  g_byte_array_append (bytes, lengths, version == 1 ? 2 : 4);
  g_byte_array_append (bytes, (const guint8 *) header, (guint) length);
  if (size > 0)
    g_byte_array_append (bytes, values, (guint) size);
  return bytes;
}

static LbNpy *
parse_header (guint8 version, const char *header, gconstpointer values, gsize size, GError **error)
{
  g_autoptr (GByteArray) file = new_file (version, header, values, size);

  return lb_npy_parse (file->data, file->len, "file.npy", error);
}

static void
check_values (const char *type, gconstpointer bytes, gsize size, const float *expected, gsize count)
{
  g_autofree char *header =
      g_strdup_printf ("{'descr': '%s', 'fortran_order': False, 'shape': (%u,), }", type, (guint) count);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbNpy) npy = parse_header (1, header, bytes, size, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (npy->axes, ==, 1);
  g_assert_cmpuint (npy->count, ==, count);
  for (gsize i = 0; i < count; i++)
    if (isnan (expected[i]))
      g_assert_true (isnan (npy->values[i]));
    else
      g_assert_cmpfloat (npy->values[i], ==, expected[i]);
}

static void
test_types_become_floats (void)
{
  check_values ("<f4", "\0\0\x80\x3f\0\0\x20\xc0", 8, (float[]){ 1, -2.5f }, 2);
  check_values (">f4", "\x3f\x80\0\0\xc0\x20\0\0", 8, (float[]){ 1, -2.5f }, 2);
  check_values ("<f8", "\0\0\0\0\0\0\x04\xc0", 8, (float[]){ -2.5f }, 1);
  check_values (">f8", "\xc0\x04\0\0\0\0\0\0", 8, (float[]){ -2.5f }, 1);
  check_values ("|i1", "\xff\x7f\x80", 3, (float[]){ -1, 127, -128 }, 3);
  check_values ("|u1", "\xff\x7f", 2, (float[]){ 255, 127 }, 2);
  check_values ("<i2", "\xfe\xff\0\x01", 4, (float[]){ -2, 256 }, 2);
  check_values (">i2", "\xff\xfe\x01\0", 4, (float[]){ -2, 256 }, 2);
  check_values ("<u2", "\xfe\xff", 2, (float[]){ 65534 }, 1);
  check_values ("<i4", "\xfd\xff\xff\xff", 4, (float[]){ -3 }, 1);
  check_values (">u4", "\xff\0\0\0", 4, (float[]){ 4278190080.0f }, 1);
  check_values ("<i8", "\xfc\xff\xff\xff\xff\xff\xff\xff", 8, (float[]){ -4 }, 1);
  check_values ("<u8", "\0\0\0\0\0\0\0\x80", 8, (float[]){ 0x1p63f }, 1);
}

static void
test_half_floats_are_read (void)
{
  /* 1, -2, 65504, 2^-24, 2^-14, 0, inf, -inf, NaN, 1/3 to 11 bits */
  const char bytes[] = "\x00\x3c\x00\xc0\xff\x7b\x01\x00\x00\x04\x00\x00\x00\x7c\x00\xfc\x00\x7e\x55\x35";
  const float expected[] = { 1, -2, 65504, 0x1p-24f, 0x1p-14f, 0, INFINITY, -INFINITY, NAN, 0x1.554p-2f };

  check_values ("<f2", bytes, sizeof bytes - 1, expected, G_N_ELEMENTS (expected));
}

static void
test_headers_of_any_layout_are_read (void)
{
  const float values[6] = { 1, 2, 3, 4, 5, 6 };
  const char *headers[] = {
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }                    \n",
    "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
    " {  'fortran_order' : False , 'descr' : '<f4' ,\n 'shape' : ( 2L , 3L , ) } ",
  };

  for (guint8 version = 1; version <= 3; version++)
    for (guint i = 0; i < G_N_ELEMENTS (headers); i++)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (LbNpy) npy = parse_header (version, headers[i], values, sizeof values, &error);
        g_autoptr (LbMatrix) matrix = NULL;

        g_assert_no_error (error);
        g_assert_cmpuint (npy->axes, ==, 2);
        matrix = lb_npy_to_matrix (npy, &error);
        g_assert_no_error (error);
        g_assert_cmpuint (matrix->rows, ==, 2);
        g_assert_cmpuint (matrix->columns, ==, 3);
        g_assert_cmpfloat (lb_matrix_get (matrix, 1, 0), ==, 4);
      }
}

static void
test_axes_from_none_to_four_are_read (void)
{
  const float values[6] = { 1, 2, 3, 4, 5, 6 };
  g_autoptr (LbNpy) scalar =
      parse_header (1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", values, 4, NULL);
  g_autoptr (LbNpy) four =
      parse_header (1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,2,1,3)}", values, 24, NULL);
  g_autoptr (LbNpy) empty =
      parse_header (1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,0)}", NULL, 0, NULL);
  g_autoptr (LbNpy) vector =
      parse_header (1, "{'descr': '<f4', 'fortran_order': True, 'shape': (6,)}", values, 24, NULL);
  g_autoptr (LbMatrix) row = lb_npy_to_matrix (vector, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (scalar->axes, ==, 0);
  g_assert_cmpuint (scalar->count, ==, 1);
  g_assert_cmpuint (four->shape[3], ==, 3);
  g_assert_cmpuint (four->count, ==, 6);
  g_assert_cmpuint (empty->count, ==, 0);
  g_assert_cmpuint (row->rows, ==, 1);
  g_assert_cmpuint (row->columns, ==, 6);
  g_assert_null (lb_npy_to_matrix (four, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_null (lb_npy_to_matrix (empty, &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
}

static void
check_refused (GByteArray *file, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_npy_parse (file->data, file->len, "file.npy", &error));
  g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
  g_assert_true (g_str_has_prefix (error->message, "file.npy: "));
  if (what != NULL && strstr (error->message, what) == NULL)
    g_error ("“%s” does not say “%s”", error->message, what);
}

static void
test_bad_headers_are_refused_with_the_cause (void)
{
  const struct
  {
    const char *header, *what;
  } cases[] = {
    { "", "header is damaged" },
    { "{", "header is damaged" },
    { "{}", "lacks" },
    { "{'descr': '<f4', 'fortran_order': False}", "lacks" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", "shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}", "shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", "shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': 6}", "shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}", "shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,6)}", "four axes" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296,4)}", "memory" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (0,4611686018427387904)}", "memory" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808,2)}", "memory" },
    { "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", "Fortran" },
    { "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2, 3)}", "fortran_order" },
    { "{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", "<c8" },
    { "{'descr': '|f4', 'fortran_order': False, 'shape': (6,)}", "|f4" },
    { "{'descr': '', 'fortran_order': False, 'shape': (6,)}", "type" },
    { "{'descr': '<f4, 'fortran_order': False, 'shape': (6,)}", NULL },
    { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", "records" },
    { "{'descr': '<f4' 'fortran_order': False, 'shape': (6,)}", "header is damaged" },
    { "{'descr': '<f4', 'other': 3, 'fortran_order': False, 'shape': (6,)}", "header is damaged" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}", "28 bytes" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}", "24" },
  };
  const float values[6] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GByteArray) file = new_file (1, cases[i].header, values, sizeof values);

      check_refused (file, cases[i].what);
    }
}

static void
test_foreign_and_cut_files_are_refused (void)
{
  const char *header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n";
  const float values[6] = { 0 };

  for (guint8 version = 1; version <= 2; version++)
    {
      g_autoptr (GByteArray) file = new_file (version, header, values, sizeof values);

      while (file->len > 0)
        {
          g_byte_array_set_size (file, file->len - 1);
          check_refused (file, NULL);
        }
      g_byte_array_append (file, (const guint8 *) "PK\3\4 no such file", 18);
      check_refused (file, "not a .npy file");
    }
}

static void
test_lengths_beyond_the_file_are_refused (void)
{
  g_autoptr (GByteArray) file =
      new_file (2, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", NULL, 0);

  memset (file->data + 8, 0xff, 4);
  check_refused (file, "cut short");
  file->data[6] = 1;
  check_refused (file, "cut short");
  file->data[6] = 4;
  check_refused (file, "version 4");
}

/* Each byte changed to each of some values, and bytes at random. */
static void
test_damage_does_no_harm (void)
{
  const char *header = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 3), }";
  const guint8 replacements[] = { 0, 1, 0xff, '0', '9', '(', ')', '}', ',', '\'', ' ' };
  const guint16 values[6] = { 0, 1, 2, 3, 4, 5 };
  g_autoptr (GByteArray) file = new_file (1, header, values, sizeof values);
  guint read = 0, refused = 0;

  for (gsize i = 0; i < 20000; i++)
    {
      g_autofree guint8 *bytes = g_memdup2 (file->data, file->len);
      g_autoptr (LbNpy) npy = NULL;
      g_autoptr (GError) error = NULL;

      if (i < file->len * G_N_ELEMENTS (replacements))
        bytes[i % file->len] = replacements[i / file->len];
      else
        for (guint j = 0; j < 3; j++)
          bytes[6 + lb_random_bits_at (lb_random_key (j), 0, i) % (file->len - 6)] =
              (guint8) lb_random_bits_at (lb_random_key (j), 1, i);

      npy = lb_npy_parse (bytes, file->len, "file.npy", &error);
      if (npy == NULL)
        g_assert_error (error, LB_NUMERICS_ERROR, LB_NUMERICS_ERROR_FORMAT);
      else
        for (gsize j = 0; j < npy->count; j++)
          g_assert_cmpfloat (fabsf (npy->values[j]), <=, 65535);
      read += npy != NULL;
      refused += npy == NULL;
    }
  g_assert_cmpuint (read, >, 100);
  g_assert_cmpuint (refused, >, 1000);
}

static void
test_written_files_are_as_numpy_writes_them (void)
{
  const char header[] = "\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
  const float values[4] = { 1, -2.5f, 3, 4 };
  g_autofree char *path = path_of ("written.npy");
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_true (lb_npy_write (path, values, 2, (gsize[]){ 2, 2 }, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_cmpuint (size, ==, 128 + sizeof values);
  g_assert_cmpmem (contents, sizeof header - 1, header, sizeof header - 1);
  g_assert_cmpint (contents[126], ==, ' ');
  g_assert_cmpint (contents[127], ==, '\n');
  g_assert_cmpmem (contents + 128, 8, "\0\0\x80\x3f\0\0\x20\xc0", 8);
}

static void
test_arrays_survive_writing (void)
{
  const gsize shape[4] = { 2, 1, 3, 2 };
  g_autofree char *path = path_of ("array.npy");
  float values[12];

  for (guint i = 0; i < 12; i++)
    values[i] = 0.1f * i - 0.5f;
  for (guint axes = 0; axes <= 4; axes++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LbNpy) npy = NULL;

      g_assert_true (lb_npy_write (path, values, axes, shape, &error));
      npy = lb_npy_read (path, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (npy->axes, ==, axes);
      g_assert_cmpmem (npy->shape, axes * sizeof (gsize), shape, axes * sizeof (gsize));
      g_assert_cmpmem (npy->values, npy->count * sizeof (float), values, npy->count * sizeof (float));
    }
}

static void
test_views_are_written_without_their_surroundings (void)
{
  g_autofree char *path = path_of ("view.npy");
  g_autoptr (LbMatrix) matrix = lb_matrix_new (5, 7);
  g_autoptr (LbMatrix) view = lb_matrix_new_view (matrix, 1, 2, 3, 4);
  g_autoptr (LbMatrix) read = NULL;
  g_autoptr (LbNpy) npy = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 35; i++)
    lb_matrix_row (matrix, i / 7)[i % 7] = i;
  g_assert_true (lb_npy_write_matrix (path, view, &error));
  npy = lb_npy_read (path, &error);
  g_assert_no_error (error);
  read = lb_npy_to_matrix (npy, &error);
  g_assert_cmpuint (read->rows, ==, 3);
  g_assert_cmpuint (read->columns, ==, 4);
  for (guint i = 0; i < 12; i++)
    g_assert_cmpfloat (lb_matrix_get (read, i / 4, i % 4), ==, lb_matrix_get (view, i / 4, i % 4));
}

static void
test_missing_files_and_folders_are_named (void)
{
  g_autofree char *missing = path_of ("missing.npy");
  g_autofree char *nowhere = path_of ("nowhere/out.npy");
  g_autoptr (GError) error = NULL;
  const float value = 1;

  g_assert_null (lb_npy_read (missing, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, "missing.npy"));
  g_clear_error (&error);
  g_assert_false (lb_npy_write (nowhere, &value, 0, NULL, &error));
  g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
  g_assert_nonnull (strstr (error->message, "nowhere"));
}

static void
remove_files (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = path_of (name);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char *argv[])
{
  int result;

  /* Shapes are written with digits alone in any language. */
  setlocale (LC_NUMERIC, "de_DE.UTF-8");
  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("test-npy-XXXXXX", NULL);
  g_assert_nonnull (folder);
  g_test_add_func ("/numerics/npy/types-become-floats", test_types_become_floats);
  g_test_add_func ("/numerics/npy/half-floats-are-read", test_half_floats_are_read);
  g_test_add_func ("/numerics/npy/headers-of-any-layout-are-read", test_headers_of_any_layout_are_read);
  g_test_add_func ("/numerics/npy/axes-from-none-to-four-are-read", test_axes_from_none_to_four_are_read);
  g_test_add_func ("/numerics/npy/bad-headers-are-refused-with-the-cause",
                   test_bad_headers_are_refused_with_the_cause);
  g_test_add_func ("/numerics/npy/foreign-and-cut-files-are-refused", test_foreign_and_cut_files_are_refused);
  g_test_add_func ("/numerics/npy/lengths-beyond-the-file-are-refused",
                   test_lengths_beyond_the_file_are_refused);
  g_test_add_func ("/numerics/npy/damage-does-no-harm", test_damage_does_no_harm);
  g_test_add_func ("/numerics/npy/written-files-are-as-numpy-writes-them",
                   test_written_files_are_as_numpy_writes_them);
  g_test_add_func ("/numerics/npy/arrays-survive-writing", test_arrays_survive_writing);
  g_test_add_func ("/numerics/npy/views-are-written-without-their-surroundings",
                   test_views_are_written_without_their_surroundings);
  g_test_add_func ("/numerics/npy/missing-files-and-folders-are-named",
                   test_missing_files_and_folders_are_named);
  result = g_test_run ();
  remove_files ();
  g_free (folder);
  return result;
}
