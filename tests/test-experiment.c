/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <lb-experiment-private.h>
#include <lb-forward.h>
#include <lb-perplexity.h>
#include <lb-random.h>
#include <lb-report.h>
#include <lb-simulated.h>
#include <lb-tokenizer.h>
#include <lb-workflow.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "folder-fixture.h"
#include "model-fixture.h"

/* The whole way in one process: a simulated bench is calibrated and measures,
 * on small planes. M runs in the test's thread, the work in another. */

typedef struct
{
  LbBench *bench;
  LbCalibrationSet *calibrations;
  LbSession *session;
  char *folder;
  GMainLoop *loop;
} Place;

static void
fixture_set_up (Place *fixture, gconstpointer data)
{
  const LbBenchOptions options = { .seed = 11, .world_seed = 11 };
  g_autoptr (LbSetup) setup = NULL;
  g_autofree char *path = NULL;
  g_autoptr (LbQuantities) identities = NULL;
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("lightbench-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("LIGHTBENCH_HOME", fixture->folder, TRUE);
  setup = lb_setup_load ("simulated", LB_FIDELITY_FAST, &error);
  g_assert_no_error (error);
  fixture->bench = lb_bench_new (setup, &options, &error);
  g_assert_no_error (error);
  lb_bench_connect (fixture->bench, NULL, &error);
  g_assert_no_error (error);
  path = g_build_filename (fixture->folder, "test.lbsession", NULL);
  identities = lb_bench_dup_identities (fixture->bench);
  fixture->session = lb_session_open (path, lb_setup_get_name (setup), identities, &error);
  g_assert_no_error (error);
  fixture->calibrations = lb_workflow_load_calibrations (fixture->bench, fixture->session, &error);
  g_assert_no_error (error);
  fixture->loop = g_main_loop_new (NULL, FALSE);
}

static void
fixture_tear_down (Place *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  lb_bench_disconnect (fixture->bench, NULL, &error);
  g_assert_no_error (error);
  lb_session_close (fixture->session, &error);
  g_assert_no_error (error);
  g_clear_object (&fixture->session);
  g_clear_object (&fixture->calibrations);
  g_clear_object (&fixture->bench);
  g_main_loop_unref (fixture->loop);
  folder_fixture_remove (fixture->folder);
  g_free (fixture->folder);
}

/* What products need; that it holds is another test's matter. All benches here
 * are of one world: what the first measured the others take over. */
static void
calibrate (Place *fixture)
{
  const char *const steps[] = { "dark", "alignment", "response", "background", "flat-field", NULL };
  static GPtrArray *results;
  g_autoptr (GError) error = NULL;

  if (results == NULL)
    {
      results = g_ptr_array_new_with_free_func (g_object_unref);
      lb_workflow_calibrate (fixture->bench, fixture->calibrations, fixture->session, steps, results, NULL,
                             NULL, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (results->len, ==, G_N_ELEMENTS (steps) - 1);
    }
  for (guint i = 0; i < results->len; i++)
    lb_calibration_set_put (fixture->calibrations, g_ptr_array_index (results, i));
  g_assert_true (lb_calibration_set_is_complete (fixture->calibrations));
  g_assert_cmpint (lb_bench_get_light (fixture->bench), ==, LB_LIGHT_ARMED);
}

static void
test_uncalibrated_is_refused (Place *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, FALSE };
  const guint length = 16;
  g_autoptr (LbExperiment) experiment = lb_dot_product_experiment_new (&length, 1, 10, 2000, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) runs = NULL;

  g_assert_false (lb_experiment_run (experiment, &place, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_NOT_CALIBRATED);
  runs = lb_session_list_runs (fixture->session, NULL);
  g_assert_cmpuint (runs->len, ==, 0);
}

static void
count_snapshot_cb (LbSnapshot *snapshot, gpointer user_data)
{
  guint *finished = user_data;

  g_assert_cmpfloat (snapshot->fraction, >=, 0);
  g_assert_cmpfloat (snapshot->fraction, <=, 1);
  g_assert_cmpuint (snapshot->figures->len, >=, 2);
  *finished += snapshot->finished;
}

static void
test_session_from_calibration_to_report (Place *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench,
                                    fixture->calibrations,
                                    fixture->session,
                                    TRUE,
                                    { LB_SENTINELS_EVERY, 0, LB_SENTINELS_CONTINUE } };
  g_autoptr (LbExperiment) experiment = NULL;
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *report = g_build_filename (fixture->folder, "report.pdf", NULL);
  const LbQuantities *results;
  const LbSessionRun *run;
  guint64 forecast;
  double seconds;
  guint finished = 0;

  calibrate (fixture);
  experiment = lb_attention_experiment_new (NULL, NULL, 1, 2, 20, 2000, &error);
  g_assert_no_error (error);
  lb_experiment_forecast (experiment, &place, &forecast, &seconds, &error);
  g_assert_no_error (error);
  lb_experiment_run (experiment, &place, count_snapshot_cb, &finished, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (finished, ==, 1);
  results = lb_experiment_get_results (experiment);
  g_assert_cmpfloat (lb_quantities_get (results, "dot_products", 0), ==, 400);
  g_assert_cmpfloat (lb_quantities_get (results, "normalised_error", 1), <, 0.0565);
  g_assert_cmpfloat (lb_quantities_get (results, "correlation", 0), >, 0.99);
  g_assert_cmpfloat (lb_quantities_get (results, "sentinels", 0), ==, 2);
  g_assert_cmpfloat (lb_quantities_get (results, "exposures", 0), >=, forecast);
  g_assert_cmpfloat (lb_quantities_get (results, "exposures", 0), <, 1.03 * (double) forecast);

  runs = lb_session_list_runs (fixture->session, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (runs->len, ==, 1);
  run = g_ptr_array_index (runs, 0);
  g_assert_cmpint (run->state, ==, LB_RUN_FINISHED);
  g_assert_cmpint (run->rows, ==, 400);
  rows = lb_session_get_rows (fixture->session, run->id, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 400);
  for (guint i = 0; i < rows->len; i++)
    g_assert_true (isfinite (g_array_index (rows, LbSessionRow, i).uncalibrated));
  lb_report_write_pdf (fixture->session, report, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_test (report, G_FILE_TEST_IS_REGULAR));
}

#define FAULTY_PRODUCTS 200

/* Two products; the source is displaced between them. */
typedef struct
{
  LbExperiment parent;
  Place *place;
  guint held;
} FaultyExperiment;

typedef struct
{
  LbExperimentClass parent_class;
} FaultyExperimentClass;

static GType faulty_experiment_get_type (void);
G_DEFINE_TYPE (FaultyExperiment, faulty_experiment, lb_experiment_get_type ())

static LbMatrix *
signed_matrix (guint stream)
{
  LbMatrix *matrix = lb_matrix_new (FAULTY_PRODUCTS, 64);

  for (guint r = 0; r < FAULTY_PRODUCTS; r++)
    {
      lb_random_uniform_fill (lb_random_key (5), stream, r * 64, 64, lb_matrix_row (matrix, r));
      for (guint i = 0; i < 64; i++)
        lb_matrix_row (matrix, r)[i] = 2 * lb_matrix_row (matrix, r)[i] - 1;
    }
  return matrix;
}

static gboolean
faulty_prepare (LbExperiment *experiment, GError **error)
{
  for (guint part = 0; part < 2; part++)
    lb_experiment_add_part (experiment, signed_matrix (2 * part), signed_matrix (2 * part + 1), TRUE,
                            LB_PRODUCT_LINEAR);
  return TRUE;
}

static gboolean
faulty_measure (LbExperiment *experiment, LbEngine *engine, GCancellable *cancellable, GError **error)
{
  FaultyExperiment *self = (FaultyExperiment *) experiment;

  if (!lb_experiment_measure_part (experiment, engine, 0, cancellable, error))
    return FALSE;
  lb_simulated_set_fault (lb_bench_get_device (self->place->bench, LB_ROLE_CAMERA), "misalign", TRUE);
  return lb_experiment_measure_part (experiment, engine, 1, cancellable, error);
}

static char *
faulty_dup_title (LbExperiment *experiment)
{
  return g_strdup ("Displaced");
}

static void
faulty_add_settings (LbExperiment *experiment, LbQuantities *settings)
{
}

static void
faulty_experiment_class_init (FaultyExperimentClass *klass)
{
  LbExperimentClass *experiment_class = (LbExperimentClass *) klass;

  experiment_class->kind = "dot-product";
  experiment_class->prepare = faulty_prepare;
  experiment_class->measure = faulty_measure;
  experiment_class->dup_title = faulty_dup_title;
  experiment_class->add_settings = faulty_add_settings;
}

static void
faulty_experiment_init (FaultyExperiment *self)
{
}

/* Goes on where it is held. */
static void
faulty_snapshot_cb (LbSnapshot *snapshot, gpointer user_data)
{
  FaultyExperiment *self = user_data;

  if (!snapshot->held)
    return;
  self->held++;
  g_assert_nonnull (strstr (snapshot->message, "sentinel"));
  g_assert_cmpint (lb_bench_get_light (self->place->bench), ==, LB_LIGHT_ARMED);
  lb_experiment_set_paused ((LbExperiment *) self, FALSE);
}

/* @rows: that it stored. */
static FaultyExperiment *
run_misaligned (Place *fixture, LbSentinelAction action, GArray **rows, GError **error)
{
  const LbExperimentPlace place = {
    fixture->bench, fixture->calibrations, fixture->session, FALSE, { 4, 0, action }
  };
  FaultyExperiment *self = g_object_new (faulty_experiment_get_type (), NULL);

  calibrate (fixture);
  self->place = fixture;
  lb_experiment_set_photons ((LbExperiment *) self, 2000);
  lb_experiment_run ((LbExperiment *) self, &place, faulty_snapshot_cb, self, NULL, error);
  lb_simulated_set_fault (lb_bench_get_device (fixture->bench, LB_ROLE_CAMERA), "misalign", FALSE);
  *rows = lb_session_get_rows (fixture->session, lb_experiment_get_run ((LbExperiment *) self), NULL);
  return self;
}

static double
result (FaultyExperiment *self, const char *name)
{
  return lb_quantities_get (lb_experiment_get_results ((LbExperiment *) self), name, NAN);
}

static guint
count_doubted (const GArray *rows)
{
  guint count = 0;

  for (guint i = 0; i < rows->len; i++)
    count += g_array_index (rows, LbSessionRow, i).in_doubt;
  return count;
}

static void
test_sentinels (Place *fixture, gconstpointer data)
{
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GArray) sentinels = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *report = g_build_filename (fixture->folder, "report.pdf", NULL);
  g_autoptr (LbExperiment) experiment = NULL;
  FaultyExperiment *self = run_misaligned (fixture, LB_SENTINELS_CONTINUE, &rows, &error);

  experiment = (LbExperiment *) self;
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 2 * FAULTY_PRODUCTS);
  g_assert_cmpfloat (result (self, "sentinels_failed"), >, 1);
  g_assert_cmpfloat (result (self, "in_doubt"), ==, count_doubted (rows));
  for (guint i = 0; i < rows->len; i++)
    if (i < FAULTY_PRODUCTS - 100 || i >= FAULTY_PRODUCTS)
      g_assert_cmpint (g_array_index (rows, LbSessionRow, i).in_doubt, ==, i >= FAULTY_PRODUCTS);
  sentinels = lb_session_list_sentinels (fixture->session, lb_experiment_get_run (experiment), &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (sentinels->len, ==, result (self, "sentinels"));
  g_assert_true (lb_session_verify (fixture->session, &error));
  lb_report_write_pdf (fixture->session, report, NULL, &error);
  g_assert_no_error (error);
}

static void
test_sentinel_recalibrates (Place *fixture, gconstpointer data)
{
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbExperiment) experiment = NULL;
  FaultyExperiment *self = run_misaligned (fixture, LB_SENTINELS_RECALIBRATE, &rows, &error);

  experiment = (LbExperiment *) self;
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 2 * FAULTY_PRODUCTS);
  g_assert_cmpfloat (result (self, "recalibrations"), ==, 1);
  g_assert_cmpfloat (result (self, "sentinels_failed"), ==, 1);
  g_assert_cmpuint (count_doubted (rows), >, 0);
  g_assert_cmpuint (count_doubted (rows), <, 150);
  g_assert_cmpfloat (result (self, "in_doubt"), ==, count_doubted (rows));
}

