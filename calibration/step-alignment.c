/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-structured-light-private.h"

#include <glib/gi18n-lib.h>
#include <lb-statistics.h>
#include <math.h>
#include <string.h>

/* Limit of the composed map of source to weight plane (optics.md), pixels rms. */
#define COMPOSED_LIMIT_PX 0.15
/* Camera pixels an SLM pixel from which up it is to be met (optics.md). */
#define COARSE_SCALE 0.5
#define EDGES_MAX 24000
/* Fewer edges do not make a map of the plane. */
#define EDGES_MIN 400
/* Samples a side where the composed map is put together. */
#define GRID 32
/* Dark columns left and right of the image, for row noise; and the rows above
 * and below that blur reaches. */
#define DARK_COLUMNS 24
#define BLUR_REACH 12
/* A pixel is lit if it has that part of what the brightest have. */
#define LIT_PART 0.10
/* Light has to be that many DN over the dark. */
#define LIT_MIN_DN 8

/* Patterns by number: those of the two planes have blocks of their own. */
enum
{
  PATTERN_DARK,
  PATTERN_FULL,
  PATTERN_STRIPES,
};

typedef struct
{
  LbCapture capture;
  LbModulatorCaps planes[2]; /* source, weight */
  guint8 high[2];            /* grey level of full brightness */
  guint width, height;       /* of the sensor */
  LbStripes stripes;         /* of the plane in work */
  guint plane;               /* that it is */
  guint16 *full;             /* frame with both planes full on */
  gint16 *signal;            /* that less the dark source */
  guint8 *lit;
  guint8 *defective; /* NULL: not known */
  LbPlaneFit fits[2];
  double contrast[2];
  guint stripe[2];
  gsize n_lit;
  LbPlaneMap source_to_weight;
  double composed_residual, scale;
  gboolean image_cut; /* the sensor does not see the whole weight plane */
} AlignmentWork;

static void
alignment_work_clear (AlignmentWork *work)
{
  lb_stripes_clear (&work->stripes);
  lb_plane_fit_clear (&work->fits[0]);
  lb_plane_fit_clear (&work->fits[1]);
  g_free (work->full);
  g_free (work->signal);
  g_free (work->lit);
  g_free (work->defective);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AlignmentWork, alignment_work_clear)

static LbPattern *
render (AlignmentWork *work, guint plane, guint number)
{
  if (number >= PATTERN_STRIPES)
    return lb_stripes_render (&work->stripes, number - PATTERN_STRIPES);
  return lb_pattern_new_uniform (work->planes[plane].width, work->planes[plane].height,
                                 number == PATTERN_FULL ? work->high[plane] : 0);
}

static LbPattern *
render_source (guint number, gpointer data)
{
  return render (data, 0, number);
}

static LbPattern *
render_weight (guint number, gpointer data)
{
  return render (data, 1, number);
}

static gboolean
start (LbCalibrationContext *context, AlignmentWork *work, GCancellable *cancellable, GError **error)
{
  const LbSetupOptics *optics = lb_setup_get_optics (lb_bench_get_setup (context->bench));
  const LbCameraFormat whole = { 0 };
  LbCameraFormat format;
  g_autoptr (LbCalibration) dark = lb_calibration_set_dup (context->in_force, "dark");
  const LbMatrix *defects = lb_calibration_get_array (dark, "defects");

  work->capture = (LbCapture){ .context = context,
                               .render_source = render_source,
                               .render_weight = render_weight,
                               .render_data = work,
                               .message = _ ("Looking for light") };
  if (!lb_capture_set_region (context, &whole, &format, cancellable, error))
    return FALSE;
  for (guint plane = 0; plane < 2; plane++)
    if (!lb_bench_get_modulator_caps (context->bench, plane == 0 ? LB_ROLE_SOURCE : LB_ROLE_WEIGHT,
                                      &work->planes[plane]))
      {
        g_set_error_literal (error, LB_BENCH_ERROR, LB_BENCH_ERROR_NOT_CONNECTED,
                             _ ("The planes are not connected: connect the bench first"));
        return FALSE;
      }
  work->high[0] = LB_LEVELS - 1;
  work->high[1] = (guint8) lround ((LB_LEVELS - 1) / MAX (optics->weight_phase_range, 1));
  work->width = format.width;
  work->height = format.height;
  work->defective = g_malloc0 ((gsize) work->width * work->height);
  for (gsize i = 0; defects != NULL && i < defects->rows; i++)
    {
      double x = lb_matrix_get (defects, i, 0), y = lb_matrix_get (defects, i, 1);

      if (x < work->width && y < work->height)
        work->defective[(gsize) y * work->width + (gsize) x] = 1;
    }
  return TRUE;
}

