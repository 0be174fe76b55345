/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-simulated.h>
#include <lb-workflow.h>

#include "folder-fixture.h"

/* What ends a step in its middle: the operator, an unplugged device, a power trip.
 * The light is off, the earlier calibration is still in force, the session is whole. */

typedef struct
{
  const char *fault; /* NULL: it is cancelled */
  const char *title;
} Interrupt;

static const Interrupt interrupts[] = {
  { NULL, "cancelled" },
  { "unplug-camera", "camera unplugged" },
  { "unplug-weight", "weight plane unplugged" },
  { "interlock", "interlock opened" },
  { "over-temperature", "light source too hot" },
};

typedef struct
{
  LbBench *bench;
  LbCalibrationSet *set;
  LbSession *session;
  const Interrupt *interrupt; /* to come; or NULL */
  GCancellable *cancellable;
  gboolean came;
  guint ended; /* steps, without a result */
} Case;

static LbDevice *
camera_of (Case *self)
{
  return lb_bench_get_device (self->bench, LB_ROLE_CAMERA);
}

static void
progress_cb (const char *step,
             double fraction,
             const char *message,
             LbFigure *figure,
             LbFrame *frame,
             gpointer user_data)
{
  Case *self = user_data;

  if (self->interrupt == NULL || frame == NULL || self->came)
    return;
  self->came = TRUE;
  if (self->interrupt->fault == NULL)
    g_cancellable_cancel (self->cancellable);
  else
    lb_simulated_set_fault (camera_of (self), self->interrupt->fault, TRUE);
}

/* One step; FALSE: it was ended. */
static gboolean
run (Case *self, const char *step, GError **error)
{
  const char *const steps[] = { step, NULL };

  return lb_workflow_calibrate (self->bench, self->set, self->session, steps, NULL, progress_cb, self,
                                self->cancellable, error);
}

static void
interrupt (Case *self, const LbCalibrationStep *step, const Interrupt *how)
{
  LbCalibration *before = lb_calibration_set_dup (self->set, step->name);
  g_autoptr (LbCalibration) after = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  gboolean done;

  self->interrupt = how;
  self->cancellable = cancellable;
  self->came = FALSE;
  done = run (self, step->name, &error);
  g_test_message ("%s, %s: %s", step->name, how->title, done ? "went on" : error->message);
  g_assert_true (self->came);
  /* The dark step needs the camera alone. */
  if (!g_str_equal (step->name, "dark") || how->fault == NULL || g_str_equal (how->fault, "unplug-camera"))
    g_assert_false (done);
  g_assert_cmpint (lb_bench_get_light (self->bench), !=, LB_LIGHT_ON);
  after = lb_calibration_set_dup (self->set, step->name);
  if (!done)
    g_assert_true (after == before);
  self->ended += done ? 0 : 1;
  g_clear_error (&error);
  g_assert_true (lb_session_verify (self->session, &error));
  g_assert_no_error (error);

  /* It is all as before once the trouble is gone. */
  self->interrupt = NULL;
  self->cancellable = NULL;
  if (how->fault != NULL)
    {
      lb_simulated_set_fault (camera_of (self), how->fault, FALSE);
      lb_bench_disconnect (self->bench, NULL, &error);
      g_assert_no_error (error);
      lb_bench_connect (self->bench, NULL, &error);
      g_assert_no_error (error);
      lb_calibration_set_apply_timing (self->set, self->bench);
    }
  g_assert_cmpint (lb_bench_get_light (self->bench), ==, LB_LIGHT_ARMED);
  g_object_unref (before);
}

static void
test_interrupts (void)
{
  const LbBenchOptions options = { .seed = 1, .world_seed = 1, .start_us = 3600 * (gint64) G_USEC_PER_SEC };
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("lightbench-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "test.lbsession", NULL);
  g_autoptr (LbSetup) setup = NULL;
  g_autoptr (LbQuantities) identities = NULL;
  g_autoptr (GPtrArray) stored = NULL;
  g_autoptr (GPtrArray) notes = NULL;
  const LbCalibrationStep *const *steps = lb_calibration_steps_get ();
  Case self = { 0 };

  g_setenv ("LIGHTBENCH_HOME", folder, TRUE);
  setup = lb_setup_load ("simulated", LB_FIDELITY_FAST, &error);
  g_assert_no_error (error);
  self.bench = lb_bench_new (setup, &options, &error);
  g_assert_true (lb_bench_connect (self.bench, NULL, &error));
  identities = lb_bench_dup_identities (self.bench);
  self.session = lb_session_open (path, "simulated", identities, &error);
  g_assert_no_error (error);
  self.set = lb_calibration_set_new ();
  for (guint i = 0; steps[i] != NULL; i++)
    {
      g_assert_true (run (&self, steps[i]->name, &error));
      for (guint k = 0; k < G_N_ELEMENTS (interrupts); k++)
        interrupt (&self, steps[i], &interrupts[k]);
    }
  g_assert_true (lb_calibration_set_is_complete (self.set));
  stored = lb_session_list_calibrations (self.session, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (stored->len, >=, 10);
  /* Each of them is told in the session. */
  notes = lb_session_list_notes (self.session, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (notes->len, ==, self.ended);
  g_assert_true (lb_session_close (self.session, &error));
  lb_bench_disconnect (self.bench, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (self.session);
  g_object_unref (self.set);
  g_object_unref (self.bench);
  folder_fixture_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/calibration/interrupts/end-a-step-and-nothing-else", test_interrupts);
  return g_test_run ();
}
