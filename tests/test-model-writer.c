/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <lb-model-private.h>
#include <lb-model-writer.h>
#include <lb-safetensors-writer.h>
#include <lb-tokenizer.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "german-locale.h"
#include "model-fixture.h"

static const float some_ranges[] = { -1, 1.5f, -2, 0.25f, 0, 3 };

static LbModel *
open_good (const char *directory)
{
  g_autoptr (GError) error = NULL;
  LbModel *model = lb_model_open (directory, &error);

  g_assert_no_error (error);
  return model;
}

static Fixture *
new_optical (const char *dtype)
{
  Fixture *fixture = fixture_new ();

  fixture_add_optical (fixture, dtype);
  fixture_write_vocabulary (fixture);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  return fixture;
}

/* A folder beside the fixture's, which does not exist. */
static char *
beside (Fixture *fixture)
{
  return g_strconcat (fixture->directory, "-saved", NULL);
}

static guint
count_files (const char *directory)
{
  g_autoptr (GDir) folder = g_dir_open (directory, 0, NULL);
  guint count = 0;

  g_assert_nonnull (folder);
  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

static void
remove_folder (const char *directory)
{
  g_autoptr (GDir) folder = g_dir_open (directory, 0, NULL);
  const char *name;

  g_assert_nonnull (folder);
  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      g_assert_cmpint (g_unlink (path), ==, 0);
    }
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

static char *
read_file (const char *directory, const char *name, gsize *length)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;
  char *contents;

  g_file_get_contents (path, &contents, length, &error);
  g_assert_no_error (error);
  return contents;
}

static void
write_good (LbModelWriter *writer, const char *directory)
{
  g_autoptr (GError) error = NULL;

  lb_model_writer_write (writer, directory, &error);
  g_assert_no_error (error);
}

/* Every tensor of @model is in @copy with the same bytes. */
static void
assert_has_tensors (LbModel *copy, LbModel *model)
{
  g_autoptr (GPtrArray) tensors = lb_safetensors_list (lb_model_get_tensors (model));

  g_assert_cmpuint (tensors->len, >, 0);
  for (guint i = 0; i < tensors->len; i++)
    {
      const LbTensor *one = tensors->pdata[i];
      const LbTensor *two = lb_safetensors_lookup (lb_model_get_tensors (copy), one->name);

      g_assert_nonnull (two);
      g_assert_cmpstr (two->dtype, ==, one->dtype);
      g_assert_cmpmem (two->shape, two->axes * sizeof (gsize), one->shape, one->axes * sizeof (gsize));
      g_assert_cmpmem (two->bytes, two->size, one->bytes, one->size);
    }
}

static void
assert_same_file (const char *one, const char *two, const char *name)
{
  gsize length_one, length_two;
  g_autofree char *contents_one = read_file (one, name, &length_one);
  g_autofree char *contents_two = read_file (two, name, &length_two);

  g_assert_cmpmem (contents_one, length_one, contents_two, length_two);
}

static void
assert_ranges (LbModel *model, guint layer, LbTransformerOp op, const float *expected)
{
  const float *ranges = lb_model_get_ranges (model, layer, op);

  g_assert_nonnull (ranges);
  g_assert_cmpmem (ranges, 6 * sizeof (float), expected, 6 * sizeof (float));
}