static gboolean
reference_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  AlignmentWork *work = data;
  const gsize pixels = (gsize) work->width * work->height;

  if (shot->source == PATTERN_FULL)
    {
      work->full = g_memdup2 (frame->data, pixels * sizeof *frame->data);
      return TRUE;
    }
  work->signal = g_new (gint16, pixels);
  for (gsize i = 0; i < pixels; i++)
    work->signal[i] = (gint16) CLAMP ((int) work->full[i] - (int) frame->data[i], G_MININT16, G_MAXINT16);
  return TRUE;
}

/* Marks the pixels with light that follows the source plane. */
static gboolean
find_lit (AlignmentWork *work, GError **error)
{
  const gsize pixels = (gsize) work->width * work->height;
  guint step = MAX (1, (guint) (pixels / 100000));
  g_autofree float *samples = g_new (float, pixels / step + 1);
  gsize count = 0;
  double bright, limit;

  for (gsize i = 0; i < pixels; i += step)
    samples[count++] = work->signal[i];
  bright = lb_percentile_float (samples, count, 99.5);
  if (bright < LIT_MIN_DN)
    {
      g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                   _ ("The light that the camera sees does not follow the source plane (it changes by %.0f "
                      "DN): check that the source plane shows its patterns and its image lies on the weight "
                      "plane"),
                   bright);
      return FALSE;
    }
  limit = MAX (LIT_PART * bright, LIT_MIN_DN / 2);
  work->lit = g_malloc0 (pixels);
  for (gsize i = 0; i < pixels; i++)
    if (work->signal[i] > limit)
      {
        work->lit[i] = 1;
        work->n_lit++;
      }
  return TRUE;
}

static gboolean
take_references (AlignmentWork *work, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  const LbCaptureShot plan[] = {
    { .source = PATTERN_FULL, .weight = PATTERN_FULL, .frames = 1 },
    { .source = PATTERN_DARK, .weight = PATTERN_FULL, .frames = 1 },
  };

  g_array_append_vals (shots, plan, G_N_ELEMENTS (plan));
  return lb_capture_find_light (&work->capture, PATTERN_FULL, PATTERN_FULL, cancellable, error) &&
         lb_capture_run (&work->capture, shots, reference_sink, work, cancellable, error) &&
         find_lit (work, error);
}

static gboolean
stripes_sink (const LbCaptureShot *shot, guint nth, LbFrame *frame, gpointer data, GError **error)
{
  AlignmentWork *work = data;

  lb_stripes_add_frame (&work->stripes, shot->tag, frame);
  return TRUE;
}

static gboolean
fail_edges (const AlignmentWork *work, guint plane, guint edges, GError **error)
{
  const double lit = 100.0 * (double) work->n_lit / ((double) work->width * work->height);

  g_set_error (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
               plane == 0
                   ? _ ("The camera sees light (%.0f %% of its image), but not the stripes of the source "
                        "plane (%u edges): focus it on the weight plane, and check that the camera's image "
                        "covers where both planes overlap")
                   : _ ("The camera sees light (%.0f %% of its image), but not the stripes of the weight "
                        "plane (%u edges): check its polarisers and its display, and focus the camera on it"),
               lit, edges);
  return FALSE;
}

