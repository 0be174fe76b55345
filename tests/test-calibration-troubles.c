/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lb-operand.h>
#include <lb-simulated-truth.h>
#include <lb-simulated.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

#include "calibration-fixture.h"

/* Troubles of a real bench, one after the other, on small simulated planes: a step
 * either works in spite of it, or says what it saw. Whatever it says, no result that
 * passed is off by more than three times its limit. */

#define ROWS 12
#define LENGTH 64

typedef struct
{
  const char *name;
  const char *changes[8]; /* of the preset, NULL-terminated pairs */
  const char *fault;      /* injected anew before each step */
  const char *says;       /* words of a step that did not pass; NULL: none failed */
} Trouble;

/* rms distance between a map that was found and the true one, over the points of the
 * weight plane that both planes and the camera reach. */
static double
compare_maps (CalibrationWorld *world, LbCalibration *alignment)
{
  LbDevice *camera = calibration_world_get_camera (world);
  LbModulatorCaps source, weight;
  LbPlaneMap composed;
  double sum = 0;
  guint count = 0;

  g_assert_true (lb_calibration_get_plane_map (alignment, "source_to_weight", &composed));
  g_assert_true (lb_bench_get_modulator_caps (world->bench, LB_ROLE_SOURCE, &source));
  g_assert_true (lb_bench_get_modulator_caps (world->bench, LB_ROLE_WEIGHT, &weight));
  for (double y = 2; y < source.height; y += 7)
    for (double x = 2; x < source.width; x += 7)
      {
        double tx, ty, fx, fy;

        lb_simulated_truth_source_to_weight (camera, 1, &x, &y, &tx, &ty);
        if (tx < 0 || ty < 0 || tx > weight.width - 1 || ty > weight.height - 1)
          continue;
        lb_plane_map_apply (&composed, x, y, &fx, &fy);
        sum += pow (fx - tx, 2) + pow (fy - ty, 2);
        count++;
      }
  g_assert_cmpuint (count, >, 100);
  return sqrt (sum / count);
}

/* Normalised error of products by what is in force. */
static void
find_figures (CalibrationWorld *world, float low, double photons, LbFiguresOfMerit *figures)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (LbOpticalPath) path = calibration_world_new_path (world);
  g_autoptr (LbMatrix) a = calibration_fixture_new_matrix (ROWS, LENGTH, 9, 0, low);
  g_autoptr (LbMatrix) b = calibration_fixture_new_matrix (ROWS, LENGTH, 9, 1, low);
  g_autoptr (LbMatrix) out = lb_matrix_new (ROWS, ROWS);
  double measured[ROWS * ROWS], ideal[ROWS * ROWS] = { 0 };

  lb_optical_path_multiply (path, a, b, FALSE, photons, out, NULL, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < ROWS * ROWS; i++)
    {
      measured[i] = lb_matrix_get (out, i / ROWS, i % ROWS);
      for (guint e = 0; e < LENGTH; e++)
        ideal[i] += (double) lb_matrix_get (a, i / ROWS, e) * lb_matrix_get (b, i % ROWS, e);
    }
  lb_figures_of_merit (measured, ideal, ROWS * ROWS, lb_operand_pass_scale (a, b, FALSE), figures);
}

/* A result that passed is not off by three times the limit of its row in optics.md. */
static void
check_truth (CalibrationWorld *world, LbCalibration *result)
{
  const char *step = lb_calibration_get_step (result);
  double off = 0, limit = 1;

  if (g_str_equal (step, "dark"))
    {
      off = calibration_get_value (result, "read_noise_dn") *
                calibration_world_get_truth (world, "electrons_per_dn") /
                calibration_world_get_truth (world, "read_noise") -
            1;
      limit = 0.05;
    }
  else if (g_str_equal (step, "light"))
    {
      off = (80 - calibration_get_value (result, "threshold")) /
                (80 - calibration_world_get_truth (world, "light_threshold")) -
            1;
      limit = 0.02;
    }
  else if (g_str_equal (step, "photon-transfer"))
    {
      off = calibration_get_value (result, "electrons_per_dn") /
                calibration_world_get_truth (world, "electrons_per_dn") -
            1;
      limit = 0.02;
    }
  else if (g_str_equal (step, "alignment"))
    {
      off = compare_maps (world, result);
      limit = 0.15;
    }
  g_test_message ("%s is off by %.4f, limit %.4f", step, fabs (off), limit);
  if (lb_calibration_get_verdict (result) == LB_VERDICT_PASS)
    g_assert_cmpfloat (fabs (off), <, 3 * limit);
}

/* Runs all steps, until one fails; TRUE if none did. @said: what those that did not
 * pass had to say. */