static void
test_sentinel_holds (Place *fixture, gconstpointer data)
{
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbExperiment) experiment = NULL;
  FaultyExperiment *self = run_misaligned (fixture, LB_SENTINELS_HOLD, &rows, &error);

  experiment = (LbExperiment *) self;
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 2 * FAULTY_PRODUCTS);
  g_assert_cmpuint (self->held, >, 0);
  /* The last sentinel does not hold what has ended. */
  g_assert_cmpfloat (self->held, >=, result (self, "sentinels_failed") - 1);
}

static void
test_sentinel_ends (Place *fixture, gconstpointer data)
{
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (LbExperiment) experiment = NULL;
  FaultyExperiment *self = run_misaligned (fixture, LB_SENTINELS_END, &rows, &error);

  experiment = (LbExperiment *) self;
  g_assert_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SENTINEL);
  g_assert_cmpuint (rows->len, >=, FAULTY_PRODUCTS);
  g_assert_cmpuint (rows->len, <, 2 * FAULTY_PRODUCTS);
  g_assert_cmpfloat (result (self, "in_doubt"), ==, count_doubted (rows));
}

/* Rows of the last run, and how many runs there are. */
static GArray *
get_rows (Place *fixture, const char *kind)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) runs = lb_session_list_runs (fixture->session, &error);
  const LbSessionRun *run;
  GArray *rows;

  g_assert_no_error (error);
  g_assert_cmpuint (runs->len, ==, 1);
  run = g_ptr_array_index (runs, 0);
  g_assert_cmpstr (run->kind, ==, kind);
  g_assert_cmpint (run->state, ==, LB_RUN_FINISHED);
  rows = lb_session_get_rows (fixture->session, run->id, &error);
  g_assert_no_error (error);
  return rows;
}