static void
test_added_to_a_copy (void)
{
  static const char *const dtypes[] = { "F32", "F16", "BF16" };
  float means[4 * FIXTURE_HEADS];

  for (guint i = 0; i < G_N_ELEMENTS (means); i++)
    means[i] = i / 7.0f;
  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      g_autoptr (Fixture) fixture = new_optical (dtypes[i]);
      g_autofree char *target = beside (fixture);
      g_autoptr (LbModel) model = open_good (fixture->directory);
      g_autoptr (LbModelWriter) writer = lb_model_writer_new_from_model (model);
      g_autoptr (LbModel) saved = NULL;

      for (guint layer = 0; layer < FIXTURE_LAYERS; layer++)
        for (guint op = 0; op < LB_N_OPS; op++)
          lb_model_writer_set_ranges (writer, layer, (LbTransformerOp) op, some_ranges);
      lb_model_writer_set_sigma_means (writer, 1, LB_OP_AV, means);
      lb_model_writer_set_sigma_means (writer, 0, LB_OP_W2, means);
      write_good (writer, target);

      saved = open_good (target);
      assert_has_tensors (saved, model);
      g_assert_true (lb_model_get_config (saved)->quantised);
      assert_ranges (saved, 1, LB_OP_QK, some_ranges);
      g_assert_cmpmem (lb_model_get_sigma_means (saved, 1, LB_OP_AV), sizeof means, means, sizeof means);
      g_assert_cmpmem (lb_model_get_sigma_means (saved, 0, LB_OP_W2), 16, means, 16);
      g_assert_null (lb_model_get_sigma_means (saved, 0, LB_OP_AV));
      assert_same_file (target, fixture->directory, "config.json");
      assert_same_file (target, fixture->directory, "vocab.json");
      assert_same_file (target, fixture->directory, "merges.txt");
      g_assert_cmpuint (count_files (target), ==, 4);
      remove_folder (target);
    }
}

static void
test_replaced_in_place (void)
{
  static const float other[] = { 0, 1, -3, 3, -4, 4 };
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (LbModel) model = NULL;
  g_autoptr (LbModel) saved = NULL;
  g_autoptr (LbModelWriter) writer = NULL;
  guint count;

  fixture_add_gpt2 (fixture, "transformer.");
  fixture_add_range (fixture, "transformer.h.1.attn.wq.range", (double[]){ -1, 1, -2, 0.25, 0, 3 });
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  model = open_good (fixture->directory);
  count = lb_safetensors_get_count (lb_model_get_tensors (model));
  writer = lb_model_writer_new_from_model (model);
  lb_model_writer_set_ranges (writer, 1, LB_OP_WQ, other);
  write_good (writer, fixture->directory);
  saved = open_good (fixture->directory);
  assert_ranges (saved, 1, LB_OP_WQ, other);
  /* The old one is not there under the checkpoint's name either. */
  g_assert_cmpuint (lb_safetensors_get_count (lb_model_get_tensors (saved)), ==, count);
  g_assert_cmpuint (count_files (fixture->directory), ==, 2);
  /* What was open goes on with what it has. */
  g_assert_cmpfloat ((double) lb_model_get_ranges (model, 1, LB_OP_WQ)[5], ==, 3);
  for (guint op = 0; op < LB_N_OPS; op++)
    if (op != LB_OP_QK && op != LB_OP_AV)
      {
        const LbMatrix *one = lb_model_get_weight (model, 0, (LbTransformerOp) op);
        const LbMatrix *two = lb_model_get_weight (saved, 0, (LbTransformerOp) op);

        for (gsize i = 0; i < one->rows; i++)
          g_assert_cmpmem (lb_matrix_row (one, i), one->columns * sizeof (float), lb_matrix_row (two, i),
                           two->columns * sizeof (float));
      }
}

static void
test_shards_become_one_file (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autofree char *target = beside (fixture);
  g_autoptr (LbModel) model = NULL;
  g_autoptr (LbModel) saved = NULL;
  g_autoptr (LbModelWriter) writer = NULL;

  fixture_add_optical (fixture, "F32");
  fixture_write_tensors (fixture, "a.safetensors", 0, 10);
  fixture_write_tensors (fixture, "b.safetensors", 10, (int) fixture->tensors->len - 10);
  fixture_write_file (
      fixture, "model.safetensors.index.json",
      "{\"weight_map\": {\"wte.weight\": \"a.safetensors\", \"head.bias\": \"b.safetensors\"}}", -1);
  model = open_good (fixture->directory);
  writer = lb_model_writer_new_from_model (model);
  write_good (writer, target);
  saved = open_good (target);
  assert_has_tensors (saved, model);
  g_assert_cmpuint (count_files (target), ==, 2);
  remove_folder (target);
}

