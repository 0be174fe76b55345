/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-simulated.h>
#include <string.h>

#include "calibration-fixture.h"

/* What the light-path check says of each fault, from the start of a product and in
 * the middle of one, and that it keeps still without one; on small simulated planes. */

#define ROWS 40
#define LENGTH 64

typedef struct
{
  CalibrationWorld *world;
  LbOpticalPath *path;
  LbMatrix *a, *b;
  const char *fault; /* to be injected once something has been measured */
  guint measured;
} Case;

static void
case_init (Case *self, guint64 seed, gboolean meter)
{
  self->world = calibration_world_new (LB_FIDELITY_FAST, seed, NULL);
  if (meter)
    calibration_world_run (self->world, "light");
  calibration_world_run (self->world, "flat-field");
  self->path = calibration_world_new_path (self->world);
  self->a = calibration_fixture_new_matrix (ROWS, LENGTH, 8, 0, 0);
  self->b = calibration_fixture_new_matrix (ROWS, LENGTH, 8, 1, -1);
}

static void
case_clear (Case *self)
{
  g_clear_object (&self->path);
  lb_matrix_unref (self->a);
  lb_matrix_unref (self->b);
  calibration_world_free (self->world);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Case, case_clear)

static void
inject (Case *self, const char *fault, gboolean active)
{
  g_assert_true (lb_simulated_set_fault (calibration_world_get_camera (self->world), fault, active));
}

static void
partial_cb (const guint32 *rows,
            const guint32 *columns,
            const float *values,
            const float *raw,
            gsize count,
            gpointer user_data)
{
  Case *self = user_data;

  self->measured += count;
  if (self->fault != NULL)
    inject (self, self->fault, TRUE);
}

static gboolean
measure (Case *self, double photons, GError **error)
{
  g_autoptr (LbMatrix) out = lb_matrix_new (ROWS, ROWS);

  self->measured = 0;
  return lb_optical_path_multiply (self->path, self->a, self->b, FALSE, photons, out, NULL, partial_cb, self,
                                   NULL, error);
}

static void
test_quiet (gconstpointer data)
{
  static const double photons[] = { 20, 200, 2000, 50000 };
  g_auto (Case) self = { 0 };

  case_init (&self, GPOINTER_TO_UINT (data), TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (photons); i++)
    {
      g_autoptr (GError) error = NULL;

      measure (&self, photons[i], &error);
      g_assert_no_error (error);
      g_assert_cmpuint (self.measured, ==, ROWS * ROWS);
    }
}

typedef struct
{
  const char *fault;
  GQuark (*domain) (void);
  int code;
  const char *said;         /* with a power meter */
  const char *said_without; /* NULL: the same */
} Fault;

/* The light is off and the cause is named, from the start and in the middle. */
static void
check_fault (Case *self, const Fault *fault, const char *said)
{
  for (guint middle = 0; middle < 2; middle++)
    {
      g_autoptr (GError) error = NULL;

      self->fault = middle ? fault->fault : NULL;
      if (!middle)
        inject (self, fault->fault, TRUE);
      g_assert_false (measure (self, 2000, &error));
      g_test_message ("%s: %s", fault->fault, error->message);
      g_assert_error (error, fault->domain (), fault->code);
      if (strstr (error->message, said) == NULL)
        g_error ("%s: \"%s\" is not in: %s", fault->fault, said, error->message);
      /* A light source that does not answer is off, or not confirmed, within 500 ms. */
      for (guint i = 0; i < 200 && lb_bench_get_light (self->world->bench) == LB_LIGHT_ON; i++)
        g_usleep (10000);
      g_assert_cmpint (lb_bench_get_light (self->world->bench), !=, LB_LIGHT_ON);
      g_assert_cmpint (self->measured > 0, ==, middle);
      g_assert_cmpuint (self->measured, <, ROWS * ROWS);
      inject (self, fault->fault, FALSE);
      /* A trip disarms. */
      g_clear_error (&error);
      lb_bench_arm (self->world->bench, &error);
      g_assert_no_error (error);
    }
}

