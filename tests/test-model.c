/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-model-private.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "model-fixture.h"

static Fixture *
new_optical (const char *dtype)
{
  Fixture *fixture = fixture_new ();

  fixture_add_optical (fixture, dtype);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  return fixture;
}

static LbModel *
open_good (const char *directory)
{
  g_autoptr (GError) error = NULL;
  LbModel *model = lb_model_open (directory, &error);

  g_assert_no_error (error);
  return model;
}

/* Opens what is damaged: one line, of that kind, that names @part. */
static void
assert_refused (Fixture *fixture, int code, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open (fixture->directory, &error);

  g_assert_null (model);
  g_assert_error (error, LB_MODEL_ERROR, code);
  g_test_message ("%s", error->message);
  if (strstr (error->message, part) == NULL)
    g_error ("“%s” is not in: %s", part, error->message);
  g_assert_null (strchr (error->message, '\n'));
}

static void
assert_same_weight (const LbMatrix *weight, const FixtureTensor *tensor)
{
  g_assert_cmpuint (weight->rows, ==, tensor->shape[0]);
  g_assert_cmpuint (weight->columns, ==, tensor->shape[1]);
  for (gsize i = 0; i < weight->rows; i++)
    for (gsize j = 0; j < weight->columns; j++)
      g_assert_cmpfloat (lb_matrix_get (weight, i, j), ==, (float) tensor->values[i * weight->columns + j]);
}

static void
test_shipped (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open_named (NULL, &error);
  const LbModelConfig *config;
  const float *ranges;

  g_assert_no_error (error);
  config = lb_model_get_config (model);
  g_assert_cmpstr (lb_model_get_name (model), ==, "model-d64");
  g_assert_cmpuint (config->width, ==, 64);
  g_assert_cmpuint (config->hidden, ==, 256);
  g_assert_cmpuint (config->layers, ==, 4);
  g_assert_cmpuint (config->heads, ==, 4);
  g_assert_cmpuint (config->context, ==, 128);
  g_assert_cmpuint (config->vocabulary, ==, 2048);
  g_assert_cmpint (config->activation, ==, LB_ACTIVATION_RELU6);
  g_assert_cmpfloat (config->epsilon, ==, 1e-5);
  g_assert_cmpfloat (config->slm_floor, ==, 0.02004);
  g_assert_true (config->quantised);
  /* Two embeddings, head with bias; 4 blocks of 12 d^2 and two LayerNorms; the last LayerNorm. */
  g_assert_cmpuint (config->parameters, ==,
                    (2048 + 128 + 2048) * 64 + 2048 + 4 * (12 * 64 * 64 + 4 * 64) + 2 * 64);
  g_assert_cmpuint (lb_model_get_weight (model, 3, LB_OP_W1)->rows, ==, 256);
  g_assert_cmpuint (lb_model_get_weight (model, 3, LB_OP_W1)->columns, ==, 64);
  g_assert_null (lb_model_get_weight (model, 0, LB_OP_QK));
  ranges = lb_model_get_ranges (model, 2, LB_OP_AV);
  g_assert_nonnull (ranges);
  for (guint i = 0; i < 6; i += 2)
    g_assert_cmpfloat (ranges[i], <, ranges[i + 1]);
}

static void
test_names (void)
{
  static const char *const names[] = { "wq", "wk", "wv", "qk", "av", "wo", "w1", "w2" };
  LbTransformerOp op;

  g_assert_cmpuint (G_N_ELEMENTS (names), ==, LB_N_OPS);
  for (guint i = 0; i < LB_N_OPS; i++)
    {
      g_assert_cmpstr (lb_transformer_op_get_name ((LbTransformerOp) i), ==, names[i]);
      g_assert_true (lb_transformer_op_from_name (names[i], &op));
      g_assert_cmpint (op, ==, i);
    }
  g_assert_false (lb_transformer_op_from_name ("w3", &op));
}

static void
test_named (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autoptr (LbModel) by_name = lb_model_open_named ("model-d64", &error);
  g_autoptr (LbModel) by_folder = NULL;
  g_autoptr (LbModel) none = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (lb_model_get_name (by_name), ==, "model-d64");
  by_folder = lb_model_open_named (fixture->directory, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (lb_model_get_directory (by_folder), ==, fixture->directory);

  none = lb_model_open_named ("no-such-model", &error);
  g_assert_null (none);
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, "no-such-model"));
}