/* Shows the stripes of one plane, the other one full on, and fits its map. */
static gboolean
measure_plane (AlignmentWork *work, guint plane, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) shots = g_array_new (FALSE, TRUE, sizeof (LbCaptureShot));
  g_auto (LbEdgePoints) across_x = { 0 };
  g_auto (LbEdgePoints) across_y = { 0 };
  LbStripes *stripes = &work->stripes;

  lb_stripes_clear (stripes);
  lb_stripes_init (stripes, work->planes[plane].width, work->planes[plane].height, work->high[plane],
                   work->width, work->height);
  stripes->lit = work->lit;
  stripes->signal = work->signal;
  work->plane = plane;
  for (guint i = 0; i < lb_stripes_count (stripes); i++)
    {
      LbCaptureShot shot = { .source = PATTERN_FULL, .weight = PATTERN_FULL, .frames = 1, .tag = i };

      *(plane == 0 ? &shot.source : &shot.weight) = PATTERN_STRIPES + i;
      g_array_append_val (shots, shot);
    }
  if (!lb_capture_run (&work->capture, shots, stripes_sink, work, cancellable, error))
    return FALSE;

  lb_stripes_find_used (stripes, &work->contrast[plane]);
  if (stripes->used_bits[0] == 0 || stripes->used_bits[1] == 0)
    return fail_edges (work, plane, 0, error);
  lb_stripes_find_edges (stripes, 0, work->defective, EDGES_MAX, &across_x);
  lb_stripes_find_edges (stripes, 1, work->defective, EDGES_MAX, &across_y);
  work->stripe[plane] = stripes->stripe << MAX (stripes->bits[0] - stripes->used_bits[0],
                                                stripes->bits[1] - stripes->used_bits[1]);
  if (MIN (across_x.value->len, across_y.value->len) < EDGES_MIN)
    return fail_edges (work, plane, MIN (across_x.value->len, across_y.value->len), error);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  return lb_plane_fit_edges (&work->fits[plane], &across_x, &across_y, error);
}

/* Source to weight plane by way of the camera pixels that saw both. */
static gboolean
compose (AlignmentWork *work, GError **error)
{
  const LbPlaneFit *source = &work->fits[0], *weight = &work->fits[1];
  double x0 = MAX (source->x0, weight->x0), x1 = MIN (source->x1, weight->x1);
  double y0 = MAX (source->y0, weight->y0), y1 = MIN (source->y1, weight->y1);
  double from_x[GRID * GRID], from_y[GRID * GRID], to_x[GRID * GRID], to_y[GRID * GRID];
  double jacobian[4];

  if (x1 - x0 < 8 || y1 - y0 < 8)
    {
      g_set_error_literal (error, LB_CALIBRATION_ERROR, LB_CALIBRATION_ERROR_SIGNAL,
                           _ ("The images of the two planes do not overlap: move the source plane's image "
                              "onto the weight plane"));
      return FALSE;
    }
  for (guint i = 0; i < GRID * GRID; i++)
    {
      double x = x0 + (x1 - x0) * (i % GRID) / (GRID - 1.0);
      double y = y0 + (y1 - y0) * (i / GRID) / (GRID - 1.0);

      lb_plane_map_apply (&source->camera_to_plane, x, y, &from_x[i], &from_y[i]);
      lb_plane_map_apply (&weight->camera_to_plane, x, y, &to_x[i], &to_y[i]);
    }
  if (!lb_plane_map_fit (&work->source_to_weight, from_x, from_y, to_x, to_y, GRID * GRID, NULL,
                         &work->composed_residual, error))
    return FALSE;
  lb_plane_map_jacobian (&work->source_to_weight, lb_mean (from_x, GRID * GRID),
                         lb_mean (from_y, GRID * GRID), jacobian);
  work->scale = sqrt (fabs (jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2]));
  return TRUE;
}

/* Extent of the weight plane's image on the sensor. */
static void
find_image (const AlignmentWork *work, double *x0, double *y0, double *x1, double *y1)
{
  const double right = work->planes[1].width - 0.5, bottom = work->planes[1].height - 0.5;

  *x0 = *y0 = G_MAXDOUBLE;
  *x1 = *y1 = -G_MAXDOUBLE;
  for (guint i = 0; i <= 32; i++)
    for (guint side = 0; side < 4; side++)
      {
        double part = i / 32.0, x, y;

        lb_plane_map_apply (&work->fits[1].plane_to_camera,
                            side < 2 ? -0.5 + part * (right + 0.5) : (side == 2 ? -0.5 : right),
                            side < 2 ? (side == 0 ? -0.5 : bottom) : -0.5 + part * (bottom + 0.5), &x, &y);
        *x0 = MIN (*x0, x);
        *x1 = MAX (*x1, x);
        *y0 = MIN (*y0, y);
        *y1 = MAX (*y1, y);
      }
}

