/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-world-optics.h"

#include <math.h>
#include <string.h>

#include <lb-gemm.h>

/* Rows of one unit of parallel work. */
#define BLOCK 16
/* Taps of a column whose share is below that everywhere are left out. */
#define KERNEL_CUT 1e-7

void
lb_world_plane_init (LbWorldPlane *self, guint width, guint height)
{
  self->width = width;
  self->height = height;
  self->stride = (width + 2 * LB_PLANE_PADDING + 15) / 16 * 16;
  self->memory = g_aligned_alloc0 (self->stride * (height + 2 * LB_PLANE_PADDING), sizeof (float), 64);
  self->data = self->memory + LB_PLANE_PADDING * self->stride + LB_PLANE_PADDING;
}

void
lb_world_plane_clear (LbWorldPlane *self)
{
  g_clear_pointer (&self->memory, g_aligned_free);
  self->data = NULL;
}

/* --- Maps ----------------------------------------------------------------------- */

static void
map_init (LbWorldMap *self,
          const guint in[2],
          const guint out[2],
          double magnification,
          double rotation_deg,
          LbFlip flip,
          const double shift[2],
          double distortion)
{
  double angle = rotation_deg * G_PI / 180;
  double flip_x = flip & LB_FLIP_X ? -1 : 1;
  double flip_y = flip & LB_FLIP_Y ? -1 : 1;
  double corner, determinant;

  self->in_x = (in[0] - 1) / 2.0;
  self->in_y = (in[1] - 1) / 2.0;
  self->out_x = (out[0] - 1) / 2.0 + shift[0];
  self->out_y = (out[1] - 1) / 2.0 + shift[1];
  self->a[0] = magnification * cos (angle) * flip_x;
  self->a[1] = -magnification * sin (angle) * flip_y;
  self->a[2] = magnification * sin (angle) * flip_x;
  self->a[3] = magnification * cos (angle) * flip_y;
  determinant = self->a[0] * self->a[3] - self->a[1] * self->a[2];
  self->inverse[0] = self->a[3] / determinant;
  self->inverse[1] = -self->a[1] / determinant;
  self->inverse[2] = -self->a[2] / determinant;
  self->inverse[3] = self->a[0] / determinant;
  corner = magnification * hypot (in[0], in[1]) / 2;
  self->k = distortion / (corner * corner);
}

void
lb_world_map_forward (const LbWorldMap *self, double x, double y, double *out_x, double *out_y)
{
  double dx = x - self->in_x, dy = y - self->in_y;
  double ux = self->a[0] * dx + self->a[1] * dy;
  double uy = self->a[2] * dx + self->a[3] * dy;
  double stretch = 1 + self->k * (ux * ux + uy * uy);

  *out_x = self->out_x + ux * stretch;
  *out_y = self->out_y + uy * stretch;
}

double
lb_world_map_inverse (const LbWorldMap *self, double x, double y, double *in_x, double *in_y)
{
  double vx = x - self->out_x, vy = y - self->out_y;
  double square = self->k * (vx * vx + vy * vy);
  double stretch = 1, radial;

  /* stretch = 1 + k |v / stretch|^2: converges by a factor of 2 k r^2 a round. */
  for (guint round = 0; round < 6; round++)
    stretch = 1 + square / (stretch * stretch);
  vx /= stretch;
  vy /= stretch;
  *in_x = self->in_x + self->inverse[0] * vx + self->inverse[1] * vy;
  *in_y = self->in_y + self->inverse[2] * vx + self->inverse[3] * vy;
  radial = square / (stretch * stretch);
  return fabs (self->a[0] * self->a[3] - self->a[1] * self->a[2]) * (1 + radial) * (1 + 3 * radial);
}

/* --- Kernels -------------------------------------------------------------------- */

/* Second integral of the normal density of deviation @sigma. */
static double
normal_ramp (double x, double sigma)
{
  double z = x / sigma;

  return x * 0.5 * erfc (-z * G_SQRT2 / 2) + sigma * exp (-z * z / 2) / sqrt (2 * G_PI);
}

/* Share that a pixel of width 1 at distance @d gives to one of width @width,
 * seen through a blur of @sigma; sums to 1 over all pixels. */