static void
test_dtypes (void)
{
  static const char *const dtypes[] = { "F32", "F16", "BF16" };

  for (guint i = 0; i < G_N_ELEMENTS (dtypes); i++)
    {
      g_autoptr (Fixture) fixture = new_optical (dtypes[i]);
      g_autoptr (LbModel) model = open_good (fixture->directory);

      assert_same_weight (lb_model_get_weight (model, 0, LB_OP_WQ),
                          fixture_find (fixture, "h.0.attn.wq.weight"));
      assert_same_weight (lb_model_get_weight (model, 1, LB_OP_W2),
                          fixture_find (fixture, "h.1.mlp.w2.weight"));
      assert_same_weight (lb_model_get_outer_weights (model)->token, fixture_find (fixture, "wte.weight"));
      g_assert_false (lb_model_get_config (model)->quantised);
      g_assert_null (lb_model_get_ranges (model, 0, LB_OP_WQ));
    }
}

/* Halves that need care: the smallest and largest numbers, zeros of both signs. */
static void
test_halves (void)
{
  static const guint16 halves[] = { 0x0001, 0x03ff, 0x0400, 0x7bff, 0x8000, 0x8001, 0xc500, 0x3555 };
  static const double expected[] = { 0x1p-24, 1023 * 0x1p-24, 0x1p-14, 65504,
                                     -0.0,    -0x1p-24,       -5,      1365 * 0x1p-12 };
  const char header[] = "{\"x\":{\"dtype\":\"F16\",\"shape\":[1,8],\"data_offsets\":[0,16]}}";
  const guint64 size = GUINT64_TO_LE ((guint64) strlen (header));
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autofree char *path = g_build_filename (fixture->directory, "x.safetensors", NULL);
  g_autoptr (LbSafetensors) tensors = NULL;
  g_autoptr (LbMatrix) matrix = NULL;
  g_autoptr (GError) error = NULL;

  g_byte_array_append (file, (const guint8 *) &size, 8);
  g_byte_array_append (file, (const guint8 *) header, (guint) strlen (header));
  for (guint i = 0; i < 8; i++)
    {
      guint16 half = GUINT16_TO_LE (halves[i]);

      g_byte_array_append (file, (const guint8 *) &half, 2);
    }
  fixture_write_file (fixture, "x.safetensors", (const char *) file->data, file->len);
  tensors = lb_safetensors_open (path, &error);
  g_assert_no_error (error);
  matrix = lb_tensor_get_matrix (lb_safetensors_lookup (tensors, "x"), LB_TENSOR_PLAIN, 0, 1, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 8; i++)
    {
      g_assert_cmpfloat ((double) matrix->data[i], ==, expected[i]);
      g_assert_cmpint (signbit (matrix->data[i]) != 0, ==, signbit (expected[i]) != 0);
    }
}

static void
test_mapped (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autoptr (LbModel) model = open_good (fixture->directory);
  g_autoptr (LbLayer) layer = lb_model_hold_layer (model, 1, NULL);

  g_assert_false (layer->copied);
  g_assert_true (layer->weight[LB_OP_W1] == lb_model_get_weight (model, 1, LB_OP_W1));
  /* No padding between the rows: they lie as in the file. */
  g_assert_cmpuint (layer->weight[LB_OP_W1]->stride, ==, FIXTURE_WIDTH);
}

static void
check_gpt2_layout (const char *prefix)
{
  g_autofree char *joint_name = g_strconcat (prefix, "h.1.attn.c_attn.weight", NULL);
  g_autofree char *bias_name = g_strconcat (prefix, "h.1.attn.c_attn.bias", NULL);
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (LbModel) model = NULL;
  g_autoptr (LbLayer) layer = NULL;
  const FixtureTensor *joint, *bias;
  const LbMatrix *value;
  const LbOuterWeights *outer;

  fixture_add_gpt2 (fixture, prefix);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  model = open_good (fixture->directory);
  joint = fixture_find (fixture, joint_name);
  bias = fixture_find (fixture, bias_name);
  layer = lb_model_hold_layer (model, 1, NULL);
  for (gsize output = 0; output < FIXTURE_WIDTH; output++)
    g_assert_cmpfloat (lb_matrix_get (layer->bias[LB_OP_WK], 0, output), ==,
                       (float) bias->values[FIXTURE_WIDTH + output]);
  value = lb_model_get_weight (model, 1, LB_OP_WV);
  g_assert_cmpuint (value->rows, ==, FIXTURE_WIDTH);
  for (gsize output = 0; output < FIXTURE_WIDTH; output++)
    for (gsize input = 0; input < FIXTURE_WIDTH; input++)
      g_assert_cmpfloat (lb_matrix_get (value, output, input), ==,
                         (float) joint->values[input * 3 * FIXTURE_WIDTH + 2 * FIXTURE_WIDTH + output]);
  g_assert_cmpuint (lb_model_get_weight (model, 0, LB_OP_W1)->rows, ==, 4 * FIXTURE_WIDTH);
  outer = lb_model_get_outer_weights (model);
  g_assert_true (outer->head == outer->token);
  g_assert_cmpint (lb_model_get_config (model)->activation, ==, LB_ACTIVATION_GELU_TANH);
}