/* Start and length of the region along one axis: in steps of the camera. */
static void
round_region (double low, double high, guint size, guint step, guint *start, guint *length)
{
  const guint last = size / step * step;
  guint begin = (guint) CLAMP (floor (low / step) * step, 0, (double) last);
  guint end = (guint) CLAMP (ceil (high / step) * step, 0, (double) last);

  *start = end > begin ? begin : 0;
  *length = end > begin ? end - begin : last;
}

/* The camera's region for all that follows: the image of the weight plane, with
 * dark columns left and right as far as the sensor has them. */
static void
choose_region (AlignmentWork *work, LbCalibration *result)
{
  LbQuantities *values = lb_calibration_values (result);
  LbCameraCaps caps = { 0 };
  LbCameraFormat region = { 0 };
  double x0, y0, x1, y1, blur, dark, jacobian[4];

  lb_bench_get_camera_caps (work->capture.context->bench, &caps);
  find_image (work, &x0, &y0, &x1, &y1);
  lb_plane_map_jacobian (&work->fits[1].plane_to_camera, 0.5 * work->planes[1].width,
                         0.5 * work->planes[1].height, jacobian);
  /* The layout keeps a macropixel's distance from the image. */
  blur = BLUR_REACH + sqrt (fabs (jacobian[0] * jacobian[3] - jacobian[1] * jacobian[2])) *
                          lb_setup_get_optics (lb_bench_get_setup (work->capture.context->bench))->macropixel;
  if (caps.has_region)
    {
      round_region (x0 - DARK_COLUMNS - blur, x1 + 1 + DARK_COLUMNS + blur, work->width,
                    MAX (caps.region_step, 1), &region.x, &region.width);
      round_region (y0 - BLUR_REACH, y1 + 1 + BLUR_REACH, work->height, MAX (caps.region_step, 1), &region.y,
                    &region.height);
    }
  else
    region = (LbCameraFormat){ 0, 0, work->width, work->height, 0 };
  lb_quantities_set (values, "region_x", region.x, "px");
  lb_quantities_set (values, "region_y", region.y, "px");
  lb_quantities_set (values, "region_width", region.width, "px");
  lb_quantities_set (values, "region_height", region.height, "px");
  dark = MIN (x0 - region.x, region.x + region.width - x1 - 1) - (blur - BLUR_REACH);
  lb_quantities_set (values, "dark_columns", floor (MAX (dark, 0)), "px");
  work->image_cut = x0 < -0.5 || y0 < -0.5 || x1 > work->width - 0.5 || y1 > work->height - 0.5;
}

/* "as it is", "turned by 90°, mirrored" ... and the numbers behind it. */
static void
describe_map (LbQuantities *values, const char *prefix, const LbPlaneMap *map, double x, double y)
{
  double j[4], determinant, angle;
  g_autofree char *scale = g_strdup_printf ("%s_scale", prefix);
  g_autofree char *turn = g_strdup_printf ("%s_rotation", prefix);
  g_autofree char *mirror = g_strdup_printf ("%s_mirrored", prefix);

  lb_plane_map_jacobian (map, x, y, j);
  determinant = j[0] * j[3] - j[1] * j[2];
  /* A mirrored map is taken as a flip of x before the turn. */
  angle = determinant > 0 ? atan2 (j[2] - j[1], j[0] + j[3]) : atan2 (-j[2] - j[1], -j[0] + j[3]);
  lb_quantities_set (values, scale, sqrt (fabs (determinant)), "");
  lb_quantities_set (values, turn, angle * 180 / G_PI, "°");
  lb_quantities_set (values, mirror, determinant < 0, "");
}

