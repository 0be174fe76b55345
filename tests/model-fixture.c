/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model-fixture.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

static void
tensor_free (gpointer data)
{
  FixtureTensor *tensor = data;

  g_free (tensor->name);
  g_free (tensor->values);
  g_free (tensor);
}

Fixture *
fixture_new (void)
{
  Fixture *self = g_new0 (Fixture, 1);
  g_autoptr (GError) error = NULL;

  self->directory = g_dir_make_tmp ("lightbench-model-XXXXXX", &error);
  g_assert_no_error (error);
  self->tensors = g_ptr_array_new_with_free_func (tensor_free);
  return self;
}

void
fixture_free (Fixture *self)
{
  g_autoptr (GDir) folder = g_dir_open (self->directory, 0, NULL);
  const char *name;

  g_assert_nonnull (folder);
  while ((name = g_dir_read_name (folder)) != NULL)
    fixture_remove_file (self, name);
  g_assert_cmpint (g_rmdir (self->directory), ==, 0);
  g_ptr_array_unref (self->tensors);
  g_free (self->directory);
  g_free (self);
}

char *
fixture_reference (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "data", "reference", name, NULL);
}

void
fixture_write_file (Fixture *self, const char *name, const char *contents, gssize length)
{
  g_autofree char *path = g_build_filename (self->directory, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, length, &error);
  g_assert_no_error (error);
}

void
fixture_remove_file (Fixture *self, const char *name)
{
  g_autofree char *path = g_build_filename (self->directory, name, NULL);

  g_assert_cmpint (g_unlink (path), ==, 0);
}

/* GPT-2's printable character for a byte. */
static gunichar
character_of_byte (guint byte)
{
  guint shifted = 0;

  for (guint i = 0; i <= byte; i++)
    {
      gboolean printable = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;

      if (i == byte)
        return printable ? i : 256 + shifted;
      shifted += printable ? 0 : 1;
    }
  g_assert_not_reached ();
}

void
fixture_append_spelling (GString *spelling, const char *bytes, gsize length)
{
  for (gsize i = 0; i < length; i++)
    g_string_append_unichar (spelling, character_of_byte ((guint8) bytes[i]));
}

void
fixture_write_vocabulary (Fixture *self)
{
  g_autoptr (GString) vocab = g_string_new ("{");

  for (guint i = 0; i < 256; i++)
    {
      g_string_append (vocab, i == '"' || i == '\\' ? "\"\\" : "\"");
      g_string_append_unichar (vocab, character_of_byte (i));
      g_string_append_printf (vocab, "\": %u, ", i);
    }
  g_string_append (vocab, "\"ab\": 256, \"cd\": 257, \"abcd\": 258}");
  fixture_write_file (self, "vocab.json", vocab->str, -1);
  fixture_write_file (self, "merges.txt", "#version: 0.2\na b\nc d\nab cd\n", -1);
}

/* Random values, uniform within +- @spread around @middle. */
static FixtureTensor *
add_tensor (Fixture *self,
            const char *prefix,
            const char *name,
            const char *dtype,
            gsize rows,
            gsize columns,
            double middle,
            double spread)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (self->tensors->len + 1);
  FixtureTensor *tensor = g_new0 (FixtureTensor, 1);

  tensor->name = g_strconcat (prefix, name, NULL);
  tensor->dtype = dtype;
  tensor->axes = rows == 0 ? 1 : 2;
  tensor->shape[0] = rows == 0 ? columns : rows;
  tensor->shape[1] = columns;
  tensor->count = MAX (rows, 1) * columns;
  tensor->values = g_new (double, tensor->count);
  for (gsize i = 0; i < tensor->count; i++)
    /* Multiples of 1/128 up to 2 are exact in F32, F16 and BF16 alike. */
    tensor->values[i] = middle + round (g_rand_double_range (rand, -spread, spread) * 128) / 128;
  g_ptr_array_add (self->tensors, tensor);
  return tensor;
}

static void
write_config (Fixture *self, const char *kind, const char *activation)
{
  g_autofree char *config = g_strdup_printf (
      "{\"model_type\": \"%s\", \"n_embd\": %d, \"n_layer\": %d, \"n_head\": %d, "
      "\"n_positions\": %d, \"vocab_size\": %d, \"activation_function\": \"%s\", "
      "\"layer_norm_epsilon\": 1e-05, \"n_inner\": null}",
      kind, FIXTURE_WIDTH, FIXTURE_LAYERS, FIXTURE_HEADS, FIXTURE_CONTEXT, FIXTURE_VOCABULARY, activation);

  fixture_write_file (self, "config.json", config, -1);
}