static double
clamped_product (const LbMatrix *a, const LbMatrix *b, const float *ranges, guint row, guint column)
{
  double sum = 0;

  for (gsize k = 0; k < a->columns; k++)
    {
      const float x = lb_matrix_get (a, row, k), w = lb_matrix_get (b, column, k);

      sum += (double) CLAMP (x, ranges[0], ranges[1]) * (double) CLAMP (w, ranges[2], ranges[3]);
    }
  return sum;
}

static void
test_layer (Place *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, TRUE };
  g_autoptr (GError) error = NULL;
  g_autoptr (LbExperiment) experiment = lb_layer_experiment_new (NULL, NULL, 2, 0, LB_OP_W2, 7, 2000, &error);
  g_autoptr (LbModel) model = lb_model_open_named (NULL, NULL);
  g_autoptr (LbForward) forward = lb_forward_new (model);
  g_autoptr (LbTokenizer) tokenizer = lb_tokenizer_new (lb_model_get_directory (model), 2048, NULL);
  g_autoptr (GArray) tokens = lb_tokenizer_encode (tokenizer, lb_experiment_default_text (), -1, NULL);
  g_autoptr (LbMatrix) a = NULL;
  g_autoptr (LbMatrix) b = NULL;
  g_autoptr (GArray) rows = NULL;
  const LbQuantities *results;

  g_assert_no_error (error);
  calibrate (fixture);
  lb_experiment_run (experiment, &place, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  results = lb_experiment_get_results (experiment);
  g_assert_cmpfloat (lb_quantities_get (results, "normalised_error", 1), <, 0.021);
  g_assert_cmpfloat (lb_quantities_get (results, "normalised_error", 1), <,
                     lb_quantities_get (results, "normalised_error_uncalibrated", 0));
  lb_forward_get_operands (forward, (const guint32 *) (const void *) tokens->data, 7, 2, 0, LB_OP_W2, &a, &b,
                           &error);
  g_assert_no_error (error);
  rows = get_rows (fixture, "layer");
  g_assert_cmpuint (rows->len, ==, 7 * 64);
  for (guint i = 0; i < rows->len; i++)
    {
      const LbSessionRow *row = &g_array_index (rows, LbSessionRow, i);

      g_assert_cmpfloat_with_epsilon (
          row->ideal, clamped_product (a, b, lb_model_get_ranges (model, 2, LB_OP_W2), row->row, row->column),
          1e-9);
    }
}