static double
kernel_value (double d, double width, double sigma)
{
  double outer = (width + 1) / 2, inner = (width - 1) / 2;

  return (normal_ramp (d + outer, sigma) - normal_ramp (d + inner, sigma) - normal_ramp (d - inner, sigma) +
          normal_ramp (d - outer, sigma)) /
         width;
}

/* @pixel: width of an output pixel, @sigma: of the blur, in input pixels. */
static void
kernel_init (LbWorldKernel *self, double pixel, double sigma)
{
  double reach = (pixel + 1) / 2 + 4 * sigma;
  guint last = 0;

  self->width = reach <= 4 ? 8 : 16;
  self->first = self->width - 1;
  self->table = g_aligned_alloc (LB_KERNEL_PHASES * self->width, sizeof (float), 64);
  for (guint phase = 0; phase < LB_KERNEL_PHASES; phase++)
    {
      float *row = self->table + (gsize) phase * self->width;
      double fraction = (double) phase / LB_KERNEL_PHASES;
      double values[16], sum = 0;

      for (guint tap = 0; tap < self->width; tap++)
        {
          values[tap] = MAX (kernel_value ((double) tap - (self->width / 2 - 1) - fraction, pixel, sigma), 0);
          sum += values[tap];
        }
      for (guint tap = 0; tap < self->width; tap++)
        {
          row[tap] = (float) (values[tap] / sum);
          if (row[tap] > KERNEL_CUT)
            {
              self->first = MIN (self->first, tap);
              last = MAX (last, tap);
            }
        }
    }
  /* An even number of rows, for loops that take two at a time. */
  self->first -= self->first % 2;
  self->height = (last - self->first) / 2 * 2 + 2;
}

/* The tap of position (x, y) of a plane; far outside it reads zeros. TRUE if it
 * touches the plane. */
static gboolean
tap_init (LbWorldTap *self, const LbWorldKernel *kernel, double x, double y, guint width, guint height)
{
  const int before = (int) kernel->width / 2 - 1;
  double fine_x = floor (x * LB_KERNEL_PHASES + 0.5);
  double fine_y = floor (y * LB_KERNEL_PHASES + 0.5);
  double whole_x = floor (fine_x / LB_KERNEL_PHASES);
  double whole_y = floor (fine_y / LB_KERNEL_PHASES);
  gboolean touches = whole_x - before > -(double) kernel->width && whole_x - before < width &&
                     whole_y - before > -(double) kernel->width && whole_y - before < height;

  if (!touches)
    {
      *self = (LbWorldTap){ -LB_PLANE_PADDING, -LB_PLANE_PADDING, 0, 0 };
      return FALSE;
    }
  self->x = (gint16) (whole_x - before);
  self->y = (gint16) (whole_y - before);
  self->phase_x = (guint16) (fine_x - whole_x * LB_KERNEL_PHASES);
  self->phase_y = (guint16) (fine_y - whole_y * LB_KERNEL_PHASES);
  return TRUE;
}

LbWorldWindow
lb_world_taps_window (const LbWorldTap *taps,
                      guint taps_width,
                      const LbWorldWindow *of,
                      const LbWorldKernel *kernel,
                      guint width,
                      guint height)
{
  int low_x = G_MAXINT, low_y = G_MAXINT, high_x = 0, high_y = 0;
  LbWorldWindow window = { 0 };

  for (guint y = of->y0; y < of->y1; y++)
    for (guint x = of->x0; x < of->x1; x++)
      {
        const LbWorldTap *tap = &taps[(gsize) y * taps_width + x];

        if (tap->y == -LB_PLANE_PADDING)
          continue;
        low_x = MIN (low_x, tap->x);
        low_y = MIN (low_y, tap->y);
        high_x = MAX (high_x, tap->x);
        high_y = MAX (high_y, tap->y);
      }
  if (low_x == G_MAXINT)
    return window;
  window.x0 = (guint) MAX (low_x, 0);
  window.y0 = (guint) MAX (low_y, 0);
  window.x1 = (guint) MIN (high_x + (int) kernel->width, (int) width);
  window.y1 = (guint) MIN (high_y + (int) kernel->width, (int) height);
  return window;
}