static void
test_gpt2_layout (void)
{
  check_gpt2_layout ("");
  check_gpt2_layout ("transformer.");
}

/* As the checkpoints on Hugging Face have them, with entries that nobody needs. */
static void
test_gpt2_configs (void)
{
  static const char *const variants[] = {
    "\"n_positions\": 20, \"n_ctx\": 20, \"n_inner\": null, \"activation_function\": \"gelu_new\"",
    "\"n_ctx\": 20, \"activation_function\": \"gelu_pytorch_tanh\", \"n_inner\": 96",
    "\"n_positions\": 20, \"n_ctx\": 1024, \"activation_function\": \"gelu_fast\"",
    "\"n_positions\": 20, \"activation_function\": null, \"scale_attn_weights\": true, "
    "\"scale_attn_by_inverse_layer_idx\": false, \"add_cross_attention\": false, "
    "\"reorder_and_upcast_attn\": false, \"bos_token_id\": 50256, \"architectures\": "
    "[\"GPT2LMHeadModel\"], \"attn_pdrop\": 0.1, \"task_specific_params\": {\"text-generation\": "
    "{\"do_sample\": true, \"max_length\": 50}}, \"_num_labels\": 1, \"id2label\": {\"0\": \"LABEL_0\"}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (variants); i++)
    {
      g_autoptr (Fixture) fixture = fixture_new ();
      g_autofree char *config =
          g_strdup_printf ("{\"model_type\": \"gpt2\", \"n_embd\": %d, \"n_layer\": %d, \"n_head\": %d, "
                           "\"vocab_size\": %d, \"layer_norm_epsilon\": 1e-05, %s}",
                           FIXTURE_WIDTH, FIXTURE_LAYERS, FIXTURE_HEADS, FIXTURE_VOCABULARY, variants[i]);
      g_autoptr (LbModel) model = NULL;

      fixture_add_gpt2 (fixture, "");
      fixture_write_tensors (fixture, "model.safetensors", 0, -1);
      fixture_write_file (fixture, "config.json", config, -1);
      model = open_good (fixture->directory);
      g_assert_cmpuint (lb_model_get_config (model)->context, ==, FIXTURE_CONTEXT);
      g_assert_cmpuint (lb_model_get_config (model)->hidden, ==, 4 * FIXTURE_WIDTH);
      g_assert_cmpint (lb_model_get_config (model)->activation, ==, LB_ACTIVATION_GELU_TANH);
    }
}

/* Replaces @old by @new in the file; both of one length if @size is to stay. */
static void
change_file (Fixture *fixture, const char *name, const char *old, const char *new)
{
  g_autofree char *path = g_build_filename (fixture->directory, name, NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GByteArray) changed = g_byte_array_new ();
  const char *at;
  gsize length;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  at = memmem (contents, length, old, strlen (old));
  g_assert_nonnull (at);
  g_byte_array_append (changed, (const guint8 *) contents, (guint) (at - contents));
  g_byte_array_append (changed, (const guint8 *) new, (guint) strlen (new));
  g_byte_array_append (changed, (const guint8 *) at + strlen (old),
                       (guint) (length - (gsize) (at - contents) - strlen (old)));
  fixture_write_file (fixture, name, (const char *) changed->data, changed->len);
}

static void
test_untied_head (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  const FixtureTensor *head;
  g_autoptr (LbModel) model = NULL;

  fixture_add_gpt2 (fixture, "");
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  change_file (fixture, "config.json", "{", "{\"tie_word_embeddings\": false, ");
  assert_refused (fixture, LB_MODEL_ERROR_MISSING, "lm_head.weight");
  head = fixture_add_tensor (fixture, "lm_head.weight", FIXTURE_VOCABULARY, FIXTURE_WIDTH);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  model = open_good (fixture->directory);
  assert_same_weight (lb_model_get_outer_weights (model)->head, head);
}

static guint64
get_resident_bytes (void)
{
  g_autofree char *status = NULL;
  const char *line;

  g_assert_true (g_file_get_contents ("/proc/self/status", &status, NULL, NULL));
  line = strstr (status, "VmHWM:");
  g_assert_nonnull (line);
  return g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) * 1024;
}

