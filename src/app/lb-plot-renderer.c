/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-plot-renderer.h"

typedef struct
{
  LbPlotRequest request;
  LbPlotFrame frame;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  lb_figure_unref (job->request.figure);
  g_free (job);
}

static GdkTexture *
draw (Job *job)
{
  const LbPlotRequest *request = &job->request;
  int width = request->width * request->scale;
  int height = request->height * request->scale;
  cairo_surface_t *surface = cairo_image_surface_create (CAIRO_FORMAT_ARGB32, width, height);
  cairo_t *cairo = cairo_create (surface);
  g_autoptr (GBytes) bytes = NULL;
  gsize stride;

  cairo_scale (cairo, request->scale, request->scale);
  lb_plot_draw (request->figure, cairo, request->width, request->height, request->theme, &request->view,
                &job->frame);
  cairo_destroy (cairo);
  cairo_surface_flush (surface);
  stride = cairo_image_surface_get_stride (surface);
  bytes = g_bytes_new_with_free_func (cairo_image_surface_get_data (surface), stride * height,
                                      (GDestroyNotify) cairo_surface_destroy, surface);
  return gdk_memory_texture_new (width, height, GDK_MEMORY_DEFAULT, bytes, stride);
}

static void
render_cb (gpointer data, gpointer user_data)
{
  g_autoptr (GTask) task = data;

  if (!g_task_return_error_if_cancelled (task))
    g_task_return_pointer (task, draw (g_task_get_task_data (task)), g_object_unref);
}

static GThreadPool *
get_pool (void)
{
  static gsize pool = 0;

  if (g_once_init_enter (&pool))
    g_once_init_leave (&pool, (gsize) g_thread_pool_new (render_cb, NULL, 1, FALSE, NULL));
  return (GThreadPool *) pool;
}

/**
 * lb_plot_renderer_render_async:
 * @request: width, height and scale at least 1
 */
void
lb_plot_renderer_render_async (const LbPlotRequest *request,
                               GCancellable *cancellable,
                               GAsyncReadyCallback callback,
                               gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  g_return_if_fail (request != NULL && request->figure != NULL);
  g_return_if_fail (request->width > 0 && request->height > 0 && request->scale > 0);

  job->request = *request;
  lb_figure_ref (job->request.figure);
  g_task_set_task_data (task, job, job_free);
  g_task_set_source_tag (task, lb_plot_renderer_render_async);
  g_thread_pool_push (get_pool (), task, NULL);
}

/**
 * lb_plot_renderer_render_finish:
 * @request: (out) (optional): what was drawn; the figure is borrowed
 * @frame: (out) (optional): where the axes lie, in application pixels
 *
 * Returns: (transfer full) (nullable): the picture
 */
GdkTexture *
lb_plot_renderer_render_finish (GAsyncResult *result,
                                LbPlotRequest *request,
                                LbPlotFrame *frame,
                                GError **error)
{
  GTask *task = G_TASK (result);
  const Job *job = g_task_get_task_data (task);
  GdkTexture *texture;

  g_return_val_if_fail (g_task_get_source_tag (task) == lb_plot_renderer_render_async, NULL);

  texture = g_task_propagate_pointer (task, error);
  if (texture != NULL && request != NULL)
    *request = job->request;
  if (texture != NULL && frame != NULL)
    *frame = job->frame;
  return texture;
}