static void
test_wrong_layers (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (lb_layer_experiment_new (NULL, NULL, 4, 0, LB_OP_W1, 8, 2000, &error));
  g_assert_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS);
  g_clear_error (&error);
  g_assert_null (lb_layer_experiment_new (NULL, NULL, 0, 4, LB_OP_AV, 8, 2000, &error));
  g_assert_error (error, LB_EXPERIMENT_ERROR, LB_EXPERIMENT_ERROR_SETTINGS);
  g_clear_error (&error);
  g_assert_null (lb_model_experiment_new (NULL, "a", 8, 2000, &error));
  g_assert_error (error, LB_MODEL_ERROR, LB_MODEL_ERROR_TEXT);
}

#define MODEL_TEXT "abcd dcba ab"
#define MODEL_TOKENS 6

static Fixture *
make_model (void)
{
  Fixture *files = fixture_new ();

  fixture_add_optical (files, "F32");
  fixture_write_tensors (files, "model.safetensors", 0, -1);
  fixture_write_vocabulary (files);
  return files;
}

/* Mean loss of a digital pass. */
static double
digital_loss (const char *directory)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open (directory, &error);
  g_autoptr (LbForward) forward = lb_forward_new (model);
  g_autoptr (LbTokenizer) tokenizer = lb_tokenizer_new (directory, FIXTURE_VOCABULARY, &error);
  g_autoptr (GArray) tokens = lb_tokenizer_encode (tokenizer, MODEL_TEXT, -1, &error);
  const guint32 *ids = (const guint32 *) (const void *) tokens->data;
  g_autoptr (LbMatrix) logits = lb_forward_run (forward, ids, MODEL_TOKENS, 0, NULL, NULL, &error);
  double losses[MODEL_TOKENS], sum = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (tokens->len, >, MODEL_TOKENS);
  lb_cross_entropy (logits, ids + 1, losses);
  for (guint i = 0; i < MODEL_TOKENS; i++)
    sum += losses[i];
  return sum / MODEL_TOKENS;
}

