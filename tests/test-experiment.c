/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <lb-report.h>
#include <lb-workflow.h>

/* The whole way in one process: a simulated bench is calibrated and measures,
 * on small planes. M runs in the test's thread, the work in another. */

typedef struct
{
  LbBench *bench;
  LbCalibrationSet *calibrations;
  LbSession *session;
  char *folder;
  GMainLoop *loop;
} Fixture;

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
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
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_folder (child);
      else
        g_unlink (child);
    }
  g_rmdir (path);
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
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
  remove_folder (fixture->folder);
  g_free (fixture->folder);
}

static void
calibrate (Fixture *fixture)
{
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;

  lb_workflow_calibrate (fixture->bench, fixture->calibrations, fixture->session, NULL, results, NULL, NULL,
                         NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (results->len, ==, 8);
  g_assert_true (lb_calibration_set_is_complete (fixture->calibrations));
  g_assert_cmpint (lb_bench_get_light (fixture->bench), ==, LB_LIGHT_ARMED);
}

static void
test_uncalibrated_is_refused (Fixture *fixture, gconstpointer data)
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
test_session_from_calibration_to_report (Fixture *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, TRUE };
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
  g_assert_cmpfloat (lb_quantities_get (results, "exposures", 0), >=, forecast);

  runs = lb_session_list_runs (fixture->session, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (runs->len, ==, 1);
  run = g_ptr_array_index (runs, 0);
  g_assert_cmpint (run->state, ==, LB_RUN_FINISHED);
  g_assert_cmpint (run->rows, ==, 400);
  rows = lb_session_get_rows (fixture->session, run->id, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (rows->len, ==, 400);
  lb_report_write_pdf (fixture->session, report, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_file_test (report, G_FILE_TEST_IS_REGULAR));
}

static void
cancel_cb (LbSnapshot *snapshot, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static void
test_cancelled_run_keeps_its_rows (Fixture *fixture, gconstpointer data)
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

static void
test_stopped_run_leaves_the_light_off (Fixture *fixture, gconstpointer data)
{
  const LbExperimentPlace place = { fixture->bench, fixture->calibrations, fixture->session, FALSE };
  const guint length = 256;
  g_autoptr (LbExperiment) experiment = lb_dot_product_experiment_new (&length, 1, 300, 2000, 1);
  g_autoptr (LbExperiment) again = lb_dot_product_experiment_new (&length, 1, 10, 2000, 1);
  g_autoptr (GError) error = NULL;

  calibrate (fixture);
  g_assert_false (lb_experiment_run (experiment, &place, stop_cb, fixture->bench, NULL, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
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
  Fixture *fixture;
  void (*func) (Fixture *fixture, gconstpointer data);
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
run_beside_loop (Fixture *fixture, gconstpointer data)
{
  Call call = { fixture, data };
  GThread *thread = g_thread_new ("test", call_thread, &call);

  g_main_loop_run (fixture->loop);
  g_thread_join (thread);
}

static void
add_test (const char *path, void (*func) (Fixture *, gconstpointer))
{
  g_test_add (path, Fixture, func, fixture_set_up, run_beside_loop, fixture_tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add_test ("/experiment/uncalibrated-bench-is-refused", test_uncalibrated_is_refused);
  add_test ("/experiment/session-from-calibration-to-report", test_session_from_calibration_to_report);
  add_test ("/experiment/cancelled-run-keeps-its-rows", test_cancelled_run_keeps_its_rows);
  add_test ("/experiment/stopped-run-leaves-the-light-off", test_stopped_run_leaves_the_light_off);
  return g_test_run ();
}