void
fixture_add_optical (Fixture *self, const char *dtype)
{
  static const char *const square[] = { "attn.wq.weight", "attn.wk.weight", "attn.wv.weight",
                                        "attn.wo.weight" };
  const gsize width = FIXTURE_WIDTH;

  write_config (self, "optical-gpt", "relu6");
  add_tensor (self, "", "wte.weight", dtype, FIXTURE_VOCABULARY, width, 0, 1);
  add_tensor (self, "", "wpe.weight", dtype, FIXTURE_CONTEXT, width, 0, 0.5);
  for (guint layer = 0; layer < FIXTURE_LAYERS; layer++)
    {
      g_autofree char *prefix = g_strdup_printf ("h.%u.", layer);

      add_tensor (self, prefix, "ln_1.weight", dtype, 0, width, 1, 0.2);
      add_tensor (self, prefix, "ln_1.bias", dtype, 0, width, 0, 0.2);
      for (guint i = 0; i < G_N_ELEMENTS (square); i++)
        add_tensor (self, prefix, square[i], dtype, width, width, 0, 0.5);
      add_tensor (self, prefix, "ln_2.weight", dtype, 0, width, 1, 0.2);
      add_tensor (self, prefix, "ln_2.bias", dtype, 0, width, 0, 0.2);
      add_tensor (self, prefix, "mlp.w1.weight", dtype, 4 * width, width, 0, 0.9);
      add_tensor (self, prefix, "mlp.w2.weight", dtype, width, 4 * width, 0, 0.3);
    }
  add_tensor (self, "", "ln_f.weight", dtype, 0, width, 1, 0.2);
  add_tensor (self, "", "ln_f.bias", dtype, 0, width, 0, 0.2);
  add_tensor (self, "", "head.weight", dtype, FIXTURE_VOCABULARY, width, 0, 0.5);
  add_tensor (self, "", "head.bias", dtype, 0, FIXTURE_VOCABULARY, 0, 0.5);
}

void
fixture_add_gpt2 (Fixture *self, const char *prefix)
{
  const gsize width = FIXTURE_WIDTH;

  write_config (self, "gpt2", "gelu_new");
  add_tensor (self, prefix, "wte.weight", "F32", FIXTURE_VOCABULARY, width, 0, 1);
  add_tensor (self, prefix, "wpe.weight", "F32", FIXTURE_CONTEXT, width, 0, 0.5);
  for (guint layer = 0; layer < FIXTURE_LAYERS; layer++)
    {
      g_autofree char *inner = g_strdup_printf ("%sh.%u.", prefix, layer);
      FixtureTensor *mask;

      add_tensor (self, inner, "ln_1.weight", "F32", 0, width, 1, 0.2);
      add_tensor (self, inner, "ln_1.bias", "F32", 0, width, 0, 0.2);
      /* Checkpoints carry the causal mask along; nobody needs it. */
      mask = add_tensor (self, inner, "attn.bias", "U32", 1, FIXTURE_CONTEXT, 0, 0);
      mask->axes = 3;
      mask->shape[1] = 1;
      mask->shape[2] = FIXTURE_CONTEXT;
      mask = add_tensor (self, inner, "attn.masked_bias", "F32", 0, 1, -10000, 0);
      mask->axes = 0;
      add_tensor (self, inner, "attn.c_attn.weight", "F32", width, 3 * width, 0, 0.5);
      add_tensor (self, inner, "attn.c_attn.bias", "F32", 0, 3 * width, 0, 0.3);
      add_tensor (self, inner, "attn.c_proj.weight", "F32", width, width, 0, 0.5);
      add_tensor (self, inner, "attn.c_proj.bias", "F32", 0, width, 0, 0.3);
      add_tensor (self, inner, "ln_2.weight", "F32", 0, width, 1, 0.2);
      add_tensor (self, inner, "ln_2.bias", "F32", 0, width, 0, 0.2);
      add_tensor (self, inner, "mlp.c_fc.weight", "F32", width, 4 * width, 0, 0.9);
      add_tensor (self, inner, "mlp.c_fc.bias", "F32", 0, 4 * width, 0, 0.3);
      add_tensor (self, inner, "mlp.c_proj.weight", "F32", 4 * width, width, 0, 0.3);
      add_tensor (self, inner, "mlp.c_proj.bias", "F32", 0, width, 0, 0.3);
    }
  add_tensor (self, prefix, "ln_f.weight", "F32", 0, width, 1, 0.2);
  add_tensor (self, prefix, "ln_f.bias", "F32", 0, width, 0, 0.2);
}