/* --- Smooth fields ---------------------------------------------------------------- */

static double
field_at (const LbWorldField *self, double x, double y)
{
  double sum = 0;

  for (guint j = 0; j < LB_FIELD_TERMS; j++)
    for (guint i = 0; i < LB_FIELD_TERMS; i++)
      sum += self->coefficients[j][i] * cos (G_PI * i * x) * cos (G_PI * j * y);
  return sum;
}

static void
field_init (LbWorldField *self, LbRandomKey key)
{
  const guint steps = 32;
  double largest = 0;

  for (guint j = 0; j < LB_FIELD_TERMS; j++)
    for (guint i = 0; i < LB_FIELD_TERMS; i++)
      self->coefficients[j][i] =
          i + j == 0 ? 0 : lb_random_normal_at (key, 0, j * LB_FIELD_TERMS + i) / (i + j);
  for (guint y = 0; y <= steps; y++)
    for (guint x = 0; x <= steps; x++)
      largest = MAX (largest, fabs (field_at (self, (double) x / steps, (double) y / steps)));
  for (guint j = 0; j < LB_FIELD_TERMS; j++)
    for (guint i = 0; i < LB_FIELD_TERMS; i++)
      self->coefficients[j][i] /= largest;
}

/* out = level (1 + amplitude * field) over a plane. */
static float *
field_plane (const LbWorldField *self, guint width, guint height, double amplitude, double level)
{
  float *out = g_new (float, (gsize) width *height);
  g_autofree double *cosines = g_new (double, (gsize) width *LB_FIELD_TERMS);

  for (guint x = 0; x < width; x++)
    for (guint i = 0; i < LB_FIELD_TERMS; i++)
      cosines[(gsize) i * width + x] = cos (G_PI * i * (x + 0.5) / width);

#pragma omp parallel for num_threads(lb_numerics_get_threads()) schedule(static)
  for (guint y = 0; y < height; y++)
    {
      float *row = out + (gsize) y * width;
      double terms[LB_FIELD_TERMS] = { 0 };

      for (guint j = 0; j < LB_FIELD_TERMS; j++)
        for (guint i = 0; i < LB_FIELD_TERMS; i++)
          terms[i] += self->coefficients[j][i] * cos (G_PI * j * (y + 0.5) / height);
      for (guint x = 0; x < width; x++)
        row[x] = (float) (level * (1 + amplitude * (terms[0] + terms[1] * cosines[width + x] +
                                                    terms[2] * cosines[2 * (gsize) width + x] +
                                                    terms[3] * cosines[3 * (gsize) width + x])));
    }
  return out;
}

/* --- Curves ----------------------------------------------------------------------- */

static void
curves_init (LbWorldOptics *self)
{
  const LbWorldParameters *p = &self->parameters;

  for (guint level = 0; level < 256; level++)
    {
      double x = level / 255.0;
      double power = pow (x, p->source_gamma);
      double emission = power + p->source_s_shape * sin (2 * G_PI * power);
      double bent = x + p->weight_phase_bow * sin (G_PI * x) / G_PI +
                    p->weight_phase_s_shape * sin (2 * G_PI * x) / (2 * G_PI);

      self->emission[level] = (float) (p->source_floor + (1 - p->source_floor) * MAX (emission, 0));
      self->phase[level] = (float) (p->weight_phase_range * bent / 2);
    }
}

/* --- The whole ------------------------------------------------------------------- */

static double
draw (LbRandomKey key, const char *name, double low, double high)
{
  return low + (high - low) * lb_random_uniform_at (lb_random_key_derive (key, g_str_hash (name)), 0, 0);
}