static void
set_values (AlignmentWork *work, LbCalibration *result)
{
  LbQuantities *values = lb_calibration_values (result);
  LbCameraFormat format;
  double j[4], area;

  lb_bench_get_camera_format (work->capture.context->bench, &format);
  lb_quantities_set (values, "source_width", work->planes[0].width, "px");
  lb_quantities_set (values, "source_height", work->planes[0].height, "px");
  lb_quantities_set (values, "weight_width", work->planes[1].width, "px");
  lb_quantities_set (values, "weight_height", work->planes[1].height, "px");
  lb_quantities_set (values, "bits", format.bits, "");
  describe_map (values, "weight_to_camera", &work->fits[1].plane_to_camera, 0.5 * work->planes[1].width,
                0.5 * work->planes[1].height);
  describe_map (values, "source_to_weight", &work->source_to_weight, 0.5 * work->planes[0].width,
                0.5 * work->planes[0].height);
  lb_plane_map_jacobian (&work->fits[1].plane_to_camera, 0.5 * work->planes[1].width,
                         0.5 * work->planes[1].height, j);
  area = fabs (j[0] * j[3] - j[1] * j[2]);
  lb_quantities_set (
      values, "overlap",
      MIN (100, 100.0 * (double) work->n_lit / area / work->planes[1].width / work->planes[1].height), "%");
  lb_quantities_set (values, "weight_edge_residual", work->fits[1].residual, "px");
  lb_quantities_set (values, "source_edge_residual", work->fits[0].residual, "px");
  lb_quantities_set (values, "weight_contrast", work->contrast[1], "");
  lb_quantities_set (values, "source_contrast", work->contrast[0], "");
  lb_quantities_set (values, "weight_stripe", work->stripe[1], "px");
  lb_quantities_set (values, "source_stripe", work->stripe[0], "px");
  lb_calibration_set_plane_map (result, "weight_to_camera", &work->fits[1].plane_to_camera);
  lb_calibration_set_plane_map (result, "camera_to_weight", &work->fits[1].camera_to_plane);
  lb_calibration_set_plane_map (result, "source_to_camera", &work->fits[0].plane_to_camera);
  lb_calibration_set_plane_map (result, "camera_to_source", &work->fits[0].camera_to_plane);
  lb_calibration_set_plane_map (result, "source_to_weight", &work->source_to_weight);
}

static LbFigure *
draw_zones (const LbPlaneFit *fit, const char *title)
{
  LbFigure *figure =
      lb_figure_new (title, _ ("Zone (residual across columns, then across rows)"), "", _ ("Zone"), "");
  LbSeries *series = lb_figure_add_image (figure, NULL, fit->zone_residual);
  double largest = lb_matrix_max_abs (fit->zone_residual);

  figure->y_axis.reversed = TRUE;
  series->diverging = TRUE;
  series->low = -MAX (largest, 0.01);
  series->high = MAX (largest, 0.01);
  figure->note = g_strdup_printf (_ ("Mean residual of the edges in each zone of the camera's image: %.3f "
                                     "px rms, at most %.3f px"),
                                  fit->systematic, largest);
  return figure;
}

/* Where the weight plane's and the source plane's borders lie on the sensor. */
static LbFigure *
draw_outlines (const AlignmentWork *work)
{
  LbFigure *figure = lb_figure_new (_ ("The planes as the camera sees them"), "x", "px", "y", "px");
  const char *names[2] = { _ ("Source plane"), _ ("Weight plane") };

  figure->y_axis.reversed = TRUE;
  figure->x_axis.low = figure->y_axis.low = 0;
  figure->x_axis.high = work->width;
  figure->y_axis.high = work->height;
  for (guint plane = 0; plane < 2; plane++)
    {
      const double width = work->planes[plane].width, height = work->planes[plane].height;
      const double corners[5][2] = { { 0, 0 }, { width, 0 }, { width, height }, { 0, height }, { 0, 0 } };
      double x[41], y[41];

      for (guint i = 0; i <= 40; i++)
        {
          const double *from = corners[MIN (i / 10, 3)], *to = corners[MIN (i / 10, 3) + 1];
          double part = i == 40 ? 1 : (i % 10) / 10.0;

          lb_plane_map_apply (&work->fits[plane].plane_to_camera, from[0] + part * (to[0] - from[0]) - 0.5,
                              from[1] + part * (to[1] - from[1]) - 0.5, &x[i], &y[i]);
        }
      lb_figure_add_line (figure, names[plane], x, y, G_N_ELEMENTS (x));
    }
  return figure;
}

static void
add_figures (const AlignmentWork *work, LbCalibration *result)
{
  g_autoptr (LbFigure) outlines = draw_outlines (work);
  g_autoptr (LbFigure) weight = draw_zones (&work->fits[1], _ ("Residuals of the weight plane's map"));
  g_autoptr (LbFigure) source = draw_zones (&work->fits[0], _ ("Residuals of the source plane's map"));

  lb_calibration_add_figure (result, "outlines", outlines);
  lb_calibration_add_figure (result, "weight_residuals", weight);
  lb_calibration_add_figure (result, "source_residuals", source);
}

