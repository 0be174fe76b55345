/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "bench-throughput.h"

#include <math.h>

#include "simulated-rig.h"

#define EXPOSURE_US 2000
#define EXPOSURES 200
/* Until the displays' latency is behind. */
#define FIRST 10

typedef struct
{
  LbPattern *patterns[2];
  gboolean weight_changes;
  guint next, taken;
  gint64 first_us, last_us; /* ends of frames */
} Load;

LbBench *
bench_throughput_new_bench (guint camera_hz)
{
  const LbBenchOptions options = { .seed = 1, .world_seed = 1 };
  g_autofree char *camera = g_strdup_printf (", \"rate_hz\": %u", camera_hz);
  g_autofree char *json = rig_json ("", camera, TRUE);
  g_autoptr (GError) error = NULL;
  g_autoptr (LbSetup) setup = lb_setup_parse (json, -1, "throughput", LB_FIDELITY_PIXEL, &error);
  LbBench *bench = setup != NULL ? lb_bench_new (setup, &options, &error) : NULL;

  if (bench == NULL || !lb_bench_connect (bench, NULL, &error))
    g_error ("%s", error->message);
  return bench;
}

void
bench_throughput_free_bench (LbBench *bench)
{
  g_autoptr (GError) error = NULL;

  if (!lb_bench_disconnect (bench, NULL, &error))
    g_error ("%s", error->message);
  g_object_unref (bench);
}

static gboolean
next_exposure (LbExposure *exposure, gpointer data, GError **error)
{
  Load *load = data;

  if (load->next == EXPOSURES)
    return FALSE;
  *exposure = (LbExposure){ .source = load->patterns[load->next % 2],
                            .weight = load->patterns[load->weight_changes ? load->next % 2 : 1],
                            .light = TRUE,
                            .exposure_us = EXPOSURE_US,
                            .meter = TRUE,
                            .ahead = TRUE };
  load->next++;
  return TRUE;
}

static gboolean
take_frame (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  Load *load = data;

  if (load->taken++ == FIRST)
    load->first_us = frame->end_us;
  load->last_us = frame->end_us;
  return TRUE;
}

static gboolean
run_load (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error)
{
  return lb_bench_run_sequence (bench, next_exposure, take_frame, data, cancellable, error);
}

double
bench_throughput_measure (LbBench *bench, gboolean weight_changes)
{
  Load load = { .weight_changes = weight_changes };
  g_autoptr (GError) error = NULL;
  LbModulatorCaps caps;

  lb_bench_get_modulator_caps (bench, LB_ROLE_SOURCE, &caps);
  for (guint i = 0; i < 2; i++)
    load.patterns[i] = lb_pattern_new_uniform (caps.width, caps.height, (guint8) (100 + 100 * i));
  if (!lb_bench_run (bench, "throughput", run_load, &load, NULL, &error))
    g_error ("%s", error->message);
  for (guint i = 0; i < 2; i++)
    lb_pattern_unref (load.patterns[i]);
  return (EXPOSURES - 1 - FIRST) * 1e6 / (double) (load.last_us - load.first_us);
}

double
bench_throughput_get_attainable (LbBench *bench, gboolean weight_changes)
{
  LbBenchTiming timing;
  LbModulatorCaps plane;
  LbCameraCaps camera;
  double needed_us;

  lb_bench_get_timing (bench, &timing);
  lb_bench_get_modulator_caps (bench, LB_ROLE_SOURCE, &plane);
  lb_bench_get_camera_caps (bench, &camera);
  needed_us = timing.settling_us[LB_ROLE_SOURCE];
  if (weight_changes)
    needed_us = MAX (needed_us, timing.settling_us[LB_ROLE_WEIGHT]);
  return plane.rate_hz / ceil (1e-6 * (needed_us + EXPOSURE_US + camera.readout_us) * plane.rate_hz);
}