/* What a whole block has of dot products, by operator. */
static const guint block[LB_N_OPS] = {
  MODEL_TOKENS * FIXTURE_WIDTH,     MODEL_TOKENS *FIXTURE_WIDTH,
  MODEL_TOKENS *FIXTURE_WIDTH,      FIXTURE_HEADS *MODEL_TOKENS *MODEL_TOKENS,
  MODEL_TOKENS *FIXTURE_WIDTH,      MODEL_TOKENS *FIXTURE_WIDTH,
  MODEL_TOKENS * 4 * FIXTURE_WIDTH, MODEL_TOKENS *FIXTURE_WIDTH,
};

static void
check_groups (GArray *groups, GArray *rows)
{
  guint stored[FIXTURE_LAYERS * LB_N_OPS] = { 0 };

  g_assert_cmpuint (groups->len, ==, FIXTURE_LAYERS * LB_N_OPS);
  for (guint i = 0; i < rows->len; i++)
    stored[g_array_index (rows, LbSessionRow, i).group]++;
  for (guint i = 0; i < groups->len; i++)
    {
      const LbExperimentGroup *group = &g_array_index (groups, LbExperimentGroup, i);
      g_autofree char *name = g_strdup_printf ("layer %u, %s", i / LB_N_OPS,
                                               lb_transformer_op_get_name ((LbTransformerOp) (i % LB_N_OPS)));

      g_test_message ("%s: normalised error %g", name, group->figures.normalised_error);
      g_assert_cmpstr (group->name, ==, name);
      g_assert_cmpuint (group->figures.count, ==, block[i % LB_N_OPS]);
      g_assert_cmpuint (stored[i], ==, block[i % LB_N_OPS]);
      g_assert_cmpuint (group->uncalibrated.count, ==, 0);
      g_assert_cmpfloat (group->figures.normalised_error, <, 0.1);
      g_assert_cmpfloat (group->figures.correlation, >, 0.98);
    }
}

/* Largest difference between the ideal values of @layer's wq and the products of
 * its operands in a digital pass. */
