/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-simulated-private.h"

#include <math.h>
#include <string.h>

/* Declared for tests alone, so that nothing else finds it on its include path. */
#include "../../tests/truth/lb-simulated-truth.h"

static LbWorld *
get_world (LbDevice *device)
{
  LbWorld *world = lb_simulated_get_world (device);

  g_assert (world != NULL);
  lb_world_prepare (world);
  return world;
}

/**
 * lb_simulated_truth_print:
 *
 * Returns: (transfer full): all parameters of the world, a line each
 */
char *
lb_simulated_truth_print (LbDevice *device)
{
  return lb_world_parameters_print (&get_world (device)->optics.parameters);
}

/**
 * lb_simulated_truth_get_parameter:
 * @name: a key of "world"
 *
 * Returns: its drawn value, NAN if there is none of that name
 */
double
lb_simulated_truth_get_parameter (LbDevice *device, const char *name)
{
  g_autofree char *text = lb_simulated_truth_print (device);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  gsize length = strlen (name);

  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, name) && (*line)[length] == ':')
      return g_ascii_strtod (*line + length + 1, NULL);
  return NAN;
}

static void
map_points (const LbWorldMap *map,
            gboolean forward,
            gsize count,
            const double *x,
            const double *y,
            double *out_x,
            double *out_y)
{
  for (gsize i = 0; i < count; i++)
    if (forward)
      lb_world_map_forward (map, x[i], y[i], &out_x[i], &out_y[i]);
    else
      lb_world_map_inverse (map, x[i], y[i], &out_x[i], &out_y[i]);
}

void
lb_simulated_truth_source_to_weight (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y)
{
  map_points (&get_world (device)->optics.source_to_weight, TRUE, count, x, y, out_x, out_y);
}

void
lb_simulated_truth_weight_to_source (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y)
{
  map_points (&get_world (device)->optics.source_to_weight, FALSE, count, x, y, out_x, out_y);
}

void
lb_simulated_truth_weight_to_camera (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y)
{
  map_points (&get_world (device)->optics.weight_to_camera, TRUE, count, x, y, out_x, out_y);
}

void
lb_simulated_truth_camera_to_weight (
    LbDevice *device, gsize count, const double *x, const double *y, double *out_x, double *out_y)
{
  map_points (&get_world (device)->optics.weight_to_camera, FALSE, count, x, y, out_x, out_y);
}

double
lb_simulated_truth_emission (LbDevice *device, double x, double y, guint8 level)
{
  const LbWorldOptics *optics = &get_world (device)->optics;

  return optics->emission[level] * lb_world_optics_nonuniformity_at (optics, x, y);
}

double
lb_simulated_truth_transmission (LbDevice *device, double x, double y, guint8 level)
{
  return lb_world_optics_transmission_at (&get_world (device)->optics, x, y, level);
}

double
lb_simulated_truth_light (LbDevice *device, double x, double y)
{
  const LbWorldOptics *optics = &get_world (device)->optics;
  const LbWorldMap *map = &optics->source_to_weight;
  double source_x, source_y, stretch;

  stretch = lb_world_map_inverse (map, x, y, &source_x, &source_y) /
            fabs (map->a[0] * map->a[3] - map->a[1] * map->a[2]);
  return lb_world_optics_illumination_at (optics, x, y) / stretch *
         lb_world_optics_nonuniformity_at (optics, source_x, source_y);
}

double
lb_simulated_truth_electrons (LbDevice *device, double level, double exposure_us)
{
  LbWorld *world = get_world (device);
  const LbWorldParameters *p = &world->optics.parameters;

  return p->photons_per_us * exposure_us * lb_world_light_level (world, level) * p->quantum_efficiency *
         p->path_transmission;
}

void
lb_simulated_truth_pixel (LbDevice *device, guint x, guint y, LbSimulatedTruthPixel *pixel)
{
  LbWorld *world = get_world (device);
  gsize at = (gsize) y * world->sensor.width + x;

  g_return_if_fail (x < world->sensor.width && y < world->sensor.height);

  pixel->offset_dn = world->sensor.offset_dn[at];
  pixel->dark_electrons_per_s = world->sensor.dark[at];
  pixel->hot = pixel->dark_electrons_per_s > 2 * world->optics.parameters.dark_current;
  pixel->stray = world->optics.stray[at];
  pixel->area = world->optics.area[at];
}

/* Light behind the weight plane with both patterns settled, plainly. */
static void
make_product (
    LbWorld *world, const LbPattern *source, const LbPattern *weight, double scale, LbWorldPlane *product)
{
  const LbWorldOptics *optics = &world->optics;
  const LbWorldSizes *sizes = &optics->sizes;
  LbWorldPlane emission;

  lb_world_plane_init (&emission, sizes->source_width, sizes->source_height);
  for (guint y = 0; y < sizes->source_height; y++)
    for (guint x = 0; x < sizes->source_width; x++)
      {
        gsize at = (gsize) y * sizes->source_width + x;

        emission.data[y * emission.stride + x] =
            (float) scale * optics->emission[source->data[at]] * optics->nonuniformity[at];
      }
  for (guint y = 0; y < sizes->weight_height; y++)
    for (guint x = 0; x < sizes->weight_width; x++)
      {
        gsize at = (gsize) y * sizes->weight_width + x;
        double sine = sin (G_PI * optics->phase[weight->data[at]] * optics->phase_scale[at]);
        const LbWorldParameters *p = &optics->parameters;
        double transmission =
            (1 - p->polarisation_loss) * (p->weight_floor + (1 - p->weight_floor) * sine * sine) +
            p->weight_reflection;
        float light;

        lb_kernel_resample_reference (&emission, &optics->source_taps[at], &optics->source_kernel, 1, &light);
        product->data[y * product->stride + x] = (float) (light * optics->illumination[at] * transmission);
      }
  lb_world_plane_clear (&emission);
}

/* Mean emission of the pattern, for what depends on the load. */
static double
mean_of (const LbWorldOptics *optics, const LbPattern *pattern)
{
  gsize count = (gsize) pattern->width * pattern->height;
  double sum = 0;

  for (gsize i = 0; i < count; i++)
    sum += optics->emission[pattern->data[i]];
  return sum / (double) count;
}

void
lb_simulated_truth_expected (LbDevice *device,
                             const LbPattern *source,
                             const LbPattern *weight,
                             double level,
                             double exposure_us,
                             float *electrons)
{
  LbWorld *world = get_world (device);
  const LbWorldOptics *optics = &world->optics;
  const LbWorldParameters *p = &optics->parameters;
  double full = lb_simulated_truth_electrons (device, level, exposure_us);
  double mean = mean_of (optics, source);
  double stray = full * (1 - p->stray_of_source + p->stray_of_source * mean);
  gsize count = (gsize) optics->sizes.sensor_width * optics->sizes.sensor_height;
  LbWorldPlane product;

  lb_world_plane_init (&product, optics->sizes.weight_width, optics->sizes.weight_height);
  make_product (world, source, weight, 1 - p->source_load * mean, &product);
  lb_kernel_resample_reference (&product, optics->camera_taps, &optics->camera_kernel, count, electrons);
  for (gsize i = 0; i < count; i++)
    electrons[i] = (float) (electrons[i] * optics->area[i] * full + optics->stray[i] * stray +
                            world->sensor.dark[i] * exposure_us / G_USEC_PER_SEC);
  lb_world_plane_clear (&product);
}