static gboolean
run_steps (CalibrationWorld *world, const Trouble *trouble, GString *said)
{
  static const char *const steps[] = { "dark",     "light",      "timing",     "photon-transfer", "alignment",
                                       "response", "background", "flat-field", "crosstalk" };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LbCalibration) result = NULL;

      if (trouble->fault != NULL)
        {
          lb_simulated_set_fault (calibration_world_get_camera (world), trouble->fault, FALSE);
          g_assert_true (lb_simulated_set_fault (calibration_world_get_camera (world), trouble->fault, TRUE));
        }
      result = lb_calibration_run_step (world->bench, world->set, steps[i], world->next_ordinal++, NULL, NULL,
                                        NULL, &error);
      if (result == NULL)
        {
          g_test_message ("%s: %s", steps[i], error->message);
          g_string_append_printf (said, "%s: %s\n", steps[i], error->message);
          return FALSE;
        }
      g_test_message ("%s: %s, residual %g of %g %s. %s", steps[i],
                      lb_verdict_get_name (lb_calibration_get_verdict (result)),
                      lb_calibration_get_residual (result), lb_calibration_get_limit (result),
                      lb_calibration_get_unit (result), lb_calibration_get_message (result));
      if (lb_calibration_get_verdict (result) != LB_VERDICT_FAIL)
        check_truth (world, result);
      if (lb_calibration_get_verdict (result) != LB_VERDICT_PASS)
        g_string_append_printf (said, "%s: %s\n", steps[i], lb_calibration_get_message (result));
      if (lb_calibration_get_verdict (result) == LB_VERDICT_FAIL)
        return FALSE;
    }
  return TRUE;
}

static void
test_trouble (gconstpointer data)
{
  const Trouble *trouble = data;
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 2, trouble->changes);
  g_autoptr (GString) said = g_string_new (NULL);
  gboolean worked = run_steps (world, trouble, said);

  g_assert_cmpint (lb_bench_get_light (world->bench), !=, LB_LIGHT_ON);
  if (said->len == 0)
    {
      LbFiguresOfMerit figures;

      find_figures (world, -1, 2000, &figures);
      g_test_message ("products are off by %.4f", figures.normalised_error);
      g_assert_cmpfloat (figures.normalised_error, <, 3 * 0.021);
    }
  if (trouble->says == NULL)
    g_assert_true (worked);
  else if (strstr (said->str, trouble->says) == NULL)
    g_error ("\"%s\" is not in: %s", trouble->says, said->str);
}

static const Trouble troubles[] = {
  { "hot-pixels", { "\"hot_fraction\": 0.0001", "\"hot_fraction\": 0.01" }, NULL, NULL },
  { "stray-light",
    { "\"stray_light\": 0.003", "\"stray_light\": 0.03" },
    NULL,
    "flat-field: The gain of the macropixels does not repeat well enough for stray light" },
  { "much-stray-light",
    { "\"stray_light\": 0.003", "\"stray_light\": 0.1" },
    NULL,
    "flat-field: The gain of the macropixels does not repeat well enough for stray light" },
  { "planes-turned-by-180-degrees",
    { "\"source_quarter_turns\": 0", "\"source_quarter_turns\": 2", "\"camera_quarter_turns\": 0",
      "\"camera_quarter_turns\": 2" },
    NULL,
    NULL },
  { "planes-turned-by-90-degrees",
    { "\"source_quarter_turns\": 0", "\"source_quarter_turns\": 1", "\"camera_quarter_turns\": 0",
      "\"camera_quarter_turns\": 3" },
    NULL,
    NULL },
  { "partial-overlap", { "\"source_shift_px\": 2,", "\"source_shift_px\": 90," }, NULL, NULL },
  { "defocus",
    { "\"source_blur_px\": 0.35", "\"source_blur_px\": 1.4" },
    NULL,
    "the source is out of focus" },
  { "defocused-camera", { "\"camera_blur_px\": 0.4", "\"camera_blur_px\": 1.5" }, NULL, NULL },
  { "defocused-camera-and-speckle",
    { "\"camera_blur_px\": 0.4", "\"camera_blur_px\": 1.5", "\"speckle_contrast\": 0.02",
      "\"speckle_contrast\": 0.04" },
    NULL,
    "the camera is out of focus" },
  { "speckle", { "\"speckle_contrast\": 0.02", "\"speckle_contrast\": 0.05" }, NULL, "steady the speckle" },
  { "dust", { NULL }, "dust", NULL },
  { "drift", { NULL }, "fast-drift", "not stable" },
  { "dropped-frames", { NULL }, "drop-frames", NULL },
  { "room-light", { NULL }, "room-light", "room light" },
};

/* Stray light is in the bright reference too, by which each frame's light is told. */
static void
test_stray_light_is_not_taken_for_signal (void)
{
  const char *changes[] = { "\"stray_light\": 0.003", "\"stray_light\": 0.01", NULL };
  g_autoptr (CalibrationWorld) world = calibration_world_new (LB_FIDELITY_FAST, 1, changes);
  LbFiguresOfMerit figures;

  calibration_world_run (world, "flat-field");
  find_figures (world, 0, 50000, &figures);
  g_test_message ("bias %.4f, error %.4f", figures.bias, figures.normalised_error);
  g_assert_cmpfloat (fabs (figures.bias), <, 0.008);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (troubles); i++)
    {
      g_autofree char *path = g_strdup_printf ("/calibration/troubles/%s", troubles[i].name);

      g_test_add_data_func (path, &troubles[i], test_trouble);
    }
  g_test_add_func ("/calibration/troubles/stray-light-is-not-taken-for-signal",
                   test_stray_light_is_not_taken_for_signal);
  return g_test_run ();
}
