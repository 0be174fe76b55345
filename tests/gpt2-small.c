/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gpt2-small.h"

#include <glib/gstdio.h>
#include <lb-model-writer.h>
#include <lb-random.h>

#define LAYERS 12
#define WIDTH 768
#define HIDDEN (4 * WIDTH)

/* Normal values of the given spread, and @offset. */
static void
set_tensor (LbModelWriter *writer, const char *name, gsize rows, gsize columns, float offset, float spread)
{
  g_autoptr (LbMatrix) values = lb_matrix_new (rows, columns);

  for (gsize row = 0; row < rows; row++)
    {
      float *data = lb_matrix_row (values, row);

      lb_random_normal_fill (lb_random_key (1), g_str_hash (name), row * 4096, columns, data);
      for (gsize i = 0; i < columns; i++)
        data[i] = offset + spread * data[i];
    }
  lb_model_writer_set_tensor (writer, name, values);
}

static void
set_layer (LbModelWriter *writer, guint layer)
{
  static const struct
  {
    const char *name;
    gsize rows, columns;
    float offset, spread;
  } tensors[] = {
    { "ln_1.weight", 1, WIDTH, 1, 0 },
    { "ln_1.bias", 1, WIDTH, 0, 0 },
    { "attn.wq.weight", WIDTH, WIDTH, 0, 0.036f },
    { "attn.wk.weight", WIDTH, WIDTH, 0, 0.036f },
    { "attn.wv.weight", WIDTH, WIDTH, 0, 0.036f },
    { "attn.wo.weight", WIDTH, WIDTH, 0, 0.036f },
    { "ln_2.weight", 1, WIDTH, 1, 0 },
    { "ln_2.bias", 1, WIDTH, 0, 0 },
    { "mlp.w1.weight", HIDDEN, WIDTH, 0, 0.023f },
    { "mlp.w2.weight", WIDTH, HIDDEN, 0, 0.023f },
  };

  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++)
    {
      g_autofree char *name = g_strdup_printf ("h.%u.%s", layer, tensors[i].name);

      set_tensor (writer, name, tensors[i].rows, tensors[i].columns, tensors[i].offset, tensors[i].spread);
    }
  for (guint op = 0; op < LB_N_OPS; op++)
    {
      const gboolean positive = op == LB_OP_AV || op == LB_OP_W2;
      const float weights = op == LB_OP_QK || op == LB_OP_AV ? 3 : 0.08f;
      const float ranges[6] = { positive ? 0 : -5, 5, -weights, weights, -100, 100 };

      lb_model_writer_set_ranges (writer, layer, op, ranges);
    }
}

char *
gpt2_small_write (guint context, GError **error)
{
  const LbModelConfig config = {
    .width = WIDTH,
    .hidden = HIDDEN,
    .layers = LAYERS,
    .heads = 12,
    .context = context,
    .vocabulary = GPT2_SMALL_VOCABULARY,
    .activation = LB_ACTIVATION_RELU6,
    .epsilon = 1e-5,
    .slm_floor = 0.02004,
  };
  g_autoptr (LbModelWriter) writer = lb_model_writer_new (&config);
  g_autofree char *directory = g_dir_make_tmp ("lightbench-benchmark-XXXXXX", error);

  if (directory == NULL)
    return NULL;
  set_tensor (writer, "wte.weight", GPT2_SMALL_VOCABULARY, WIDTH, 0, 0.5f);
  set_tensor (writer, "wpe.weight", context, WIDTH, 0, 0.1f);
  set_tensor (writer, "ln_f.weight", 1, WIDTH, 1, 0);
  set_tensor (writer, "ln_f.bias", 1, WIDTH, 0, 0);
  set_tensor (writer, "head.weight", GPT2_SMALL_VOCABULARY, WIDTH, 0, 0.02f);
  set_tensor (writer, "head.bias", 1, GPT2_SMALL_VOCABULARY, 0, 0);
  for (guint layer = 0; layer < LAYERS; layer++)
    set_layer (writer, layer);
  if (lb_model_writer_write (writer, directory, error))
    return g_steal_pointer (&directory);
  gpt2_small_remove (directory);
  return NULL;
}

void
gpt2_small_remove (const char *directory)
{
  g_autoptr (GDir) folder = g_dir_open (directory, 0, NULL);
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);

      g_unlink (path);
    }
  g_rmdir (directory);
}