FixtureTensor *
fixture_find (Fixture *self, const char *name)
{
  for (guint i = 0; i < self->tensors->len; i++)
    {
      FixtureTensor *tensor = self->tensors->pdata[i];

      if (g_str_equal (tensor->name, name))
        return tensor;
    }
  g_error ("the fixture has no tensor %s", name);
}

FixtureTensor *
fixture_add_tensor (Fixture *self, const char *name, gsize rows, gsize columns)
{
  return add_tensor (self, "", name, "F32", rows, columns, 0, 2);
}

void
fixture_add_range (Fixture *self, const char *name, const double *values)
{
  FixtureTensor *tensor = add_tensor (self, "", name, "F32", 0, 6, 0, 0);

  memcpy (tensor->values, values, 6 * sizeof (double));
}

void
fixture_remove_tensor (Fixture *self, const char *name)
{
  g_assert_true (g_ptr_array_remove (self->tensors, fixture_find (self, name)));
}

static guint16
half_of_float (float value)
{
  guint32 bits;
  int exponent;

  memcpy (&bits, &value, 4);
  exponent = (int) (bits >> 23 & 0xff) - 112;
  if (value == 0.0f)
    return (guint16) (bits >> 16);
  g_assert_cmpint (exponent, >, 0);
  g_assert_cmpuint (bits & 0x1fff, ==, 0);
  /* Infinity and NaN keep their exponent of ones. */
  return (guint16) ((bits >> 16 & 0x8000) | (guint32) MIN (exponent, 31) << 10 | (bits >> 13 & 0x3ff));
}

static gsize
append_values (GByteArray *data, const FixtureTensor *tensor)
{
  const gsize start = data->len;

  for (gsize i = 0; i < tensor->count; i++)
    {
      const float value = (float) tensor->values[i];
      guint32 bits;
      guint16 half;

      memcpy (&bits, &value, 4);
      half = GUINT16_TO_LE (tensor->dtype[0] == 'B' ? (guint16) (bits >> 16) : 0);
      if (g_str_equal (tensor->dtype, "F16"))
        half = GUINT16_TO_LE (half_of_float (value));
      bits = GUINT32_TO_LE (bits);
      if (g_str_has_suffix (tensor->dtype, "16"))
        g_byte_array_append (data, (const guint8 *) &half, 2);
      else
        g_byte_array_append (data, (const guint8 *) &bits, 4);
    }
  return data->len - start;
}

void
fixture_write_tensors (Fixture *self, const char *file, guint first, int count)
{
  g_autoptr (GString) header = g_string_new ("{\"__metadata__\":{\"format\":\"pt\"}");
  g_autoptr (GByteArray) data = g_byte_array_new ();
  g_autoptr (GByteArray) whole = g_byte_array_new ();
  const guint end = count < 0 ? self->tensors->len : first + (guint) count;
  guint64 size;

  for (guint i = first; i < end; i++)
    {
      const FixtureTensor *tensor = self->tensors->pdata[i];
      gsize start = data->len;

      g_string_append_printf (header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensor->name, tensor->dtype);
      for (guint axis = 0; axis < tensor->axes; axis++)
        g_string_append_printf (header, axis == 0 ? "%zu" : ",%zu", tensor->shape[axis]);
      append_values (data, tensor);
      g_string_append_printf (header, "],\"data_offsets\":[%zu,%u]}", start, data->len);
    }
  g_string_append_c (header, '}');
  while (header->len % 8 != 0)
    g_string_append_c (header, ' ');
  size = GUINT64_TO_LE ((guint64) header->len);
  g_byte_array_append (whole, (const guint8 *) &size, 8);
  g_byte_array_append (whole, (const guint8 *) header->str, (guint) header->len);
  g_byte_array_append (whole, data->data, data->len);
  fixture_write_file (self, file, (const char *) whole->data, whole->len);
}