static void
test_faults (gconstpointer data)
{
  static const Fault faults[] = {
    { "cover-weight", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "window covers it", NULL },
    { "dark-weight", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "weight plane is dark", NULL },
    { "dark-source", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "source plane is dark", NULL },
    { "block-beam", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "beam is blocked before it",
      "beam is blocked" },
    { "wrong-exposure", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "exposure is wrong",
      "exposes shorter" },
    { "stale-frames", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "repeats its last frame",
      NULL },
    { "stall-camera", lb_device_error_quark, LB_DEVICE_ERROR_STALLED, "sends no frames", NULL },
    { "over-temperature", lb_device_error_quark, LB_DEVICE_ERROR_INTERLOCK, "too hot", NULL },
    { "usb-time-out", lb_device_error_quark, LB_DEVICE_ERROR_TIMEOUT, "does not answer", NULL },
    { "cover-meter", lb_optical_path_error_quark, LB_OPTICAL_PATH_ERROR_LIGHT, "head is covered", NULL },
  };
  const gboolean meter = data != NULL;
  const guint count = meter ? G_N_ELEMENTS (faults) : G_N_ELEMENTS (faults) - 1;
  g_auto (Case) self = { 0 };
  g_autoptr (GError) error = NULL;

  case_init (&self, 5, meter);
  for (guint i = 0; i < count; i++)
    check_fault (&self, &faults[i],
                 !meter && faults[i].said_without != NULL ? faults[i].said_without : faults[i].said);
  /* It all goes on when they are gone. */
  self.fault = NULL;
  measure (&self, 2000, &error);
  g_assert_no_error (error);
  if (!meter)
    return;
  self.fault = "unplug-power-meter";
  g_assert_false (measure (&self, 2000, &error));
  g_assert_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT);
  g_assert_cmpint (lb_bench_get_light (self.world->bench), !=, LB_LIGHT_ON);
}

/* Before calibration it knows less, but not of nothing. */
static void
test_nominal (gconstpointer data)
{
  static const Fault faults[] = {
    { "cover-weight", NULL, 0, "covers it" },
    { "dark-weight", NULL, 0, "plane is dark" },
    { "dark-source", NULL, 0, "plane is dark" },
    { "block-beam", NULL, 0, "beam is blocked" },
    { "stale-frames", NULL, 0, "repeats its last frame" },
  };
  g_auto (Case) self = { 0 };
  g_autoptr (LbOpticsModel) model = NULL;
  g_autoptr (GError) error = NULL;

  case_init (&self, GPOINTER_TO_UINT (data), FALSE);
  model = lb_calibration_set_make_model (self.world->set, self.world->bench, FALSE, &error);
  g_assert_no_error (error);
  g_assert_true (lb_optical_path_set_model (self.path, model, &error));
  measure (&self, 2000, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      self.fault = faults[i].fault;
      g_assert_false (measure (&self, 2000, &error));
      g_test_message ("%s: %s", self.fault, error->message);
      g_assert_error (error, LB_OPTICAL_PATH_ERROR, LB_OPTICAL_PATH_ERROR_LIGHT);
      g_assert_nonnull (strstr (error->message, faults[i].said));
      g_assert_cmpint (lb_bench_get_light (self.world->bench), !=, LB_LIGHT_ON);
      inject (&self, self.fault, FALSE);
      g_clear_error (&error);
    }
}

static void
cover_cb (
    const char *step, double fraction, const char *message, LbFigure *figure, LbFrame *frame, gpointer data)
{
  if (fraction > 0.6)
    inject (data, "cover-weight", TRUE);
}

/* Its own products are watched as well. */
static void
test_verification (void)
{
  g_auto (Case) self = { 0 };
  g_autoptr (LbCalibration) result = NULL;
  g_autoptr (GError) error = NULL;

  case_init (&self, 4, FALSE);
  calibration_world_run (self.world, "background");
  result = lb_calibration_run_step (self.world->bench, self.world->set, "verification",
                                    self.world->next_ordinal++, cover_cb, &self, NULL, &error);
  g_assert_null (result);
  g_assert_error (error, LB_OPTICAL_PATH_ERROR, LB_OPTICAL_PATH_ERROR_LIGHT);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, "window covers it"));
  g_assert_cmpint (lb_bench_get_light (self.world->bench), ==, LB_LIGHT_ARMED);
}

int
main (int argc, char **argv)
{
  static const guint seeds[] = { 1, 2, 3 };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (seeds); i++)
    {
      g_autofree char *path = g_strdup_printf ("/light-path/is-still-without-a-fault/%u", seeds[i]);

      g_test_add_data_func (path, GUINT_TO_POINTER (seeds[i]), test_quiet);
    }
  g_test_add_data_func ("/light-path/names-the-fault", NULL, test_faults);
  g_test_add_data_func ("/light-path/names-the-fault-with-a-power-meter", GUINT_TO_POINTER (1), test_faults);
  for (guint i = 0; i < G_N_ELEMENTS (seeds); i++)
    {
      g_autofree char *path = g_strdup_printf ("/light-path/watches-before-calibration/%u", seeds[i]);

      g_test_add_data_func (path, GUINT_TO_POINTER (seeds[i]), test_nominal);
    }
  g_test_add_func ("/light-path/verification-is-watched", test_verification);
  return g_test_run ();
}