/* As training does it: everything from memory, from views with a stride too. */
static LbModelWriter *
new_writer_of_fixture (Fixture *fixture, const LbModelConfig *config)
{
  LbModelWriter *writer = lb_model_writer_new (config);

  for (guint i = 0; i < fixture->tensors->len; i++)
    {
      const FixtureTensor *tensor = fixture->tensors->pdata[i];
      const gsize rows = tensor->axes == 1 ? 1 : tensor->shape[0], columns = tensor->count / rows;
      g_autoptr (LbMatrix) wide = lb_matrix_new (rows, columns + 3);
      g_autoptr (LbMatrix) view = lb_matrix_new_view (wide, 0, 2, rows, columns);

      for (gsize j = 0; j < tensor->count; j++)
        lb_matrix_row (view, j / columns)[j % columns] = (float) tensor->values[j];
      lb_model_writer_set_tensor (writer, tensor->name, view);
    }
  return writer;
}

static void
test_new_model (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autofree char *parent = beside (fixture);
  g_autofree char *target = g_build_filename (parent, "deeper", "model", NULL);
  g_autofree char *middle = g_path_get_dirname (target);
  g_autoptr (LbModel) model = open_good (fixture->directory);
  const LbModelConfig *config = lb_model_get_config (model);
  g_autoptr (LbModelWriter) writer = new_writer_of_fixture (fixture, config);
  g_autoptr (LbModel) saved = NULL;
  g_autoptr (LbTokenizer) tokenizer = NULL;
  g_autoptr (GError) error = NULL;

  lb_model_writer_set_tokenizer (writer, fixture->directory);
  write_good (writer, target);
  saved = open_good (target);
  assert_has_tensors (saved, model);
  assert_has_tensors (model, saved);
  g_assert_cmpmem (lb_model_get_config (saved), sizeof *config, config, sizeof *config);
  tokenizer = lb_tokenizer_new (target, config->vocabulary, &error);
  g_assert_no_error (error);
  g_clear_object (&saved);
  remove_folder (target);
  g_assert_cmpint (g_rmdir (middle), ==, 0);
  g_assert_cmpint (g_rmdir (parent), ==, 0);
}

static void
test_same_bytes (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  gsize lengths[2];
  g_autofree char *one = NULL;
  g_autofree char *two = NULL;

  for (guint round = 0; round < 2; round++)
    {
      g_autofree char *path = g_build_filename (fixture->directory, "x.safetensors", NULL);
      g_autoptr (LbSafetensorsWriter) writer = lb_safetensors_writer_new ();
      g_autoptr (LbSafetensors) read = NULL;
      g_autoptr (GError) error = NULL;

      for (guint i = 0; i < 20; i++)
        {
          const guint number = round == 0 ? i : 19 - i;
          g_autofree char *name = g_strdup_printf ("\"ä\\\n%u", number);
          g_autoptr (LbMatrix) matrix = lb_matrix_new (1, number + 1);

          matrix->data[0] = (float) number;
          lb_safetensors_writer_add_matrix (writer, name, matrix);
        }
      g_assert_true (lb_safetensors_writer_write (writer, path, &error));
      g_assert_no_error (error);
      read = lb_safetensors_open (path, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (lb_safetensors_get_count (read), ==, 20);
      g_assert_cmpuint (lb_safetensors_lookup (read, "\"ä\\\n7")->values, ==, 8);
      g_assert_true (lb_tensor_is_plain_float (lb_safetensors_lookup (read, "\"ä\\\n7"), LB_TENSOR_PLAIN));
      *(round == 0 ? &one : &two) = read_file (fixture->directory, "x.safetensors", &lengths[round]);
    }
  g_assert_cmpmem (one, lengths[0], two, lengths[1]);
}

static void
assert_not_written (LbModelWriter *writer, const char *directory, GQuark domain, int code, const char *part)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (lb_model_writer_write (writer, directory, &error));
  g_assert_error (error, domain, code);
  if (strstr (error->message, part) == NULL)
    g_error ("“%s” is not in: %s", part, error->message);
}