static double
operand_difference (const char *directory, const GArray *rows, guint layer)
{
  static const float open[] = { -INFINITY, INFINITY, -INFINITY, INFINITY };
  g_autoptr (GError) error = NULL;
  g_autoptr (LbModel) model = lb_model_open (directory, &error);
  g_autoptr (LbForward) forward = lb_forward_new (model);
  g_autoptr (LbTokenizer) tokenizer = lb_tokenizer_new (directory, FIXTURE_VOCABULARY, &error);
  g_autoptr (GArray) tokens = lb_tokenizer_encode (tokenizer, MODEL_TEXT, -1, &error);
  g_autoptr (LbMatrix) a = NULL;
  g_autoptr (LbMatrix) b = NULL;
  double difference = 0;

  lb_forward_get_operands (forward, (const guint32 *) (const void *) tokens->data, MODEL_TOKENS, layer, 0,
                           LB_OP_WQ, &a, &b, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < rows->len; i++)
    {
      const LbSessionRow *row = &g_array_index (rows, LbSessionRow, i);

      if (row->group == layer * LB_N_OPS + LB_OP_WQ)
        difference =
            fmax (difference, fabs (row->ideal - clamped_product (a, b, open, row->row, row->column)));
    }
  return difference;
}

static void
test_model (Place *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, TRUE };
  g_autoptr (Fixture) files = make_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (LbExperiment) experiment =
      lb_model_experiment_new (files->directory, MODEL_TEXT, MODEL_TOKENS, 2000, &error);
  g_autoptr (GArray) rows = NULL;
  const LbQuantities *results;
  const GPtrArray *predictions;
  const LbPrediction *last;
  guint64 forecast;
  double seconds, ideal = digital_loss (files->directory);
  guint finished = 0;

  g_assert_no_error (error);
  calibrate (fixture);
  lb_experiment_forecast (experiment, &place, &forecast, &seconds, &error);
  g_assert_no_error (error);
  lb_experiment_run (experiment, &place, count_snapshot_cb, &finished, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (finished, ==, 1);
  results = lb_experiment_get_results (experiment);
  g_assert_cmpfloat_with_epsilon (log (lb_quantities_get (results, "perplexity_ideal", 1)), ideal, 1e-9);
  g_assert_cmpfloat (lb_quantities_get (results, "perplexity", NAN), !=,
                     lb_quantities_get (results, "perplexity_ideal", NAN));
  g_assert_cmpfloat (fabs (log (lb_quantities_get (results, "perplexity", 0)) - ideal), <, 0.5);
  g_assert_cmpfloat (lb_quantities_get (results, "logits_relative_error", 1), <, 0.5);
  g_assert_cmpfloat (lb_quantities_get (results, "predicted_tokens", 0), ==, MODEL_TOKENS);
  g_assert_cmpfloat (lb_quantities_get (results, "unusable", 1), ==, 0);
  g_assert_cmpfloat (fabs (lb_quantities_get (results, "exposures", 0) - (double) forecast), <,
                     0.05 * (double) forecast);
  rows = get_rows (fixture, "model");
  check_groups (lb_experiment_get_groups (experiment), rows);
  /* What the bench gives goes into the next product. */
  g_assert_cmpfloat (operand_difference (files->directory, rows, 0), <, 1e-9);
  g_assert_cmpfloat (operand_difference (files->directory, rows, 1), >, 1e-4);
  predictions = lb_model_experiment_get_predictions (experiment);
  g_assert_cmpuint (predictions->len, ==, MODEL_TOKENS);
  last = g_ptr_array_index (predictions, MODEL_TOKENS - 1);
  g_assert_nonnull (last->next);
  g_assert_cmpfloat (last->ideal_probability, >=, exp (-last->ideal_loss));
  g_assert_cmpfloat (last->measured_probability, >=, exp (-last->measured_loss));
}