static void
illumination_init (LbWorldOptics *self, LbRandomKey key)
{
  const LbWorldParameters *p = &self->parameters;
  double width = self->sizes.weight_width, height = self->sizes.weight_height;
  double angle = draw (key, "fringe-angle", 0, 2 * G_PI);
  double direction = draw (key, "illumination-direction", 0, 2 * G_PI);

  self->illumination_x = (width - 1) / 2 + p->illumination_shift * width * cos (direction);
  self->illumination_y = (height - 1) / 2 + p->illumination_shift * width * sin (direction);
  self->illumination_exponent = 4 * log (p->illumination_corner) / (width * width + height * height);
  self->fringe_kx = 2 * G_PI * p->fringe_count / width * cos (angle);
  self->fringe_ky = 2 * G_PI * p->fringe_count / width * sin (angle);
  self->fringe_phase = draw (key, "fringe-phase", 0, 2 * G_PI);
}

void
lb_world_optics_init (LbWorldOptics *self,
                      const LbWorldParameters *parameters,
                      const LbWorldSizes *sizes,
                      LbRandomKey key)
{
  const LbWorldParameters *p = &self->parameters;
  const guint source[2] = { sizes->source_width, sizes->source_height };
  const guint weight[2] = { sizes->weight_width, sizes->weight_height };
  const guint sensor[2] = { sizes->sensor_width, sizes->sensor_height };
  double source_angle, camera_angle;
  double shift[2];

  memset (self, 0, sizeof *self);
  self->parameters = *parameters;
  self->sizes = *sizes;
  source_angle = p->source_rotation_deg + 90 * p->source_quarter_turns;
  camera_angle = p->camera_rotation_deg + 90 * p->camera_quarter_turns;

  /* The parameters hold one magnitude of shift; its two components are drawn. */
  shift[0] = p->source_shift_px;
  shift[1] = fabs (p->source_shift_px) * draw (key, "source-shift-y", -1, 1);
  map_init (&self->source_to_weight, source, weight, p->source_magnification, source_angle, p->source_flip,
            shift, p->source_distortion);
  shift[0] = p->camera_shift_px;
  shift[1] = fabs (p->camera_shift_px) * draw (key, "camera-shift-y", -1, 1);
  map_init (&self->weight_to_camera, weight, sensor, p->camera_magnification, camera_angle, p->camera_flip,
            shift, p->camera_distortion);

  kernel_init (&self->source_kernel, 1 / p->source_magnification,
               p->source_blur_px / p->source_magnification);
  kernel_init (&self->camera_kernel, 1 / p->camera_magnification, p->camera_blur_px);
  curves_init (self);
  field_init (&self->nonuniformity_field, lb_random_key_derive (key, g_str_hash ("nonuniformity")));
  field_init (&self->phase_field, lb_random_key_derive (key, g_str_hash ("phase")));
  field_init (&self->stray_field, lb_random_key_derive (key, g_str_hash ("stray")));
  illumination_init (self, key);
  self->stray_level = p->stray_light / (p->camera_magnification * p->camera_magnification);
}

/* Share of the stray light that varies over the sensor. */
#define STRAY_VARIATION 0.3

/* Taps of the weight plane's pixels and its illumination. */
static void
prepare_weight (LbWorldOptics *self)
{
  const LbWorldSizes *sizes = &self->sizes;
  const guint width = sizes->weight_width, height = sizes->weight_height;
  const LbWorldMap *map = &self->source_to_weight;
  const double plain = fabs (map->a[0] * map->a[3] - map->a[1] * map->a[2]);

  self->source_taps = g_new (LbWorldTap, (gsize) width * height);
  self->illumination = g_new (float, (gsize) width *height);

#pragma omp parallel for num_threads(lb_numerics_get_threads()) schedule(dynamic, BLOCK)
  for (guint y = 0; y < height; y++)
    for (guint x = 0; x < width; x++)
      {
        gsize index = (gsize) y * width + x;
        double sx, sy;
        double stretch = lb_world_map_inverse (map, x, y, &sx, &sy) / plain;

        tap_init (&self->source_taps[index], &self->source_kernel, sx, sy, sizes->source_width,
                  sizes->source_height);
        self->illumination[index] = (float) (lb_world_optics_illumination_at (self, x, y) / stretch);
      }
}