#define LARGE_LAYERS 9

/* A header of tensors of zeros, and a file of that size without a byte of data:
 * 29 GB, more than most machines have memory. */
static void
write_large_model (Fixture *fixture)
{
  const struct
  {
    const char *name;
    gsize shape[2];
  } layer[] = {
    { "ln_1.weight", { 8192 } },          { "ln_1.bias", { 8192 } },
    { "attn.wq.weight", { 8192, 8192 } }, { "attn.wk.weight", { 8192, 8192 } },
    { "attn.wv.weight", { 8192, 8192 } }, { "attn.wo.weight", { 8192, 8192 } },
    { "ln_2.weight", { 8192 } },          { "ln_2.bias", { 8192 } },
    { "mlp.w1.weight", { 32768, 8192 } }, { "mlp.w2.weight", { 8192, 32768 } },
  }, outer[] = {
    { "wte.weight", { 264, 8192 } }, { "wpe.weight", { 20, 8192 } },    { "ln_f.weight", { 8192 } },
    { "ln_f.bias", { 8192 } },       { "head.weight", { 264, 8192 } }, { "head.bias", { 264 } },
  };
  g_autoptr (GString) header = g_string_new ("{\"__metadata__\":{}");
  g_autofree char *path = g_build_filename (fixture->directory, "model.safetensors", NULL);
  guint64 offset = 0, size;

  for (guint i = 0; i < LARGE_LAYERS * G_N_ELEMENTS (layer) + G_N_ELEMENTS (outer); i++)
    {
      const gboolean inside = i < LARGE_LAYERS * G_N_ELEMENTS (layer);
      const guint number = inside ? i % G_N_ELEMENTS (layer) : i - LARGE_LAYERS * G_N_ELEMENTS (layer);
      const gsize *shape = inside ? layer[number].shape : outer[number].shape;
      const guint64 end = offset + shape[0] * MAX (shape[1], 1) * 4;

      g_string_append (header, ",\"");
      if (inside)
        g_string_append_printf (header, "h.%zu.", i / G_N_ELEMENTS (layer));
      g_string_append_printf (header, "%s\":{\"dtype\":\"F32\",\"shape\":[%zu",
                              inside ? layer[number].name : outer[number].name, shape[0]);
      if (shape[1] > 0)
        g_string_append_printf (header, ",%zu", shape[1]);
      g_string_append_printf (header, "],\"data_offsets\":[%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "]}",
                              offset, end);
      offset = end;
    }
  g_string_append_c (header, '}');
  while (header->len % 8 != 0)
    g_string_append_c (header, ' ');
  size = GUINT64_TO_LE ((guint64) header->len);
  g_string_prepend_len (header, (const char *) &size, 8);
  fixture_write_file (fixture, "model.safetensors", header->str, (gssize) header->len);
  g_assert_cmpint (truncate (path, (off_t) (header->len + offset)), ==, 0);
  fixture_write_file (fixture, "config.json",
                      "{\"model_type\": \"optical-gpt\", \"n_embd\": 8192, \"n_layer\": 9, \"n_head\": 64, "
                      "\"n_positions\": 20, \"vocab_size\": 264}",
                      -1);
}

static void
test_larger_than_memory (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (LbModel) model = NULL;
  guint64 before;

  write_large_model (fixture);
  before = get_resident_bytes ();
  model = open_good (fixture->directory);
  g_assert_cmpuint (lb_model_get_config (model)->parameters, >, G_GUINT64_CONSTANT (7000000000));
  /* The embeddings and the head are read (18 MB), the blocks are not. */
  g_assert_cmpuint (get_resident_bytes () - before, <, 100000000);
}