static void
cancel_cb (LbSnapshot *snapshot, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static void
test_cancelled_run_keeps_its_rows (Place *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, FALSE };
  const guint length = 256;
  g_autoptr (LbExperiment) experiment = lb_dot_product_experiment_new (&length, 1, 300, 2000, 1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (GError) error = NULL;

  calibrate (fixture);
  g_assert_false (lb_experiment_run (experiment, &place, cancel_cb, cancellable, cancellable, &error));
  g_assert_nonnull (error);
  runs = lb_session_list_runs (fixture->session, NULL);
  g_assert_cmpuint (runs->len, ==, 1);
  g_assert_cmpint (((LbSessionRun *) g_ptr_array_index (runs, 0))->state, ==, LB_RUN_ABORTED);
  g_assert_cmpint (((LbSessionRun *) g_ptr_array_index (runs, 0))->rows, >, 0);
  g_assert_cmpint (lb_bench_get_light (fixture->bench), ==, LB_LIGHT_ARMED);
}

static void
stop_cb (LbSnapshot *snapshot, gpointer user_data)
{
  lb_bench_stop (user_data);
}

/* A plane that tells of a fault once; simulated ones never do. */
static atomic_uint told_faults;

static LbModulatorFaults
peek_once (LbModulator *plane, char **text)
{
  LbModulatorFaults faults = atomic_exchange (&told_faults, LB_MODULATOR_FAULT_NONE);

  *text = g_strdup ("a window covers it");
  return faults;
}

typedef struct
{
  Place *fixture;
  LbExperiment *experiment;
  gboolean covered;
  guint held;
} Cover;

/* What the operator does, at once. */
static void
put_right (Cover *cover, const LbSnapshot *snapshot)
{
  LbBench *bench = cover->fixture->bench;
  g_autoptr (GError) error = NULL;

  cover->held++;
  g_assert_nonnull (strstr (snapshot->message, "a window covers it"));
  g_assert_cmpint (lb_bench_get_light (bench), ==, LB_LIGHT_OFF);
  lb_bench_arm (bench, &error);
  g_assert_no_error (error);
  lb_experiment_set_paused (cover->experiment, FALSE);
}

/* Among the first values; in the worker. */
static void
cover_cb (LbSnapshot *snapshot, gpointer data)
{
  Cover *cover = data;
  LbBench *bench = cover->fixture->bench;

  if (snapshot->held)
    put_right (cover, snapshot);
  if (cover->covered || snapshot->dot_products == 0)
    return;
  cover->covered = TRUE;
  atomic_store (&told_faults, LB_MODULATOR_FAULT_COVERED);
  lb_modulator_alarm (LB_MODULATOR (lb_bench_get_device (bench, LB_ROLE_WEIGHT)));
  for (guint i = 0; i < 1500 && lb_bench_get_light (bench) == LB_LIGHT_ON; i++)
    g_usleep (1000);
}

static void
test_fault_of_a_plane_pauses_the_run (Place *fixture, gconstpointer data)
{
  LbModulatorClass *klass = LB_MODULATOR_GET_CLASS (lb_bench_get_device (fixture->bench, LB_ROLE_WEIGHT));
  const guint length = 64;
  g_autoptr (LbExperiment) experiment = lb_dot_product_experiment_new (&length, 1, 300, 2000, 1);
  Cover cover = { fixture, experiment, FALSE, 0 };
  LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, FALSE };
  g_autoptr (GHashTable) seen = g_hash_table_new (g_direct_hash, g_direct_equal);
  g_autoptr (GArray) rows = NULL;
  g_autoptr (GError) error = NULL;

  calibrate (fixture);
  klass->peek = peek_once;
  place.attended = TRUE;
  lb_experiment_run (experiment, &place, cover_cb, &cover, NULL, &error);
  klass->peek = NULL;
  g_assert_no_error (error);
  g_assert_cmpuint (cover.held, ==, 1);
  g_assert_cmpfloat (lb_quantities_get (lb_experiment_get_results (experiment), "normalised_error", 1), <,
                     0.021);
  /* Each value once, those before the fault included. */
  rows = get_rows (fixture, "dot-product");
  g_assert_cmpuint (rows->len, ==, 600);
  for (guint i = 0; i < rows->len; i++)
    {
      const LbSessionRow *row = &g_array_index (rows, LbSessionRow, i);

      g_assert_true (
          g_hash_table_add (seen, GUINT_TO_POINTER (1000 * (guint) row->group + (guint) row->row)));
    }
}