static void
judge (const AlignmentWork *work, LbCalibration *result)
{
  const LbQuantities *values = lb_calibration_values (result);
  double source = work->fits[0].systematic * work->scale;
  double residual = sqrt (source * source + work->fits[1].systematic * work->fits[1].systematic +
                          work->composed_residual * work->composed_residual);
  double overlap = lb_quantities_get (values, "overlap", 0);
  double camera_scale = lb_quantities_get (values, "weight_to_camera_scale", 0);
  g_autofree char *good = g_strdup_printf (
      _ ("Both planes are found: %.3f camera pixels per pixel of the weight plane, turned by %.1f°%s.%s"),
      camera_scale, lb_quantities_get (values, "weight_to_camera_rotation", 0),
      lb_quantities_get (values, "weight_to_camera_mirrored", 0) > 0 ? _ (", mirrored") : "",
      lb_quantities_get (values, "dark_columns", 0) < DARK_COLUMNS - 8
          ? _ (" Beside the image are too few dark columns to take out row noise.")
          : "");
  g_autofree char *partial =
      g_strdup_printf (_ ("Only %.0f %% of the weight plane are lit and seen: move the source plane's image "
                          "onto the weight plane and centre the camera."),
                       overlap);

  lb_capture_judge (
      result, residual, COMPOSED_LIMIT_PX, "px", good,
      camera_scale < COARSE_SCALE
          ? _ ("The maps of the planes do not fit well, as the camera has less than half a pixel for each of "
               "the weight plane: raise the magnification, or accept it.")
          : _ ("The maps of the planes do not fit well: focus the camera on the weight plane, and the "
               "source plane's image too."));
  if (lb_calibration_get_verdict (result) != LB_VERDICT_PASS)
    return;
  if (overlap < 60)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, residual, COMPOSED_LIMIT_PX, "px", partial);
  else if (work->image_cut)
    lb_calibration_set_verdict (result, LB_VERDICT_WARN, residual, COMPOSED_LIMIT_PX, "px",
                                _ ("The camera does not see the whole weight plane: lower the magnification, "
                                   "or centre the camera."));
}

static gboolean
measure_alignment (LbCalibrationContext *context,
                   LbCalibration *result,
                   GCancellable *cancellable,
                   GError **error)
{
  g_auto (AlignmentWork) work = { 0 };

  if (!start (context, &work, cancellable, error))
    return FALSE;
  work.capture.fraction_to = 0.05;
  if (!take_references (&work, cancellable, error))
    return FALSE;
  work.capture.message = _ ("Stripes on the weight plane");
  work.capture.fraction_from = 0.05;
  work.capture.fraction_to = 0.5;
  if (!measure_plane (&work, 1, cancellable, error))
    return FALSE;
  work.capture.message = _ ("Stripes on the source plane");
  work.capture.fraction_from = 0.5;
  work.capture.fraction_to = 0.95;
  if (!measure_plane (&work, 0, cancellable, error) || !compose (&work, error))
    return FALSE;

  lb_capture_describe_light (&work.capture, result);
  set_values (&work, result);
  choose_region (&work, result);
  add_figures (&work, result);
  judge (&work, result);
  return TRUE;
}

static void
forecast (LbBench *bench, LbCalibrationForecast *forecast)
{
  double frames = 3;

  for (guint role = LB_ROLE_SOURCE; role <= LB_ROLE_WEIGHT; role++)
    {
      g_auto (LbStripes) stripes = { 0 };
      LbModulatorCaps plane;

      if (!lb_bench_get_modulator_caps (bench, role, &plane))
        return;
      lb_stripes_init (&stripes, plane.width, plane.height, LB_LEVELS - 1, 1, 1);
      frames += lb_stripes_count (&stripes);
    }
  lb_calibration_forecast_add (forecast, bench, (guint) frames, frames, 0, 1);
}

const LbCalibrationStep lb_calibration_step_alignment = {
  .name = "alignment",
  .title = N_ ("Alignment"),
  .description =
      N_ ("Finds where each pixel of the source and of the weight plane lies on the camera, and on "
          "each other, whatever the flip, turn and magnification"),
  .needs = { "dark", NULL },
  .max_age_s = 12 * 3600,
  .forecast = forecast,
  .measure = measure_alignment,
};