/* Taps and areas of the camera's pixels. */
static void
prepare_camera (LbWorldOptics *self)
{
  const LbWorldSizes *sizes = &self->sizes;
  const guint width = sizes->sensor_width, height = sizes->sensor_height;

  self->camera_taps = g_new (LbWorldTap, (gsize) width * height);
  self->camera_spans = g_new0 (LbWorldSpan, height);
  self->area = g_new (float, (gsize) width *height);

#pragma omp parallel for num_threads(lb_numerics_get_threads()) schedule(dynamic, BLOCK)
  for (guint y = 0; y < height; y++)
    {
      LbWorldSpan *span = &self->camera_spans[y];

      for (guint x = 0; x < width; x++)
        {
          gsize index = (gsize) y * width + x;
          double wx, wy;

          self->area[index] = (float) (1 / lb_world_map_inverse (&self->weight_to_camera, x, y, &wx, &wy));
          if (tap_init (&self->camera_taps[index], &self->camera_kernel, wx, wy, sizes->weight_width,
                        sizes->weight_height))
            {
              if (span->last == 0)
                span->first = x;
              span->last = x + 1;
            }
        }
      if (span->last > 0)
        {
          LbWorldWindow row = { span->first, y, span->last, y + 1 };
          LbWorldWindow seen = lb_world_taps_window (self->camera_taps, width, &row, &self->camera_kernel,
                                                     sizes->weight_width, sizes->weight_height);

          span->low = seen.y0;
          span->high = seen.y1;
        }
    }
}

void
lb_world_optics_prepare (LbWorldOptics *self)
{
  const LbWorldSizes *sizes = &self->sizes;
  const LbWorldParameters *p = &self->parameters;

  self->nonuniformity = field_plane (&self->nonuniformity_field, sizes->source_width, sizes->source_height,
                                     p->source_nonuniformity, 1);
  self->phase_scale = field_plane (&self->phase_field, sizes->weight_width, sizes->weight_height,
                                   p->weight_phase_variation, 1);
  self->stray = field_plane (&self->stray_field, sizes->sensor_width, sizes->sensor_height, STRAY_VARIATION,
                             self->stray_level);
  prepare_weight (self);
  prepare_camera (self);
}

void
lb_world_optics_clear (LbWorldOptics *self)
{
  g_clear_pointer (&self->source_kernel.table, g_aligned_free);
  g_clear_pointer (&self->camera_kernel.table, g_aligned_free);
  g_clear_pointer (&self->nonuniformity, g_free);
  g_clear_pointer (&self->phase_scale, g_free);
  g_clear_pointer (&self->illumination, g_free);
  g_clear_pointer (&self->source_taps, g_free);
  g_clear_pointer (&self->camera_taps, g_free);
  g_clear_pointer (&self->camera_spans, g_free);
  g_clear_pointer (&self->area, g_free);
  g_clear_pointer (&self->stray, g_free);
}

double
lb_world_optics_nonuniformity_at (const LbWorldOptics *self, double x, double y)
{
  return 1 + self->parameters.source_nonuniformity * field_at (&self->nonuniformity_field,
                                                               (x + 0.5) / self->sizes.source_width,
                                                               (y + 0.5) / self->sizes.source_height);
}

double
lb_world_optics_phase_scale_at (const LbWorldOptics *self, double x, double y)
{
  return 1 + self->parameters.weight_phase_variation * field_at (&self->phase_field,
                                                                 (x + 0.5) / self->sizes.weight_width,
                                                                 (y + 0.5) / self->sizes.weight_height);
}

double
lb_world_optics_illumination_at (const LbWorldOptics *self, double x, double y)
{
  double dx = x - self->illumination_x, dy = y - self->illumination_y;
  double envelope = exp (self->illumination_exponent * (dx * dx + dy * dy));

  return envelope * (1 + self->parameters.fringe_contrast *
                             cos (self->fringe_kx * x + self->fringe_ky * y + self->fringe_phase));
}

double
lb_world_optics_transmission_at (const LbWorldOptics *self, double x, double y, guint8 level)
{
  const LbWorldParameters *p = &self->parameters;
  double sine = sin (G_PI * self->phase[level] * lb_world_optics_phase_scale_at (self, x, y));

  return (1 - p->polarisation_loss) * (p->weight_floor + (1 - p->weight_floor) * sine * sine) +
         p->weight_reflection;
}