/* Larger than the blocks that the copy works in, and not a multiple of them. */
static void
test_turned (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  const FixtureTensor *tensor = fixture_add_tensor (fixture, "x", 37, 900);
  g_autofree char *path = g_build_filename (fixture->directory, "x.safetensors", NULL);
  g_autoptr (LbSafetensors) tensors = NULL;
  g_autoptr (LbMatrix) matrix = NULL;
  g_autoptr (GError) error = NULL;

  fixture_write_tensors (fixture, "x.safetensors", 0, -1);
  tensors = lb_safetensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (lb_safetensors_get_count (tensors), ==, 1);
  matrix =
      lb_tensor_get_matrix (lb_safetensors_lookup (tensors, "x"), LB_TENSOR_TRANSPOSED, 300, 600, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (matrix->rows, ==, 600);
  g_assert_cmpuint (matrix->columns, ==, 37);
  for (gsize i = 0; i < 600; i++)
    for (gsize j = 0; j < 37; j++)
      g_assert_cmpfloat (lb_matrix_get (matrix, i, j), ==, (float) tensor->values[j * 900 + 300 + i]);
}

static void
test_shards (void)
{
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (LbModel) model = NULL;

  fixture_add_optical (fixture, "F32");
  fixture_write_tensors (fixture, "model-00001-of-00002.safetensors", 0, 10);
  fixture_write_tensors (fixture, "model-00002-of-00002.safetensors", 10, (int) fixture->tensors->len - 10);
  fixture_write_file (fixture, "model.safetensors.index.json",
                      "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {"
                      "\"wte.weight\": \"model-00001-of-00002.safetensors\", "
                      "\"wpe.weight\": \"model-00001-of-00002.safetensors\", "
                      "\"head.weight\": \"model-00002-of-00002.safetensors\"}}",
                      -1);
  model = open_good (fixture->directory);
  assert_same_weight (lb_model_get_weight (model, 1, LB_OP_WO), fixture_find (fixture, "h.1.attn.wo.weight"));
  g_clear_object (&model);

  fixture_write_tensors (fixture, "model-00002-of-00002.safetensors", 9, (int) fixture->tensors->len - 9);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "another file of the model has it too");
  fixture_write_tensors (fixture, "model-00002-of-00002.safetensors", 11, (int) fixture->tensors->len - 11);
  assert_refused (fixture, LB_MODEL_ERROR_MISSING, "h.0.mlp.w1.weight");

  fixture_write_file (fixture, "model.safetensors.index.json",
                      "{\"weight_map\": {\"wte.weight\": \"../secret.safetensors\"}}", -1);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "file name");
  fixture_write_file (fixture, "model.safetensors.index.json",
                      "{\"weight_map\": {\"wte.weight\": \"model-00009.safetensors\"}}", -1);
  assert_refused (fixture, LB_MODEL_ERROR_MISSING, "model-00009");
  fixture_write_file (fixture, "model.safetensors.index.json", "{}", -1);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "weight_map");
}

typedef struct
{
  const char *old;
  const char *new;
  int code;
  const char *part;
} Change;

static void
test_config (void)
{
  static const Change changes[] = {
    { "{", "[", LB_MODEL_ERROR_FORMAT, "JSON" },
    { "optical-gpt", "llama", LB_MODEL_ERROR_FORMAT, "llama" },
    { "relu6", "silu", LB_MODEL_ERROR_FORMAT, "silu" },
    { "\"model_type\"", "\"model_kind\"", LB_MODEL_ERROR_FORMAT, "model_type" },
    { "\"n_head\": 3", "\"n_head\": 5", LB_MODEL_ERROR_FORMAT, "n_head" },
    { "\"n_head\": 3", "\"n_head\": 0", LB_MODEL_ERROR_FORMAT, "n_head" },
    { "\"n_head\": 3", "\"n_head\": \"3\"", LB_MODEL_ERROR_FORMAT, "n_head" },
    { "\"n_embd\": 24", "\"n_embd\": 1e99", LB_MODEL_ERROR_FORMAT, "n_embd" },
    { "\"n_embd\": 24", "\"n_embd\": 99999999999999999999999", LB_MODEL_ERROR_FORMAT, "n_embd" },
    { "\"n_layer\": 2", "\"n_layer\": -2", LB_MODEL_ERROR_FORMAT, "n_layer" },
    { "\"n_positions\"", "\"n_pos\"", LB_MODEL_ERROR_FORMAT, "n_positions" },
    { "1e-05", "0", LB_MODEL_ERROR_FORMAT, "layer_norm_epsilon" },
    { "1e-05", "1e-05, \"slm_floor\": 2", LB_MODEL_ERROR_FORMAT, "slm_floor" },
    { "1e-05", "1e-05, \"scale_attn_by_inverse_layer_idx\": true", LB_MODEL_ERROR_FORMAT, "scale_attn" },
    { "\"n_embd\": 24", "\"n_embd\": 24, \"n_embd\": 48", LB_MODEL_ERROR_FORMAT, "stands twice" },
    { "\"n_embd\": 24", "\"n_embd\": 48", LB_MODEL_ERROR_SHAPE, "(264, 48)" },
    { "\"n_layer\": 2", "\"n_layer\": 3", LB_MODEL_ERROR_MISSING, "h.2.ln_1.weight" },
    { "\"n_positions\": 20", "\"n_positions\": 21", LB_MODEL_ERROR_SHAPE, "wpe.weight" },
    { "\"vocab_size\": 264", "\"vocab_size\": 272", LB_MODEL_ERROR_SHAPE, "wte.weight" },
    { "\"n_inner\": null", "\"n_inner\": 95", LB_MODEL_ERROR_SHAPE, "h.0.mlp.w1.weight" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr (Fixture) fixture = new_optical ("F32");

      change_file (fixture, "config.json", changes[i].old, changes[i].new);
      assert_refused (fixture, changes[i].code, changes[i].part);
    }
}

static void
test_missing (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) none = lb_model_open ("/no/such/folder", &error);

  g_assert_null (none);
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_MISSING);
  fixture_remove_file (fixture, "model.safetensors");
  assert_refused (fixture, LB_MODEL_ERROR_MISSING, "model.safetensors");
  fixture_remove_tensor (fixture, "h.1.attn.wv.weight");
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  assert_refused (fixture, LB_MODEL_ERROR_MISSING, "h.1.attn.wv.weight");
  fixture_remove_file (fixture, "config.json");
  assert_refused (fixture, LB_MODEL_ERROR_MISSING, "config.json");
}