static void
test_bad_values (void)
{
  static const float backwards[] = { -1, 1, 2, -2, 0, 3 };
  static const float negative[] = { 1, 1, -1, 0 };
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autofree char *target = beside (fixture);
  g_autoptr (LbModel) model = open_good (fixture->directory);
  g_autoptr (LbMatrix) matrix = lb_matrix_new (FIXTURE_WIDTH, FIXTURE_WIDTH);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (LbModelWriter) writer = lb_model_writer_new_from_model (model);

      lb_matrix_row (matrix, 5)[7] = NAN;
      if (i == 0)
        lb_model_writer_set_tensor (writer, "h.1.attn.wo.weight", matrix);
      else if (i == 1)
        lb_model_writer_set_ranges (writer, 1, LB_OP_WO, backwards);
      else
        lb_model_writer_set_sigma_means (writer, 1, LB_OP_WO, negative);
      assert_not_written (writer, target, LB_MODEL_ERROR, LB_MODEL_ERROR_VALUE, "h.1.attn.wo.");
      g_assert_false (g_file_test (target, G_FILE_TEST_EXISTS));
      assert_not_written (writer, fixture->directory, LB_MODEL_ERROR, LB_MODEL_ERROR_VALUE, "h.1.attn.wo.");
      g_object_unref (open_good (fixture->directory));
    }
}

/* No file or folder is there whose name starts so. */
static void
assert_nothing_beside (const char *path)
{
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *base = g_path_get_basename (path);
  g_autoptr (GDir) folder = g_dir_open (parent, 0, NULL);
  const char *name;

  g_assert_nonnull (folder);
  while ((name = g_dir_read_name (folder)) != NULL)
    g_assert_false (g_str_has_prefix (name, base));
}

/* Files may grow to a limit, as on a disk that is full. */
static void
test_full_disk (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autofree char *target = beside (fixture);
  g_autofree char *occupied = g_build_filename (fixture->directory, "config.json", NULL);
  g_autoptr (LbModel) model = open_good (fixture->directory);
  g_autoptr (LbModelWriter) writer = lb_model_writer_new_from_model (model);
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;
  gsize length_before, length_after;
  struct rlimit limit, small;

  before = read_file (fixture->directory, "model.safetensors", &length_before);
  lb_model_writer_set_ranges (writer, 0, LB_OP_WO, some_ranges);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  small = limit;
  small.rlim_cur = length_before / 2;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  assert_not_written (writer, fixture->directory, G_FILE_ERROR, (int) g_file_error_from_errno (EFBIG),
                      "model.safetensors");
  assert_not_written (writer, target, G_FILE_ERROR, (int) g_file_error_from_errno (EFBIG),
                      "model.safetensors");
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);

  after = read_file (fixture->directory, "model.safetensors", &length_after);
  g_assert_cmpmem (after, length_after, before, length_before);
  g_assert_cmpuint (count_files (fixture->directory), ==, 4);
  g_assert_false (g_file_test (target, G_FILE_TEST_EXISTS));
  assert_nothing_beside (target);
  assert_not_written (writer, occupied, G_FILE_ERROR, G_FILE_ERROR_NOTDIR, "config.json");
}

int
main (int argc, char *argv[])
{
  use_german_locale ();
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/transformer/model-writer/ranges-and-means-are-added-to-a-copy", test_added_to_a_copy);
  g_test_add_func ("/transformer/model-writer/ranges-are-replaced-in-place", test_replaced_in_place);
  g_test_add_func ("/transformer/model-writer/shards-become-one-file", test_shards_become_one_file);
  g_test_add_func ("/transformer/model-writer/a-new-model-is-written-from-memory", test_new_model);
  g_test_add_func ("/transformer/model-writer/bytes-do-not-depend-on-the-order-of-calls", test_same_bytes);
  g_test_add_func ("/transformer/model-writer/bad-values-leave-everything-as-it-is", test_bad_values);
  g_test_add_func ("/transformer/model-writer/a-full-disk-leaves-everything-as-it-is", test_full_disk);

  return g_test_run ();
}