/* Without anybody to put it right it ends. */
static void
test_fault_of_a_plane_ends_a_run_without_operator (Place *fixture, gconstpointer data)
{
  LbModulatorClass *klass = LB_MODULATOR_GET_CLASS (lb_bench_get_device (fixture->bench, LB_ROLE_WEIGHT));
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, FALSE };
  const guint length = 64;
  g_autoptr (LbExperiment) experiment = lb_dot_product_experiment_new (&length, 1, 300, 2000, 1);
  Cover cover = { fixture, experiment, FALSE, 0 };
  g_autoptr (GError) error = NULL;

  calibrate (fixture);
  klass->peek = peek_once;
  g_assert_false (lb_experiment_run (experiment, &place, cover_cb, &cover, NULL, &error));
  klass->peek = NULL;
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_PLANE);
}

static void
test_stopped_run_leaves_the_light_off (Place *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, FALSE };
  const guint length = 256;
  g_autoptr (LbExperiment) experiment = lb_dot_product_experiment_new (&length, 1, 300, 2000, 1);
  g_autoptr (LbExperiment) again = lb_dot_product_experiment_new (&length, 1, 10, 2000, 1);
  g_autoptr (GPtrArray) runs = NULL;
  g_autoptr (GError) error = NULL;

  calibrate (fixture);
  g_assert_false (lb_experiment_run (experiment, &place, stop_cb, fixture->bench, NULL, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  /* The operator ended it: it did not fail. */
  runs = lb_session_list_runs (fixture->session, NULL);
  g_assert_cmpint (((LbSessionRun *) g_ptr_array_index (runs, 0))->state, ==, LB_RUN_ABORTED);
  g_assert_cmpint (lb_bench_get_light (fixture->bench), ==, LB_LIGHT_OFF);
  g_assert_false (lb_experiment_run (again, &place, NULL, NULL, NULL, &error));
  g_assert_error (error, LB_BENCH_ERROR, LB_BENCH_ERROR_STOPPED);
  g_clear_error (&error);
  lb_bench_arm (fixture->bench, &error);
  g_assert_no_error (error);
  lb_experiment_run (again, &place, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
}

/* Runs the test proper beside a main loop, as the programs do. */
typedef struct
{
  Place *fixture;
  void (*func) (Place *fixture, gconstpointer data);
} Call;

static gboolean
quit_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static gpointer
call_thread (gpointer user_data)
{
  Call *call = user_data;

  call->func (call->fixture, NULL);
  g_idle_add (quit_cb, call->fixture->loop);
  return NULL;
}

static void
run_beside_loop (Place *fixture, gconstpointer data)
{
  Call call = { fixture, data };
  GThread *thread = g_thread_new ("test", call_thread, &call);

  g_main_loop_run (fixture->loop);
  g_thread_join (thread);
}

static void
add_test (const char *path, void (*func) (Place *, gconstpointer))
{
  g_test_add (path, Place, func, fixture_set_up, run_beside_loop, fixture_tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_test ("/experiment/uncalibrated-bench-is-refused", test_uncalibrated_is_refused);
  add_test ("/experiment/session-from-calibration-to-report", test_session_from_calibration_to_report);
  add_test ("/experiment/layer-operator-is-compared-with-its-clamped-operands", test_layer);
  g_test_add_func ("/experiment/wrong-layers-heads-and-texts-are-refused", test_wrong_layers);
  add_test ("/experiment/whole-model-is-measured-product-by-product", test_model);
  add_test ("/experiment/cancelled-run-keeps-its-rows", test_cancelled_run_keeps_its_rows);
  add_test ("/experiment/sentinels-mark-what-is-in-doubt", test_sentinels);
  add_test ("/experiment/sentinel-recalibrates", test_sentinel_recalibrates);
  add_test ("/experiment/sentinel-holds-the-run", test_sentinel_holds);
  add_test ("/experiment/sentinel-ends-the-run", test_sentinel_ends);
  add_test ("/experiment/fault-of-a-plane-pauses-the-run", test_fault_of_a_plane_pauses_the_run);
  add_test ("/experiment/fault-of-a-plane-ends-a-run-without-operator",
            test_fault_of_a_plane_ends_a_run_without_operator);
  add_test ("/experiment/stopped-run-leaves-the-light-off", test_stopped_run_leaves_the_light_off);
  return g_test_run ();
}