static void
test_truncated (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autofree char *path = g_build_filename (fixture->directory, "model.safetensors", NULL);
  g_autofree char *contents = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  fixture_write_file (fixture, "model.safetensors", contents, 0);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "0 bytes");
  fixture_write_file (fixture, "model.safetensors", contents, 7);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "7 bytes");
  fixture_write_file (fixture, "model.safetensors", contents, 200);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "cut off");
  fixture_write_file (fixture, "model.safetensors", contents, (gssize) length - 4);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "cut off");
  fixture_write_file (fixture, "model.safetensors", contents, (gssize) length / 2);
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "cut off");
}

static void
test_header_size (void)
{
  static const guint64 sizes[] = { 0, 1, G_GUINT64_CONSTANT (1) << 60, G_MAXUINT64, 150000000 };
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autofree char *path = g_build_filename (fixture->directory, "model.safetensors", NULL);
  g_autofree char *contents = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      guint64 size = GUINT64_TO_LE (sizes[i]);

      memcpy (contents, &size, 8);
      fixture_write_file (fixture, "model.safetensors", contents, (gssize) length);
      assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "model.safetensors");
    }
}

static void
test_header (void)
{
  /* The same length, so that nothing else changes. */
  static const Change changes[] = {
    { "\"data_offsets\":[0,25344]", "\"data_offsets\":[4,25348]", LB_MODEL_ERROR_FORMAT, "wte.weight" },
    { "[25344,27264]", "[25340,27260]", LB_MODEL_ERROR_FORMAT, "overlap" },
    { "[25344,27264]", "[25348,27268]", LB_MODEL_ERROR_FORMAT, "wpe.weight" },
    { "[25344,27264]", "[25344,27260]", LB_MODEL_ERROR_FORMAT, "disagree" },
    { "[25344,27264]", "[27264,25344]", LB_MODEL_ERROR_FORMAT, "wpe.weight" },
    { "[25344,27264]", "[-5344,27264]", LB_MODEL_ERROR_FORMAT, "wpe.weight" },
    { "[25344,27264]", "[2534,999999]", LB_MODEL_ERROR_FORMAT, "cut off" },
    { "\"shape\":[20,24]", "\"shape\":[20,-4]", LB_MODEL_ERROR_FORMAT, "shape" },
    { "\"shape\":[20,24]", "\"shape\":[\"aaa\"]", LB_MODEL_ERROR_FORMAT, "shape" },
    { "\"shape\":[20,24]", "\"shape\":[480]  ", LB_MODEL_ERROR_SHAPE, "(480)" },
    { "\"shape\":[20,24]", "\"shape\":[24,20]", LB_MODEL_ERROR_SHAPE, "(24, 20)" },
    { "\"dtype\":\"F32\"", "\"dtype\":\"I32\"", LB_MODEL_ERROR_FORMAT, "I32" },
    { "\"dtype\":\"F32\"", "\"dtype\":\"Q32\"", LB_MODEL_ERROR_FORMAT, "wte.weight" },
    { "\"dtype\":\"F32\"", "\"dtype\":\"F16\"", LB_MODEL_ERROR_FORMAT, "disagree" },
    { "\"wpe.weight\"", "\"wte.weight\"", LB_MODEL_ERROR_FORMAT, "“wte.weight” stands twice" },
    { "\"wpe.weight\"", "\"wpx.weight\"", LB_MODEL_ERROR_MISSING, "wpe.weight" },
    { "\"wpe.weight\"", "\"\\ud800eigh\"", LB_MODEL_ERROR_FORMAT, "JSON" },
    { "\"wpe.weight\"",
      "\"wpe\xff"
      "weight\"",
      LB_MODEL_ERROR_FORMAT, "JSON" },
    { "{\"format\":\"pt\"}", "{\"f\":{\"p\":{ }}}", LB_MODEL_ERROR_FORMAT, "JSON" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (changes); i++)
    {
      g_autoptr (Fixture) fixture = new_optical ("F32");

      g_assert_cmpuint (strlen (changes[i].old), ==, strlen (changes[i].new));
      change_file (fixture, "model.safetensors", changes[i].old, changes[i].new);
      assert_refused (fixture, changes[i].code, changes[i].part);
    }
}

/* A header that would overflow the stack of a parser that recurses. */
static void
test_deep_header (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  const gsize depth = 1000000;
  g_autofree char *contents = g_malloc (8 + depth);
  guint64 size = GUINT64_TO_LE ((guint64) depth);

  memcpy (contents, &size, 8);
  memset (contents + 8, '[', depth);
  fixture_write_file (fixture, "model.safetensors", contents, (gssize) (8 + depth));
  assert_refused (fixture, LB_MODEL_ERROR_FORMAT, "JSON");
}

static void
test_values (void)
{
  static const char *const names[] = { "wte.weight", "h.1.attn.wk.weight", "h.0.ln_2.bias", "head.bias" };
  static const char *const dtypes[] = { "F32", "F16", "BF16" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint j = 0; j < G_N_ELEMENTS (dtypes); j++)
      {
        g_autoptr (Fixture) fixture = fixture_new ();

        fixture_add_optical (fixture, dtypes[j]);
        fixture_find (fixture, names[i])->values[11] = i % 2 == 0 ? NAN : -INFINITY;
        fixture_write_tensors (fixture, "model.safetensors", 0, -1);
        assert_refused (fixture, LB_MODEL_ERROR_VALUE, names[i]);
      }
}

static void
test_ranges (void)
{
  static const double good[] = { -1, 1, -2, 2, 0, 3 };
  static const double empty[] = { -1, 1, 2, -2, 0, 3 };
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (LbModel) model = NULL;

  fixture_add_optical (fixture, "F32");
  fixture_add_range (fixture, "h.1.attn.mm2.range", good);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  model = open_good (fixture->directory);
  g_assert_false (lb_model_get_config (model)->quantised);
  g_assert_null (lb_model_get_ranges (model, 0, LB_OP_AV));
  g_assert_null (lb_model_get_ranges (model, 1, LB_OP_QK));
  for (guint i = 0; i < 6; i++)
    g_assert_cmpfloat ((double) lb_model_get_ranges (model, 1, LB_OP_AV)[i], ==, good[i]);

  memcpy (fixture_find (fixture, "h.1.attn.mm2.range")->values, empty, sizeof empty);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  assert_refused (fixture, LB_MODEL_ERROR_VALUE, "h.1.attn.mm2.range");
}

static void
test_sigma_means (void)
{
  static const double good[] = { 0.25, 0.5, 0, 3 };
  g_autoptr (Fixture) fixture = fixture_new ();
  g_autoptr (LbModel) model = NULL;
  FixtureTensor *heads, *bad;
  const float *means;

  fixture_add_optical (fixture, "F32");
  memcpy (fixture_add_tensor (fixture, "h.0.mlp.w1.sigma_mean", 0, 4)->values, good, sizeof good);
  memcpy (fixture_add_tensor (fixture, "h.1.attn.mm1.sigma_mean", 0, 4)->values, good, sizeof good);
  heads = fixture_add_tensor (fixture, "h.1.attn.mm2.sigma_mean", FIXTURE_HEADS, 4);
  for (guint i = 0; i < heads->count; i++)
    heads->values[i] = i / 8.0;
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  model = open_good (fixture->directory);

  g_assert_null (lb_model_get_sigma_means (model, 0, LB_OP_WQ));
  g_assert_null (lb_model_get_sigma_means (model, 1, LB_OP_W1));
  g_assert_null (lb_model_get_ranges (model, 0, LB_OP_W1));
  means = lb_model_get_sigma_means (model, 0, LB_OP_W1);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpfloat ((double) means[i], ==, good[i]);
  /* Four values alone hold for every head. */
  means = lb_model_get_sigma_means (model, 1, LB_OP_QK);
  for (guint i = 0; i < 4 * FIXTURE_HEADS; i++)
    g_assert_cmpfloat ((double) means[i], ==, good[i % 4]);
  means = lb_model_get_sigma_means (model, 1, LB_OP_AV);
  for (guint i = 0; i < 4 * FIXTURE_HEADS; i++)
    g_assert_cmpfloat ((double) means[i], ==, i / 8.0);

  heads->values[7] = -0.5;
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  assert_refused (fixture, LB_MODEL_ERROR_VALUE, "h.1.attn.mm2.sigma_mean");
  heads->values[7] = 0.5;
  bad = fixture_add_tensor (fixture, "h.1.mlp.w2.sigma_mean", FIXTURE_HEADS, 4);
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  assert_refused (fixture, LB_MODEL_ERROR_SHAPE, "h.1.mlp.w2.sigma_mean");
  bad->axes = 1;
  bad->shape[0] = bad->count;
  fixture_write_tensors (fixture, "model.safetensors", 0, -1);
  assert_refused (fixture, LB_MODEL_ERROR_SHAPE, "h.1.mlp.w2.sigma_mean");
}

/* Random damage must end in an error or a model, never in a crash. */
static void
test_random_damage (void)
{
  g_autoptr (Fixture) fixture = new_optical ("F32");
  g_autofree char *path = g_build_filename (fixture->directory, "model.safetensors", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (17);
  guint refused = 0;
  gsize length;
  guint64 header;

  g_assert_true (g_file_get_contents (path, &contents, &length, NULL));
  memcpy (&header, contents, 8);
  header = GUINT64_FROM_LE (header);
  for (guint round = 0; round < 400; round++)
    {
      g_autofree char *damaged = g_memdup2 (contents, length);
      g_autoptr (GError) error = NULL;
      g_autoptr (LbModel) model = NULL;

      for (int n = g_rand_int_range (rand, 1, 4); n > 0; n--)
        damaged[g_rand_int_range (rand, 0, 8 + (gint32) header)] = (char) g_rand_int_range (rand, 0, 256);
      fixture_write_file (fixture, "model.safetensors", damaged, (gssize) length);
      model = lb_model_open (fixture->directory, &error);
      g_assert_true ((model == NULL) == (error != NULL));
      refused += model == NULL ? 1 : 0;
    }
  g_assert_cmpuint (refused, >, 300);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/transformer/model/shipped-model-is-what-its-config-says", test_shipped);
  g_test_add_func ("/transformer/model/operators-have-names", test_names);
  g_test_add_func ("/transformer/model/opens-by-name-and-by-folder", test_named);
  g_test_add_func ("/transformer/model/f32-f16-and-bf16-give-the-same-weights", test_dtypes);
  g_test_add_func ("/transformer/model/halves-convert-exactly", test_halves);
  g_test_add_func ("/transformer/model/f32-weights-are-not-copied", test_mapped);
  g_test_add_func ("/transformer/model/gpt2-weights-are-split-and-turned", test_gpt2_layout);
  g_test_add_func ("/transformer/model/gpt2-configs-of-many-kinds-are-read", test_gpt2_configs);
  g_test_add_func ("/transformer/model/a-head-that-is-not-tied-must-be-there", test_untied_head);
  g_test_add_func ("/transformer/model/model-larger-than-memory-is-not-read-whole", test_larger_than_memory);
  g_test_add_func ("/transformer/model/turned-tensors-of-any-size-are-right", test_turned);
  g_test_add_func ("/transformer/model/sharded-files-are-one-model", test_shards);
  g_test_add_func ("/transformer/model/bad-config-gives-one-clear-line", test_config);
  g_test_add_func ("/transformer/model/missing-parts-give-one-clear-line", test_missing);
  g_test_add_func ("/transformer/model/truncated-file-gives-one-clear-line", test_truncated);
  g_test_add_func ("/transformer/model/absurd-header-size-gives-one-clear-line", test_header_size);
  g_test_add_func ("/transformer/model/damaged-header-gives-one-clear-line", test_header);
  g_test_add_func ("/transformer/model/deeply-nested-header-gives-one-clear-line", test_deep_header);
  g_test_add_func ("/transformer/model/weights-that-are-not-finite-give-one-clear-line", test_values);
  g_test_add_func ("/transformer/model/ranges-are-read-where-they-are", test_ranges);
  g_test_add_func ("/transformer/model/sigma-means-are-read-where-they-are", test_sigma_means);
  g_test_add_func ("/transformer/model/random-damage-never-crashes", test_random_damage);

  return g_test_run ();
}
